package simulator_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"encaisse/acquirer/iso8583"
	"encaisse/acquirer/simulator"
)

// TestStateOutlivesARestart: a bank that is started again answers as it did.
func TestStateOutlivesARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bank.json")
	b := open(t, simulator.Options{State: file})
	l := b.dial()
	first, second, never := pay(1, "visa", 1000), pay(2, "cb", 2000).chipped("cb", "051", 40, offlinePIN), pay(3, "visa", 300)
	answer, other := l.ask(first.Message), l.ask(second.Message)
	l.ask(never.reversal(50).Message)
	l.ask(first.detail(4, answer).Message)
	b.must("PUT", "/accounts/maestro", `{"state": "lost"}`, nil)
	b.must("PUT", "/contracts/"+shop, `{"schemes": {"cb": "", "visa": ""}}`, nil)
	b.stop()

	again := open(t, simulator.Options{State: file})
	l = again.dial()
	if got := l.ask(first.repeated().Message); got.Get(38) != answer.Get(38) || got.Get(39) != "00" {
		t.Errorf("the same message: %s %s", got.Get(39), got.Get(38))
	}
	if got := l.code(pay(1, "visa", 9).Message); got != "94" {
		t.Errorf("another under its key: %s", got)
	}
	if got := l.code(never.Message); got != "68" {
		t.Errorf("reversed before it came: %s", got)
	}
	if got := l.code(pay(4, "cb", 100).chipped("cb", "051", 40, offlinePIN).Message); got != "63" {
		t.Errorf("the chip's counter: %s", got)
	}
	if got := l.code(pay(5, "maestro", 100).Message); got != "57" {
		t.Errorf("the contract as it was changed: %s", got)
	}
	if again.account("maestro").State != simulator.Lost || again.account("visa").Used.Held != 1000 {
		t.Errorf("%+v", again.account("visa"))
	}
	l.ask(second.detail(4, other).Message)
	if got := l.code(totals(90, 4, 2, 3000, 0, 0).Message); got != "00" {
		t.Errorf("the batch goes on: %s", got)
	}
	next := pay(6, "visa", 100)
	if got := l.ask(next.Message); got.Get(37) <= other.Get(37) {
		t.Errorf("a reference twice: %s after %s", got.Get(37), other.Get(37))
	}
	again.stop()

	if err := os.WriteFile(file, []byte(`{"version": 99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := simulator.New(simulator.Options{State: file}); err == nil {
		t.Error("a file of another version was taken")
	}
}

// TestStateThatCannotBeKept: a change is refused, and an answer withheld.
func TestStateThatCannotBeKept(t *testing.T) {
	b := open(t, simulator.Options{State: filepath.Join(t.TempDir(), "nowhere", "bank.json")})
	if status, _ := b.http("PUT", "/accounts/visa", `{"state": "lost"}`); status != 500 {
		t.Errorf("%d", status)
	}
	l := b.dial()
	p := pay(1, "cb", 100)
	l.send(p.Message)
	until(t, "decided", func() bool { return len(b.approval(p)) == 1 })
	l.conn.(*net.TCPConn).CloseWrite()
	if _, err := l.frame(); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want no answer", err)
	}
}

// TestStateFileHoldsWhatWasAnswered reads the file at every answer: what a client
// was told is there already, so a bank that is killed forgets nothing it said.
func TestStateFileHoldsWhatWasAnswered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bank.json")
	b := open(t, simulator.Options{State: file})
	var all sync.WaitGroup
	for n := range 4 {
		l := b.dial()
		all.Go(func() {
			for i := range 10 {
				answer := l.ask(pay(100*n+i, "visa", 100).Message)
				text, err := os.ReadFile(file)
				if err != nil || !strings.Contains(string(text), answer.Get(37)) {
					t.Errorf("answered %s, which is not in the file: %v", answer.Get(37), err)
				}
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Errorf("%v", info.Mode())
	}
	var kept struct {
		Approvals []simulator.Approval `json:"approvals"`
	}
	if err := json.Unmarshal(text, &kept); err != nil || len(kept.Approvals) != 40 {
		t.Errorf("%d approvals, %v", len(kept.Approvals), err)
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// crowd is a terminal that pays, repeats, reverses and presents at random.
type crowd struct {
	l        *line
	chance   *rand.Rand
	base     int
	payments []payment
	answers  map[string]*iso8583.Message
	codes    map[string]int
}

func (c *crowd) act(i int) {
	trace := c.base + i
	cards := []string{"visa", "cb", "mastercard", "no-funds", "stolen"}
	pick := func() payment { return c.payments[c.chance.IntN(len(c.payments))] }
	var m payment
	switch n := c.chance.IntN(10); {
	case n < 4 || len(c.payments) == 0:
		m = pay(trace, cards[c.chance.IntN(len(cards))], int64(1+c.chance.IntN(5000)))
		if c.chance.IntN(4) == 0 {
			m = m.refund()
		}
		c.payments = append(c.payments, m)
	case n < 5:
		m = pick().repeated()
	case n < 7:
		m = pick().reversal(trace)
	default:
		p := pick()
		answer := c.answers[p.Get(11)]
		if answer == nil || answer.Get(38) == "" {
			return
		}
		m = p.detail(1+c.base, answer)
	}
	if c.chance.IntN(12) == 0 { // a reversal may come before what it reverses
		late := pay(trace+500, "visa", 77)
		c.l.ask(late.reversal(trace + 900).Message)
		m = late
	}
	answer := c.l.ask(m.Message)
	c.codes[m.MTI+" "+answer.Get(39)]++
	if m.MTI == "0100" {
		c.answers[m.Get(11)] = answer
	}
}

// TestMoneyIsAccountedFor: whatever many terminals do at once, what is reserved is
// what is approved and open, and what was moved is what was cleared, once.
func TestMoneyIsAccountedFor(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	b := open(t, simulator.Options{})
	var all sync.WaitGroup
	crowds := make([]*crowd, 6)
	for n := range crowds {
		c := &crowd{
			l: b.dial(), chance: rand.New(rand.NewPCG(seed, uint64(n))), base: 10_000 * n,
			answers: map[string]*iso8583.Message{}, codes: map[string]int{},
		}
		crowds[n] = c
		all.Go(func() {
			for i := range 300 {
				c.act(i)
			}
		})
	}
	all.Wait()
	for i, batch := range b.Batches() {
		l := crowds[0].l
		m := totals(90_000+i, 0, batch.Debits.Count, batch.Debits.Minor, batch.Credits.Count, batch.Credits.Minor)
		m.Set(48, iso8583.Elements{{Type: iso8583.ElementBatch, Value: batch.Number}}.String())
		if got := l.code(m.Message); got != "00" {
			t.Errorf("batch %s: %s", batch.Number, got)
		}
	}
	met := map[string]int{}
	for _, c := range crowds {
		for code, n := range c.codes {
			met[code] += n
		}
	}
	t.Log(met)
	for _, code := range []string{"0100 00", "0100 43", "0100 51", "0100 68", "0101 00", "0420 00", "0420 21", "0220 00", "0220 12"} {
		if met[code] == 0 {
			t.Errorf("%s never happened", code)
		}
	}
	if err := accounted(b); err != nil {
		t.Error(err)
	}
}

// accounted holds accounts against approvals and batches.
func accounted(b *bank) error {
	type sums struct{ held, owed, moved int64 }
	want := map[string]*sums{}
	lines := map[string]int64{}
	for _, batch := range b.Batches() {
		for rrn, minor := range batch.Lines {
			if _, twice := lines[rrn]; twice {
				return fmt.Errorf("%s is in two batches", rrn)
			}
			lines[rrn] = minor
		}
	}
	for _, a := range b.Approvals() {
		s := want[a.Account]
		if s == nil {
			s = &sums{}
			want[a.Account] = s
		}
		minor, presented := lines[a.RRN]
		switch {
		case presented != (a.State == simulator.Cleared):
			return fmt.Errorf("%+v: presented %v", a, presented)
		case a.State == simulator.Approved && a.Credit:
			s.owed += a.Amount.Minor
		case a.State == simulator.Approved:
			s.held += a.Amount.Minor
		case a.State == simulator.Cleared && a.Credit:
			s.moved += minor
		case a.State == simulator.Cleared:
			s.moved -= minor
		}
	}
	fresh, err := simulator.New(simulator.Options{})
	if err != nil {
		return err
	}
	before := map[string]int64{}
	for _, a := range fresh.Accounts() {
		before[a.Name] = a.Balance
	}
	for _, a := range b.Accounts() {
		s := want[a.Name]
		if s == nil {
			s = &sums{}
		}
		if a.Used.Held != s.held || a.Used.Owed != s.owed || a.Balance-before[a.Name] != s.moved {
			return fmt.Errorf("%s: %+v moved %d, want %+v", a.Name, a.Used, a.Balance-before[a.Name], *s)
		}
	}
	return nil
}

// TestAccountedCanFail: money that went missing is found.
func TestAccountedCanFail(t *testing.T) {
	b := open(t, simulator.Options{})
	b.dial().ask(pay(1, "visa", 100).Message)
	if err := accounted(b); err != nil {
		t.Fatal(err)
	}
	b.must("PUT", "/accounts/visa", `{"balance_minor": 1}`, nil)
	if err := accounted(b); err == nil {
		t.Error("nobody missed the money")
	}
}
