package main

import (
	"cmp"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"encaisse/test/stream"
)

// seedsShown limits the list of seeds at the end.
const seedsShown = 60

// report gathers what happened and prints it.
type report struct {
	out      io.Writer
	rules    skipRules
	result   *stream.Run
	failures []string // names, for the list at the end
	fuzzed   int
}

// raw is a line of go test that is not an event: shown as it is.
func (r *report) raw(line string) { fmt.Fprint(r.out, line) }

// packageEnded prints the package's line, and under it what failed in full.
func (r *report) packageEnded(p *stream.Package) {
	word, note := "ok  ", ""
	if p.Cached {
		note = "  cached"
	}
	var failed, refused []*stream.Test
	for _, t := range p.Tests {
		switch {
		case t.Outcome == stream.Failed:
			failed = append(failed, t)
		case t.Outcome == stream.Skipped && r.rules.refuses(t) != "":
			refused = append(refused, t)
		}
	}
	if p.Outcome == stream.Failed || len(refused) > 0 {
		word = "FAIL"
	}
	fmt.Fprintf(r.out, "%s  %7.1fs  %s%s\n", word, p.Seconds, p.Name, note)
	for _, t := range failed {
		r.fail(t.Package+" "+t.Name, strings.Join(t.Output, ""))
	}
	for _, t := range refused {
		r.fail(t.Package+" "+t.Name, fmt.Sprintf("    skipped: %s\n    %s\n", t.Reason(), r.rules.refuses(t)))
	}
	if p.Outcome == stream.Failed && len(failed) == 0 {
		r.fail(p.Name, strings.Join(p.Output, ""))
	}
}

func (r *report) fail(name, output string) {
	r.failures = append(r.failures, name)
	fmt.Fprintf(r.out, "\n--- %s\n%s\n", name, output)
}

// goTestFailed makes sure that an exit code without a failed test is not lost.
func (r *report) goTestFailed(exit *exec.ExitError) {
	for _, name := range r.result.Unfinished() {
		r.fail(name, "    began and never ended\n")
	}
	if len(r.failures) == 0 {
		r.fail("go test", fmt.Sprintf("    %v, and no test says why\n", exit))
	}
}

func (r *report) fuzzEnded(t *stream.Test, ok bool, output string, took time.Duration) {
	if !ok {
		r.fail("fuzz "+t.Package+" "+t.Name, output)
		return
	}
	r.fuzzed++
	fmt.Fprintf(r.out, "fuzz  %7.1fs  %s %s, %s executions\n", took.Seconds(), t.Package, t.Name, fuzzExecs(output))
}

// close prints the lists and the closing line, and tells whether all is well.
func (r *report) close(took time.Duration) bool {
	passed := r.result.Count(stream.Passed) + r.fuzzed
	skipped := r.skips()
	r.seeds()
	r.times()
	if len(r.failures) > 0 {
		r.heading("Failed")
		for _, name := range r.failures {
			fmt.Fprintf(r.out, "  %s\n", name)
		}
	}
	if passed == 0 && len(r.failures) == 0 {
		r.fail("go test", "    no test ran\n")
	}
	fmt.Fprintf(r.out, "\ntests took %s\n", seconds(took))
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", passed, len(r.failures), skipped)
	return len(r.failures) == 0
}

func (r *report) heading(text string) { fmt.Fprintf(r.out, "\n%s:\n", text) }

// skips names the tolerated skips and returns how many there are.
func (r *report) skips() int {
	n := 0
	for _, p := range r.result.Packages {
		for _, t := range p.Tests {
			if t.Outcome != stream.Skipped || r.rules.refuses(t) != "" {
				continue
			}
			if n == 0 {
				r.heading("Skipped")
			}
			n++
			fmt.Fprintf(r.out, "  %s %s: %s\n", t.Package, t.Name, t.Reason())
		}
	}
	return n
}

var saysSeed = regexp.MustCompile(`(?i)\bseeds?\b.*\d`)

// seeds shows what passing tests said about their random seeds, so that a run can be repeated.
func (r *report) seeds() {
	n := 0
	for _, p := range r.result.Packages {
		for _, t := range p.Tests {
			for _, line := range t.Output {
				if t.Outcome != stream.Passed || !saysSeed.MatchString(line) || n == seedsShown {
					continue
				}
				if n == 0 {
					r.heading("Seeds")
				}
				n++
				fmt.Fprintf(r.out, "  %s %s: %s\n", p.Name, t.Name, stream.Text(line))
			}
		}
	}
}

func (r *report) times() {
	packages := slices.Clone(r.result.Packages)
	slices.SortStableFunc(packages, func(a, b *stream.Package) int { return cmp.Compare(b.Seconds, a.Seconds) })
	r.heading("Time per package")
	for _, p := range packages {
		fmt.Fprintf(r.out, "  %7.1fs  %s (%d tests)\n", p.Seconds, p.Name, len(p.Tests))
	}
}
