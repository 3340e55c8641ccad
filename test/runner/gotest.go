package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"encaisse/base/db/dbtest"
)

// environment prepares what the tests find in theirs, a PostgreSQL server
// first of all. Without one the tests that need it skip, except in CI.
func environment(opt options, out io.Writer) (env []string, stop func(), err error) {
	env = os.Environ()
	if opt.soak {
		env = append(env, envSoak+"=1")
	}
	if os.Getenv(envPostgres) != "" {
		return env, func() {}, nil
	}
	url, stop, err := dbtest.StartCluster()
	if err != nil && opt.ci {
		return nil, nil, fmt.Errorf("PostgreSQL does not start, and CI cannot do without: %w", err)
	}
	if err != nil {
		fmt.Fprintf(out, "no PostgreSQL (`make deps` installs it): its tests will skip: %v\n", err)
		return env, func() {}, nil
	}
	return append(env, envPostgres+"="+url), stop, nil
}

// command is a go command in a process group of its own, which an interrupt ends as a whole.
func command(ctx context.Context, opt options, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env, cmd.Stderr = opt.root, env, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = lastWords
	return cmd
}

// finish waits for cmd and leaves nothing of its group behind.
func finish(ctx context.Context, cmd *exec.Cmd) error {
	err := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // ESRCH when all is gone, as it should be
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

func testArgs(opt options) []string {
	timeout := packageTimeout
	if opt.soak {
		timeout = packageTimeoutSoak
	}
	args := []string{"test", "-json", "-timeout=" + timeout.String()}
	if opt.race {
		// modernc's SQLite is C turned into Go: instrumented it is thirty times slower
		// and could only report on itself.
		args = append(args, "-race", "-gcflags=modernc.org/...=-race=false")
	}
	if opt.run != "" {
		args = append(args, "-run="+opt.run)
	}
	return append(args, opt.patterns...)
}

// test runs go test and hands what it says to rep as it comes.
func test(ctx context.Context, opt options, env []string, rep *report) error {
	cmd := command(ctx, opt, env, testArgs(opt)...)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var in io.Reader = pipe
	if opt.json != "" {
		file, err := os.Create(opt.json)
		if err != nil {
			return err
		}
		defer file.Close()
		in = io.TeeReader(pipe, file)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	read := rep.result.Read(in, rep.raw, rep.packageEnded)
	err = finish(ctx, cmd)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return err
	case read != nil:
		return fmt.Errorf("go test's output: %w", read)
	case errors.As(err, &exit):
		rep.goTestFailed(exit)
		return nil
	}
	return err
}

// seconds prints a duration the way this report does.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
