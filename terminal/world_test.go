package terminal_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/problem"
	"encaisse/event"
	"encaisse/terminal"
	"encaisse/terminal/nexo"
	"encaisse/terminal/terminaltest"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

var protocol = nexo.New("test")

// each runs tests on each engine, each in a room of its own; the tests of one
// engine share its database, as merchants do.
func each(t *testing.T, tests map[string]func(*testing.T, *terminaltest.Room)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) { test(t, terminaltest.NewRoom(t, d, clock.Real{}, protocol)) })
		}
	})
}

// still is a room whose clock moves only when it is told to.
func still(t *testing.T, d *db.DB) (*terminaltest.Room, *clock.Manual) {
	c := clock.NewManual(start)
	return terminaltest.NewRoom(t, d, c, protocol), c
}

func want(t *testing.T, err error, code string) {
	t.Helper()
	if !problem.Is(err, code) {
		t.Errorf("got %v, want %s", err, code)
	}
}

// events are the types of the room's events about a terminal, in order.
func events(t *testing.T, r *terminaltest.Room, of terminal.Terminal) string {
	t.Helper()
	log := event.New(r.DB, r.Clock)
	if _, err := log.Number(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := log.After(t.Context(), r.Admin.Merchant, 0, 500)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		if e.Subject == string(of.ID) {
			out = append(out, e.Type)
		}
	}
	return strings.Join(out, " ")
}

// atOnce runs fn n times at the same time and returns the errors.
func atOnce(n int, fn func(i int) error) []error {
	out := make([]error, n)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-begin
			out[i] = fn(i)
		})
	}
	close(begin)
	all.Wait()
	return out
}

func send(r *terminaltest.Room, d terminal.Dialogue) error {
	return r.Hub.Send(context.Background(), d.Merchant, d.Attempt)
}
