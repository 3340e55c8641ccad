package sim

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is the program running while the test goes on. It is waited for as
// soon as it ends, and ends with the test if not before.
type Process struct {
	t       testing.TB
	command *exec.Cmd
	stdout  spoken
	stderr  spoken
	ended   chan struct{} // it was waited for
}

// spoken is what a process has printed so far, and a signal at its first line.
type spoken struct {
	mu    sync.Mutex
	text  bytes.Buffer
	first chan struct{} // closed once a line is whole; nil: nobody asks
	whole bool
}

func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	if s.first != nil && !s.whole && bytes.IndexByte(p, '\n') >= 0 {
		s.whole = true
		close(s.first)
	}
	return len(p), nil
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// Start starts the program.
func Start(t testing.TB, args ...string) *Process {
	t.Helper()
	return StartIn(t, "", args...)
}

// StartIn is Start in a folder.
func StartIn(t testing.TB, dir string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, command: exec.Command(Program(), args...), ended: make(chan struct{})}
	p.command.Dir = dir
	p.stdout.first = make(chan struct{})
	p.command.Env, p.command.Stdout, p.command.Stderr = Environment(), &p.stdout, &p.stderr
	if err := p.command.Start(); err != nil {
		t.Fatalf("encaisse %s: %v", args[0], err)
	}
	t.Cleanup(p.Kill)
	go func() {
		_ = p.command.Wait() // ProcessState says how it ended
		close(p.ended)
	}()
	return p
}

// Stdout is what it has printed so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr is what it has logged so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// Ended is closed once it has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Code waits for its end and tells its exit code, -1 where it was killed.
func (p *Process) Code() int {
	<-p.ended
	return p.command.ProcessState.ExitCode()
}

// Kill ends it as a power cut would, and waits until it is gone. It may be called again.
func (p *Process) Kill() {
	_ = p.command.Process.Kill() // an error means that it is gone already
	<-p.ended
}

// Stop asks it to end (SIGTERM) and waits; it must then end well.
func (p *Process) Stop() {
	p.t.Helper()
	_ = p.command.Process.Signal(syscall.SIGTERM) // an error means that it is gone already
	select {
	case <-p.ended:
	case <-time.After(settleLimit):
		p.Kill()
	}
	if code := p.Code(); code != 0 {
		p.t.Errorf("ended with code %d after SIGTERM\n%s", code, tail(p.Stderr()))
	}
}

// FirstLine waits for its first line of output; it is a failure to end without one.
func (p *Process) FirstLine() string {
	p.t.Helper()
	select {
	case <-p.stdout.first:
	case <-p.ended:
	}
	line, _, whole := strings.Cut(p.Stdout(), "\n")
	if !whole {
		p.t.Fatalf("ended without a word, with code %d\n%s", p.Code(), tail(p.Stderr()))
	}
	return line
}

// Server is one running `encaisse serve`.
type Server struct {
	*Process
	Client
}

// Serve starts a server on a shop and returns once it says where it listens.
func Serve(t testing.TB, s *Shop) *Server {
	t.Helper()
	p := Start(t, s.with("serve", "--listen", "127.0.0.1:0")...)
	var said struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal([]byte(p.FirstLine()), &said); err != nil || said.URL == "" {
		t.Fatalf("the first line of serve tells no URL: %q\n%s", p.Stdout(), tail(p.Stderr()))
	}
	return &Server{p, NewClient(said.URL, s.APIKey)}
}
