package stream

import (
	"strings"
	"testing"
)

// recorded is a stream as go test writes it: a panic, a skip, a package that
// does not build, one without tests, one from the cache, one that died midway.
const recorded = `{"ImportPath":"jt/b [jt/b.test]","Action":"build-output","Output":"b/b.go:2:23: cannot use \"a\"\n"}
{"ImportPath":"jt/b [jt/b.test]","Action":"build-fail"}
{"Action":"start","Package":"jt/b"}
{"Action":"output","Package":"jt/b","Output":"FAIL\tjt/b [build failed]\n"}
{"Action":"fail","Package":"jt/b","Elapsed":0.001,"FailedBuild":"jt/b [jt/b.test]"}
{"Action":"start","Package":"jt/c"}
{"Action":"output","Package":"jt/c","Output":"?   \tjt/c\t[no test files]\n"}
{"Action":"skip","Package":"jt/c","Elapsed":0}
a line of something else
{"Action":"start","Package":"jt/a"}
{"Action":"run","Package":"jt/a","Test":"TestOK"}
{"Action":"output","Package":"jt/a","Test":"TestOK","Output":"=== RUN   TestOK\n"}
{"Action":"output","Package":"jt/a","Test":"TestOK","Output":"    a_test.go:3: seed 42\n"}
{"Action":"run","Package":"jt/a","Test":"TestOK/sub"}
{"Action":"output","Package":"jt/a","Test":"TestOK/sub","Output":"    a_test.go:3: needs strace\n"}
{"Action":"output","Package":"jt/a","Test":"TestOK/sub","Output":"--- SKIP: TestOK/sub (0.00s)\n"}
{"Action":"skip","Package":"jt/a","Test":"TestOK/sub","Elapsed":0}
{"Action":"output","Package":"jt/a","Test":"TestOK","Output":"--- PASS: TestOK (0.00s)\n"}
{"Action":"pass","Package":"jt/a","Test":"TestOK","Elapsed":0.5}
{"Action":"run","Package":"jt/a","Test":"TestDies"}
{"Action":"output","Package":"jt/a","Test":"TestDies","Output":"last words\n"}
{"Action":"output","Package":"jt/a","Output":"FAIL\tjt/a\t0.015s\n"}
{"Action":"fail","Package":"jt/a","Elapsed":0.017}
{"Action":"start","Package":"jt/d"}
{"Action":"run","Package":"jt/d","Test":"TestD"}
{"Action":"pass","Package":"jt/d","Test":"TestD","Elapsed":0}
{"Action":"output","Package":"jt/d","Output":"ok  \tjt/d\t(cached)\n"}
{"Action":"pass","Package":"jt/d","Elapsed":0}
{"Action":"start","Package":"jt/e"}
{"Action":"output","Package":"jt/e","Output":"still here\n"}
`

func TestRead(t *testing.T) {
	var other, ended []string
	r := NewRun()
	err := r.Read(strings.NewReader(recorded),
		func(line string) { other = append(other, line) },
		func(p *Package) { ended = append(ended, p.Name) })
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(ended, " "); got != "jt/b jt/a jt/d" {
		t.Errorf("packages ended: %s", got)
	}
	if len(other) != 1 || other[0] != "a line of something else\n" {
		t.Errorf("other lines: %q", other)
	}
	if got := strings.Join(r.Unfinished(), " "); got != "jt/e" {
		t.Errorf("unfinished: %s", got)
	}
	if b := r.Packages[0]; b.Outcome != Failed || !strings.Contains(strings.Join(b.Output, ""), "cannot use") {
		t.Errorf("a package that does not build lost its errors: %+v", b)
	}
	if !r.Packages[2].Cached || r.Packages[1].Cached {
		t.Error("what comes from the cache is mistaken")
	}
	for outcome, want := range map[string]int{Passed: 2, Failed: 1, Skipped: 1} {
		if got := r.Count(outcome); got != want {
			t.Errorf("%s: %d, want %d", outcome, got, want)
		}
	}
}

func TestReason(t *testing.T) {
	for _, c := range []struct {
		output []string
		want   string
	}{
		{[]string{"    a_test.go:3: needs strace\n", "--- SKIP: TestOK (0.00s)\n"}, "needs strace"},
		{[]string{"    a_test.go:3: first\n", "    a_test.go:4: then: this\n"}, "then: this"},
		{[]string{"    a.go:b: odd\n"}, "a.go:b: odd"},
		{[]string{"--- SKIP: TestOK (0.00s)\n"}, "no reason given"},
	} {
		if got := (&Test{Output: c.output}).Reason(); got != c.want {
			t.Errorf("%q: %q, want %q", c.output, got, c.want)
		}
	}
}
