package tidy

import "strings"

// exception is a place that a rule leaves alone. what is part of the finding.
type exception struct {
	rule, path, what string
	why              string
}

// exceptions is the whole list.
var exceptions = []exception{
	{
		"no package state", "base/id/id.go", "sequence",
		"RFC 9562 §6.2 asks for a counter per process; ids of one millisecond sort by it",
	},
	{
		"time comes from base/clock", "cmd/encaisse/replay.go", "uses time.",
		"how long the replay took, for the person who asked; the sales have the replay's own clock",
	},
	{
		"time comes from base/clock", "cmd/encaisse/verify.go", "uses time.",
		"how long the verification took, for the person who asked",
	},
	{
		"time comes from base/clock", "cmd/encaisse/bench.go", "uses time.",
		"a benchmark measures the machine's time",
	},
	{
		"time comes from base/clock", "cmd/encaisse/bench_http.go", "uses time.",
		"a benchmark measures the machine's time",
	},
	{
		"time comes from base/clock", "cmd/encaisse/bench_cards.go", "uses time.",
		"a benchmark measures the machine's time",
	},
	{
		"time comes from base/clock", "cmd/encaisse/bench_engines.go", "uses time.",
		"a benchmark measures the machine's time",
	},
	{
		"no floating point near money", "base/db/stats.go", "float64",
		"writes per commit: a mean, not an amount",
	},
}

// excepted is the place in the list of the exception that covers f, or -1.
func excepted(rule string, f finding) int {
	for i, e := range exceptions {
		if e.rule == rule && e.path == f.path && strings.Contains(f.what, e.what) {
			return i
		}
	}
	return -1
}
