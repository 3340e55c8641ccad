package main

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"encaisse/test/stream"
)

// fuzzTries is how often a target may end on its own deadline. The fuzzing
// engine now and then reports the end of -fuzztime as a failure when the machine
// is busy; a failing input is never excused.
const fuzzTries = 3

var fuzzCount = regexp.MustCompile(`execs: (\d+)`)

// fuzz lets each fuzz target search for a while. The targets are those the run
// itself has seen: the seeds of every target run as a test.
func fuzz(ctx context.Context, opt options, env []string, rep *report) error {
	if opt.fuzzTime <= 0 {
		return nil
	}
	for _, target := range fuzzTargets(rep.result) {
		began := time.Now()
		output, ok, err := fuzzOne(ctx, opt, env, target)
		if err != nil {
			return err
		}
		rep.fuzzEnded(target, ok, output, time.Since(began))
	}
	return nil
}

func fuzzTargets(r *stream.Run) []*stream.Test {
	var targets []*stream.Test
	for _, p := range r.Packages {
		for _, t := range p.Tests {
			if t.Outcome == stream.Passed && strings.HasPrefix(t.Name, "Fuzz") && !strings.Contains(t.Name, "/") {
				targets = append(targets, t)
			}
		}
	}
	return targets
}

func fuzzOne(ctx context.Context, opt options, env []string, target *stream.Test) (output string, ok bool, err error) {
	for range fuzzTries {
		var buffer bytes.Buffer
		cmd := command(ctx, opt, env, "test", "-run=^$", "-fuzz=^"+target.Name+"$",
			"-fuzztime="+opt.fuzzTime.String(), "-timeout=0", target.Package)
		cmd.Stdout, cmd.Stderr = &buffer, &buffer
		if err := cmd.Start(); err != nil {
			return "", false, err
		}
		err := finish(ctx, cmd)
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return "", false, err
		}
		output, ok = buffer.String(), err == nil
		if ok || !endedOnDeadline(output) {
			break
		}
	}
	return output, ok, nil
}

// endedOnDeadline tells the engine's own hiccup from a failure of the target.
func endedOnDeadline(output string) bool {
	return strings.Contains(output, "context deadline exceeded") && !strings.Contains(output, "Failing input written to")
}

func fuzzExecs(output string) string {
	found := fuzzCount.FindAllStringSubmatch(output, -1)
	if len(found) == 0 {
		return "0"
	}
	return found[len(found)-1][1]
}
