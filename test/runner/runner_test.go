package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"encaisse/test/stream"
)

func TestRefusesSkips(t *testing.T) {
	cases := []struct {
		reason string
		rules  skipRules
		may    bool
	}{
		{"needs strace", skipRules{}, true},
		{"needs strace", skipRules{ci: true}, false},
		{"needs strace", skipRules{ci: true, data: true}, false},
		{"no reason at all", skipRules{ci: true}, false},
		{"a soak test", skipRules{}, true},
		{"a soak test", skipRules{ci: true}, true},
		{"a soak test", skipRules{soak: true}, false},
		{"needs ../shared/data", skipRules{}, true},
		{"needs ../shared/data", skipRules{ci: true}, true},
		{"needs ../shared/data", skipRules{data: true}, false},
		{"needs ../shared/data for the soak", skipRules{data: true}, false},
	}
	for _, c := range cases {
		test := &stream.Test{Output: []string{"    a_test.go:3: " + c.reason + "\n"}}
		if got := c.rules.refuses(test); (got == "") != c.may {
			t.Errorf("%q under %+v: %q", c.reason, c.rules, got)
		}
	}
}

func TestFuzzTime(t *testing.T) {
	for _, c := range []struct {
		said string
		opt  options
		want time.Duration
	}{
		{"", options{}, fuzzLocal},
		{"", options{ci: true}, fuzzCI},
		{"", options{ci: true, soak: true}, fuzzSoak},
		{"1s", options{soak: true}, time.Second},
		{"0s", options{}, 0},
	} {
		if got, err := fuzzTime(c.said, c.opt); err != nil || got != c.want {
			t.Errorf("%q %+v: %v, %v", c.said, c.opt, got, err)
		}
	}
	if _, err := fuzzTime("soon", options{}); err == nil {
		t.Error("a duration that is none is taken")
	}
}

func TestFuzzHiccup(t *testing.T) {
	if !endedOnDeadline("--- FAIL: FuzzX (3.01s)\n    context deadline exceeded\nFAIL\n") {
		t.Error("the engine's own hiccup counts as a failure")
	}
	if endedOnDeadline("--- FAIL: FuzzX (3.01s)\n    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzX/1\n") {
		t.Error("a failing input is excused")
	}
	if endedOnDeadline("--- FAIL: FuzzX (3.01s)\n    panic: oh\n") {
		t.Error("a panic is excused")
	}
}

// module writes a Go module of its own and returns the options to run it.
func module(t *testing.T, files map[string]string) options {
	t.Helper()
	root := filepath.Join(t.TempDir(), "module")
	files["go.mod"] = "module toy\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(envPostgres, "postgres://nobody") // no cluster for a toy
	return options{root: root, patterns: []string{"./..."}}
}

const toyOK = `package ok
import "testing"
func TestFine(t *testing.T) { t.Log("seed 42") }
func TestTool(t *testing.T) { t.Skip("needs a tool") }
func FuzzFine(f *testing.F) { f.Add("a"); f.Fuzz(func(t *testing.T, s string) {}) }
`

func TestRunThatPasses(t *testing.T) {
	opt := module(t, map[string]string{"ok/ok_test.go": toyOK})
	opt.json = filepath.Join(t.TempDir(), "stream.json")
	opt.fuzzTime = 100 * time.Millisecond
	var out bytes.Buffer
	ok, err := run(t.Context(), opt, &out)
	if err != nil || !ok {
		t.Fatalf("%v, %v\n%s", ok, err, out.String())
	}
	for _, want := range []string{
		"ok  ", "toy/ok", "Skipped:\n  toy/ok TestTool: needs a tool\n",
		"Seeds:\n  toy/ok TestFine: seed 42\n", "toy/ok FuzzFine, ", "Time per package:\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
	// TestFine, FuzzFine and its seed, and the search.
	if !strings.HasSuffix(out.String(), "\n4 passed, 0 failed, 1 skipped\n") {
		t.Errorf("closing line:\n%s", out.String())
	}
	if saved, err := os.ReadFile(opt.json); err != nil || !bytes.Contains(saved, []byte(`"Test":"TestFine"`)) {
		t.Errorf("the stream was not saved: %v", err)
	}
}

// TestRunThatFails shows each way to fail: the runner must see every one.
func TestRunThatFails(t *testing.T) {
	cases := map[string]struct {
		files map[string]string
		ci    bool
		want  []string
	}{
		"a failed test": {
			files: map[string]string{"bad/bad_test.go": "package bad\nimport \"testing\"\nfunc TestBad(t *testing.T) { t.Error(\"oh no\") }\n"},
			want:  []string{"FAIL", "oh no", "Failed:\n  toy/bad TestBad\n", "\n0 passed, 1 failed, 0 skipped\n"},
		},
		"a panic": {
			files: map[string]string{"bad/bad_test.go": "package bad\nimport \"testing\"\nfunc TestBad(t *testing.T) { panic(\"oh no\") }\n"},
			want:  []string{"oh no", "\n0 passed, 1 failed, 0 skipped\n"},
		},
		"an exit": {
			files: map[string]string{"bad/bad_test.go": "package bad\nimport (\"os\"; \"testing\")\nfunc TestBad(t *testing.T) { os.Exit(3) }\n"},
			want:  []string{"Failed:\n  toy/bad TestBad\n", "\n0 passed, 1 failed, 0 skipped\n"},
		},
		"no build": {
			files: map[string]string{"bad/bad_test.go": "package bad\nvar x int = \"text\"\n"},
			want:  []string{"cannot use", "Failed:\n  toy/bad\n", "\n0 passed, 1 failed, 0 skipped\n"},
		},
		"no test": {
			files: map[string]string{"bad/bad.go": "package bad\n"},
			want:  []string{"no test ran", "\n0 passed, 1 failed, 0 skipped\n"},
		},
		"a tool missing in CI": {
			files: map[string]string{"ok/ok_test.go": toyOK}, ci: true,
			want: []string{"skipped: needs a tool", "Failed:\n  toy/ok TestTool\n", "\n3 passed, 1 failed, 0 skipped\n"},
		},
		"a fuzz target": {
			files: map[string]string{"bad/bad_test.go": "package bad\nimport \"testing\"\nfunc FuzzBad(f *testing.F) { f.Fuzz(func(t *testing.T, n uint8) { if n > 0 { t.Error(\"oh no\") } }) }\n"},
			want:  []string{"Failing input written to", "Failed:\n  fuzz toy/bad FuzzBad\n", "\n1 passed, 1 failed, 0 skipped\n"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			opt := module(t, c.files)
			opt.ci = c.ci
			if strings.Contains(name, "fuzz") {
				opt.fuzzTime = 10 * time.Second
			}
			var out bytes.Buffer
			ok, err := run(t.Context(), opt, &out)
			if err != nil || ok {
				t.Fatalf("%v, %v\n%s", ok, err, out.String())
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the report lacks %q:\n%s", want, out.String())
				}
			}
		})
	}
}

// TestInterrupt ends a run in the middle of a test: nothing of it may live on.
func TestInterrupt(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	t.Setenv("TOY_ADDR", lis.Addr().String())
	opt := module(t, map[string]string{"slow/slow_test.go": `package slow
import ("net"; "os"; "testing")
func TestSlow(t *testing.T) {
	conn, err := net.Dial("tcp", os.Getenv("TOY_ADDR"))
	if err != nil { t.Fatal(err) }
	conn.Read(make([]byte, 1))
}
`})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := run(ctx, opt, new(bytes.Buffer))
		done <- err
		lis.Close() // a test that never came is not waited for
	}()
	conn, err := lis.Accept() // the test runs
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err == nil || err.Error() != "interrupted" {
		t.Errorf("an interrupted run ends with %v", err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the test lives on: %d, %v", n, err)
	}
}
