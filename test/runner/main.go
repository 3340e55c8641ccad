// Command runner runs every test of Encaisse in one go and says what happened
// in a form that a person can read: a line a package as it ends, everything a
// failed test printed, the skipped tests with their reason, the time per
// package, and last of all a line "N passed, N failed, N skipped".
//
// It starts one PostgreSQL cluster for the whole run (ENCAISSE_TEST_PG names a
// server to use instead), runs go test with the race detector, then lets every
// fuzz target that ran as a test search for a few seconds. The cluster is
// stopped whatever happens, signals included.
//
// With CI=true a test may skip only for want of a long run ("soak") or of the
// data beside the project ("../shared/data"), and where that data is present
// not even for that: a missing tool is a failure, never a skip.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"encaisse/test/stream"
)

// The limits of a run.
const (
	packageTimeout     = 15 * time.Minute // one test binary
	packageTimeoutSoak = 12 * time.Hour
	fuzzLocal          = 3 * time.Second // one fuzz target
	fuzzCI             = 10 * time.Second
	fuzzSoak           = 5 * time.Minute
	lastWords          = 20 * time.Second // what an interrupted test binary has to stop
)

// What the environment says to tests.
const (
	envPostgres = "ENCAISSE_TEST_PG"
	envSoak     = "ENCAISSE_SOAK"
	envFuzzTime = "ENCAISSE_FUZZTIME"
)

type options struct {
	root     string
	patterns []string
	run      string
	json     string
	race     bool
	soak     bool
	ci       bool
	fuzzTime time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	opt, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "runner:", err)
		os.Exit(2)
	}
	ok, err := run(ctx, opt, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "runner:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	flags := flag.NewFlagSet("runner", flag.ContinueOnError)
	opt := options{ci: os.Getenv("CI") == "true"}
	flags.StringVar(&opt.run, "run", "", "run only the tests that match this, as go test -run")
	flags.StringVar(&opt.json, "json", "", "also write the go test -json stream to this file")
	flags.BoolVar(&opt.race, "race", true, "build with the race detector")
	flags.BoolVar(&opt.soak, "soak", os.Getenv(envSoak) != "", "run the long versions")
	if err := flags.Parse(args); err != nil {
		return opt, err
	}
	opt.patterns = flags.Args()
	if len(opt.patterns) == 0 {
		opt.patterns = []string{"./..."}
	}
	var err error
	if opt.fuzzTime, err = fuzzTime(os.Getenv(envFuzzTime), opt); err != nil {
		return opt, err
	}
	opt.root, err = findRoot()
	return opt, err
}

func fuzzTime(said string, opt options) (time.Duration, error) {
	switch {
	case said != "":
		d, err := time.ParseDuration(said)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", envFuzzTime, err)
		}
		return d, nil
	case opt.soak:
		return fuzzSoak, nil
	case opt.ci:
		return fuzzCI, nil
	}
	return fuzzLocal, nil
}

// findRoot is the nearest folder upward that holds go.mod.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the working folder")
		}
		dir = filepath.Dir(dir)
	}
}

// run does everything and tells whether all is well. An error means the run
// itself could not be made or was interrupted.
func run(ctx context.Context, opt options, out io.Writer) (bool, error) {
	began := time.Now()
	env, stop, err := environment(opt, out)
	if err != nil {
		return false, err
	}
	defer stop()

	rep := &report{out: out, rules: rulesFor(opt)}
	rep.result = stream.NewRun()
	if err := test(ctx, opt, env, rep); err != nil {
		return false, err
	}
	if err := fuzz(ctx, opt, env, rep); err != nil {
		return false, err
	}
	return rep.close(time.Since(began)), nil
}
