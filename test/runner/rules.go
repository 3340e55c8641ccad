package main

import (
	"os"
	"path/filepath"
	"strings"

	"encaisse/test/stream"
)

// What a skipped test may give as its reason.
const (
	wantsSoak = "soak"           // the long version of a test: make soak
	wantsData = "../shared/data" // real data that does not come with the project
)

// skipRules says which skips a run tolerates.
type skipRules struct {
	ci, soak, data bool // data: ../shared/data is there
}

func rulesFor(opt options) skipRules {
	_, err := os.Stat(filepath.Join(opt.root, "..", "shared", "data"))
	return skipRules{ci: opt.ci, soak: opt.soak, data: err == nil}
}

// refuses says why a skip counts as a failure, or "" when it may pass.
func (r skipRules) refuses(t *stream.Test) string {
	reason := t.Reason()
	switch {
	case strings.Contains(reason, wantsData):
		if r.data {
			return wantsData + " is there: nothing that uses it skips"
		}
	case strings.Contains(reason, wantsSoak):
		if r.soak {
			return "this is the soak: nothing skips for want of it"
		}
	case r.ci:
		return "in CI a test skips only for want of a soak or of " + wantsData
	}
	return ""
}
