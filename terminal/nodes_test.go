package terminal_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/problem"
	"encaisse/terminal"
	"encaisse/terminal/terminaltest"
)

// TestNodes: two programs on one PostgreSQL database, readers at either.
func TestNodes(t *testing.T) {
	d, _ := dbtest.Open(t, db.PostgreSQL)
	for name, test := range map[string]func(*testing.T, *terminaltest.Room, *terminaltest.Room){
		"APaymentAskedForAtTheOther":          testAPaymentAskedForAtTheOther,
		"AskedPrintedDiagnosedFromTheOther":   testFromTheOther,
		"TheNewestConnectionWins":             testTheNewestConnectionWins,
		"BlockedAndReplacedFromTheOther":      testBlockedFromTheOther,
		"ParametersPushedFromTheOther":        testParametersFromTheOther,
		"ANodeThatDiesLeavesNobodyOnline":     testANodeThatDies,
		"WhatTheOtherCannotHandOverIsKnown":   testWhatTheOtherCannotHandOver,
		"AskedFromTheOtherWhileTheLinkBreaks": testBrokenFromTheOther,
	} {
		t.Run(name, func(t *testing.T) {
			here := terminaltest.NewRoom(t, d, clock.Real{}, protocol)
			test(t, here, here.Beside(t, protocol))
		})
	}
}

func testAPaymentAskedForAtTheOther(t *testing.T, here, there *terminaltest.Room) {
	made := here.Terminal("Comptoir")
	s := newScripted(t, there.URL, here.Code(made))
	here.Await(made, terminal.Online)
	d := here.Dialogue(made, 12_50)
	here.Send(d)
	// The node that holds the reader hears it; both share one database.
	if c := there.Desk.Word(t, d.Attempt); !c.Success || c.Amount != d.Amount {
		t.Errorf("%+v", c)
	}
	here.Close(d)
	s.Next(terminaltest.Wait)
	d = here.Dialogue(made, 8_00)
	here.Send(d)
	there.Desk.Until(t, "it waits", func() bool { return len(there.Desk.Steps(d.Attempt)) > 0 })
	if err := here.Hub.Abort(t.Context(), d.Merchant, d.Attempt); err != nil {
		t.Fatal(err)
	}
	if c := there.Desk.Word(t, d.Attempt); c.Cause != terminal.CauseAborted {
		t.Errorf("%+v", c)
	}
}

func testFromTheOther(t *testing.T, here, there *terminaltest.Room) {
	made := here.Terminal("Comptoir")
	s := newScripted(t, there.URL, here.Code(made))
	here.Await(made, terminal.Online)
	d := here.Dialogue(made, 12_50)
	s.Next(terminaltest.Wait)
	here.Send(d)
	there.Desk.Until(t, "it waits", func() bool { return len(there.Desk.Steps(d.Attempt)) > 0 })
	if status, _, err := here.Hub.Ask(t.Context(), d.Merchant, d.Attempt); err != nil || status != terminal.StatusInProgress {
		t.Error(status, err)
	}
	s.Show()
	there.Desk.Word(t, d.Attempt)
	status, c, err := here.Hub.Ask(t.Context(), d.Merchant, d.Attempt)
	if err != nil || status != terminal.StatusConcluded || !c.Success || c.Amount != d.Amount || c.Card == nil || len(c.Card.Envelope) > 0 {
		t.Error(status, c, err)
	}
	if h, err := here.Hub.Diagnose(t.Context(), d.Merchant, made.ID); err != nil || h.Battery != 80 {
		t.Error(h, err)
	}
	if err := here.Hub.Print(t.Context(), d.Merchant, made.ID, []string{"x"}); err != nil {
		t.Error(err)
	}
	s.set(func() { s.health.Printer = terminal.PrinterEmpty })
	want(t, here.Hub.Print(t.Context(), d.Merchant, made.ID, []string{"x"}), "terminal.not_printed")
	err = here.DB.Read(t.Context(), func(tx *db.Tx) error {
		var left int
		var content string
		err := tx.QueryRow(`SELECT COUNT(*), COALESCE(MAX(content), '') FROM terminal_message WHERE merchant_id = $1`, d.Merchant).Scan(&left, &content)
		if left != 0 {
			t.Errorf("%d messages are left: %s", left, content)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func testTheNewestConnectionWins(t *testing.T, here, there *terminaltest.Room) {
	made := here.Terminal("Comptoir")
	given, _ := here.Pair(here.Code(made), "ODD1", "1")
	former := here.Again(protocol, made, given, "ODD1", "1")
	latter := there.Again(protocol, made, given, "ODD1", "1")
	d := here.Dialogue(made, 1)
	here.Send(d) // asked of the node with the former
	latter.Heard("the amount", func(m terminal.Message) bool { return m.Perform != nil })
	if err := former.Over(); !strings.Contains(err.Error(), "terminal.replaced") {
		t.Error(err)
	}
	if here.Presence(made).State != terminal.Online || latter.Ended() {
		t.Error("the end of the former took the latter along")
	}
	if got := events(t, here, made); got != "terminal.online" {
		t.Error(got)
	}
}

func testBlockedFromTheOther(t *testing.T, here, there *terminaltest.Room) {
	made := here.Terminal("Comptoir")
	w := there.Join(protocol, made, "ODD1", "1")
	if _, status := here.Pair(here.Code(made), "ODD1", "2"); status != 201 {
		t.Fatal(status)
	}
	w.Over()
	w = there.Join(protocol, made, "ODD1", "3")
	if _, err := here.Hub.Deactivate(t.Context(), here.Admin, made.ID); err != nil {
		t.Fatal(err)
	}
	w.Over()
	if p := there.Presence(made); p.State != terminal.Offline {
		t.Errorf("%+v", p)
	}
	if got := events(t, here, made); got != "terminal.online terminal.offline terminal.online terminal.offline" {
		t.Error(got)
	}
}

func testParametersFromTheOther(t *testing.T, here, there *terminaltest.Room) {
	made := here.Terminal("Comptoir")
	w := there.Join(protocol, made, "ODD1", "1")
	if _, err := here.Hub.Rename(t.Context(), here.Admin, made.ID, "Bar"); err != nil {
		t.Fatal(err)
	}
	w.Heard("the new name", func(m terminal.Message) bool { return m.Configure != nil && m.Configure.Alias == "Bar" })
	if err := here.Hub.Reconfigure(t.Context(), here.Admin.Merchant); err != nil {
		t.Fatal(err)
	}
	w.Heard("and again", func(m terminal.Message) bool { return m.Configure != nil })
}

// testANodeThatDies: nobody was left to say that its readers are gone.
func testANodeThatDies(t *testing.T, here, _ *terminaltest.Room) {
	made := here.Terminal("Comptoir")
	if _, status := here.Pair(here.Code(made), "ODD1", "1"); status != 201 {
		t.Fatal(status)
	}
	err := here.DB.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO terminal_presence (merchant_id, terminal_id, state, since, node_id, connection_id, software,
			battery_percent, charging, network, printer, faulty) VALUES ($1, $2, 'online', 1, 'dead', 'c', '', -1, FALSE, '', '', FALSE)`,
			here.Admin.Merchant, made.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := here.Presence(made); p.State != terminal.Offline {
		t.Errorf("%+v", p)
	}
	d := here.Dialogue(made, 1)
	if err := here.Open(d); err != nil {
		t.Fatal(err)
	}
	want(t, send(here, d), "terminal.offline")
	terminaltest.Until(t, "it is noted", func() bool { return events(t, here, made) == "terminal.offline" })
}

// testWhatTheOtherCannotHandOver: a node that is alive and does not look is
// not waited for for ever, and what it did not take is certainly not handed over.
func testWhatTheOtherCannotHandOver(t *testing.T, here, _ *terminaltest.Room) {
	made := here.Terminal("Comptoir")
	if _, status := here.Pair(here.Code(made), "ODD1", "1"); status != 201 {
		t.Fatal(status)
	}
	err := here.DB.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(`INSERT INTO terminal_node (node_id, seen_at) VALUES ('deaf', $1)`, here.Clock.Now().Add(1e12)); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO terminal_presence (merchant_id, terminal_id, state, since, node_id, connection_id, software,
			battery_percent, charging, network, printer, faulty) VALUES ($1, $2, 'online', 1, 'deaf', 'd', '', -1, FALSE, '', '', FALSE)`,
			here.Admin.Merchant, made.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d := here.Dialogue(made, 1)
	if err := here.Open(d); err != nil {
		t.Fatal(err)
	}
	err = send(here, d)
	want(t, err, "terminal.offline")
	if errors.Is(err, terminal.ErrUnknown) {
		t.Error(err)
	}
}

func testBrokenFromTheOther(t *testing.T, here, there *terminaltest.Room) {
	made := here.Terminal("Comptoir")
	w := there.Join(protocol, made, "ODD1", "1")
	d := here.Dialogue(made, 1)
	here.Send(d)
	asked := make(chan error)
	go func() {
		_, _, err := here.Hub.Ask(context.Background(), d.Merchant, d.Attempt)
		asked <- err
	}()
	w.Heard("a question", func(m terminal.Message) bool { return m.Ask != nil })
	w.Conn.CloseNow()
	if err := <-asked; !errors.Is(err, terminal.ErrUnknown) || problem.As(err) != nil {
		t.Error(err)
	}
}
