package emulator

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/terminal"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// concluded is a dialogue that is over.
func concluded(n int, told bool) *remembered {
	a := attempt(n)
	amount := money.Amount{Minor: 5_00, Currency: money.EUR}
	return &remembered{
		Key: memoryKey{Service: fmt.Sprint(n)}, Task: terminal.Dialogue{Attempt: a, Amount: amount}, Number: int64(n),
		Began: noon().Add(time.Duration(n)), Conclusion: &terminal.Conclusion{Attempt: a, Amount: amount}, Told: told,
	}
}

// attempt is the id of dialogue n.
func attempt(n int) id.Attempt {
	return id.From[id.Attempt](noon(), sha256.Sum256(fmt.Append(nil, n)))
}

// TestAFullMemoryForgetsTheOldest, but nothing that was not told.
func TestAFullMemoryForgetsTheOldest(t *testing.T) {
	m, err := openMemory("", noon())
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxEntries {
		if err := m.keep(line{Dialogue: concluded(i, i != 5)}); err != nil {
			t.Fatal(err)
		}
	}
	m.prune(noon())
	if len(m.order) != leaveEntries+1 || len(m.dialogues) != len(m.order) || len(m.attempts) != len(m.order) {
		t.Errorf("%d are left, of %d", len(m.order), maxEntries)
	}
	if untold := m.untold(); len(untold) != 1 || untold[0].Number != 5 || m.order[0] != untold[0].Key {
		t.Errorf("what was not told: %v", untold)
	}
	if m.attemptKnown(attempt(maxEntries-1)) == nil || m.attemptKnown(attempt(6)) != nil {
		t.Error("the newest is kept, the oldest is not")
	}
	m.prune(noon().Add(remember + time.Hour))
	if len(m.order) != 1 {
		t.Errorf("after 48 hours %d are left", len(m.order))
	}
}

// TestAFileIsWrittenAnew once it holds more than it says.
func TestAFileIsWrittenAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	m, err := openMemory(path, noon())
	if err != nil {
		t.Fatal(err)
	}
	m.lines = compactAfter + 100
	for i := range 3 {
		if err := m.keep(line{Number: int64(i + 1), Dialogue: concluded(i, false)}); err != nil {
			t.Fatal(err)
		}
	}
	if m.lines > 10 {
		t.Errorf("%d lines", m.lines)
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openMemory(path, noon())
	if err != nil {
		t.Fatal(err)
	}
	if again.number != 3 || len(again.untold()) != 3 {
		t.Errorf("%+v", again)
	}
	again.number = maxTransaction
	if again.next() != 1 {
		t.Error("six digits begin again at one")
	}
	again.close()
}

// FuzzState reads any file as a state: it is one, or it is refused.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"identity":{"model":"EMU1","serial":"1"},"number":4}` + "\n" + `{"dialogue":{"key":{"service":"1"},"task":{},"number":1,"began":"2026-11-22T12:00:00Z"}}` + "\n"))
	f.Add([]byte(`{"chips":{"cb":{"atc":1,"tries":9}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := New(Options{State: path, Seed: 1})
		if err != nil {
			return
		}
		e.recover()
		e.State()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
