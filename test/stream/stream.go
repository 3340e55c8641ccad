// Package stream reads what `go test -json` writes: one event a line, from
// which a Run is put together. The runner prints a Run, the coverage tool looks
// in it for the rows it proves.
package stream

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
)

// Event is one line of the stream, as `go doc test2json` describes it. Build
// failures carry ImportPath instead of Package.
type Event struct {
	Time        time.Time
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// The outcomes of a test or a package.
const (
	Passed  = "pass"
	Failed  = "fail"
	Skipped = "skip"
)

// Test is one test or subtest that ended.
type Test struct {
	Package string
	Name    string
	Outcome string
	Seconds float64
	Output  []string // every line it printed, framing lines left out
}

// Reason is what a skipped test said: its last line without file and line number.
func (t *Test) Reason() string {
	for _, line := range slices.Backward(t.Output) {
		text := Text(line)
		if text != "" && !strings.HasPrefix(text, "--- ") {
			return text
		}
	}
	return "no reason given"
}

// Text is a printed line without its indent and the "file_test.go:12:" before it.
func Text(line string) string {
	text := strings.TrimSpace(line)
	if _, rest, found := strings.Cut(text, ".go:"); found {
		if number, rest, found := strings.Cut(rest, ": "); found && strings.Trim(number, "0123456789") == "" {
			return rest
		}
	}
	return text
}

// Package is one test binary that ended.
type Package struct {
	Name    string
	Outcome string
	Seconds float64
	Cached  bool
	Output  []string // what it printed outside any test, build errors included
	Tests   []*Test  // in the order they ended
}

// Run is everything a stream told.
type Run struct {
	Packages []*Package // in the order they ended; those without tests left out

	open   map[string]*Package
	tests  map[string]*Test
	builds map[string][]string
}

// NewRun is a run that nothing was told of yet.
func NewRun() *Run {
	return &Run{open: map[string]*Package{}, tests: map[string]*Test{}, builds: map[string][]string{}}
}

// Read takes the whole stream. A line that is not an event goes to other, which
// may be nil; each package that ends goes to ended, which may be nil.
func (r *Run) Read(in io.Reader, other func(line string), ended func(*Package)) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e Event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				if other != nil {
					other(string(line))
				}
			} else if p := r.Add(e); p != nil && ended != nil {
				ended(p)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Add takes one event and returns the package that ended with it, or nil.
func (r *Run) Add(e Event) *Package {
	if e.Action == "build-output" {
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
		return nil
	}
	if e.Package == "" {
		return nil
	}
	if e.Test != "" {
		r.test(e)
		return nil
	}
	return r.pack(e)
}

func (r *Run) opened(name string) *Package {
	p := r.open[name]
	if p == nil {
		p = &Package{Name: name}
		r.open[name] = p
	}
	return p
}

func (r *Run) test(e Event) {
	key := e.Package + "\x00" + e.Test
	t := r.tests[key]
	if t == nil {
		t = &Test{Package: e.Package, Name: e.Test}
		r.tests[key] = t
	}
	switch e.Action {
	case "output":
		if !framing(e.Output) {
			t.Output = append(t.Output, e.Output)
		}
	case Passed, Failed, Skipped:
		t.Outcome, t.Seconds = e.Action, e.Elapsed
		p := r.opened(e.Package)
		p.Tests = append(p.Tests, t)
		delete(r.tests, key)
	}
}

// framing tells the lines that go test prints around a test.
func framing(line string) bool {
	for _, mark := range []string{"=== RUN ", "=== PAUSE ", "=== CONT ", "=== NAME ", "--- PASS: "} {
		if strings.HasPrefix(strings.TrimLeft(line, " "), mark) {
			return true
		}
	}
	return false
}

func (r *Run) pack(e Event) *Package {
	p := r.opened(e.Package)
	switch e.Action {
	case "output":
		p.Cached = p.Cached || strings.HasSuffix(e.Output, "\t(cached)\n")
		p.Output = append(p.Output, e.Output)
		return nil
	case Passed, Failed, Skipped:
		p.Outcome, p.Seconds = e.Action, e.Elapsed
		if e.FailedBuild != "" {
			p.Output = append(p.Output, r.builds[e.FailedBuild]...)
		}
		r.unfinished(p)
		delete(r.open, e.Package)
		if p.Outcome == Skipped { // "[no test files]"
			return nil
		}
		r.Packages = append(r.Packages, p)
		return p
	}
	return nil
}

// unfinished fails the tests of p that began and never ended: the binary died under them.
func (r *Run) unfinished(p *Package) {
	var left []*Test
	for key, t := range r.tests {
		if t.Package == p.Name {
			t.Outcome = Failed
			left = append(left, t)
			delete(r.tests, key)
		}
	}
	slices.SortFunc(left, func(a, b *Test) int { return strings.Compare(a.Name, b.Name) })
	p.Tests = append(p.Tests, left...)
}

// Unfinished names the packages that began and never ended.
func (r *Run) Unfinished() []string {
	var names []string
	for name := range r.open {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Count returns the tests that had an outcome, subtests included.
func (r *Run) Count(outcome string) int {
	n := 0
	for _, p := range r.Packages {
		for _, t := range p.Tests {
			if t.Outcome == outcome {
				n++
			}
		}
	}
	return n
}
