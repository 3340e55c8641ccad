package simulator

import (
	"strings"
	"time"

	"encaisse/acquirer/iso8583"
	"encaisse/base/money"
)

// maxEntries is how many messages are remembered to be looked at.
const maxEntries = 1_000

// entry is one message and its answer, as they are kept to be looked at: without
// track, code and magnetic data, and the number is masked whenever it is shown.
type entry struct {
	number  int64
	at      time.Time
	link    int64
	message *iso8583.Message // nil: it could not be read
	reply   []byte
	outcome outcome
	do      Step
}

// journal is the last messages.
type journal struct {
	entries [maxEntries]entry
	count   int64
}

func (j *journal) add(e entry) {
	if e.message != nil {
		for _, secret := range []int{fieldTrack2, fieldTrack1, fieldPIN} {
			e.message.Remove(secret)
		}
	}
	j.count++
	e.number = j.count
	j.entries[j.count%maxEntries] = e
}

// last lists the n newest, newest first.
func (j *journal) last(n int) []entry {
	var out []entry
	for i := j.count; i > 0 && i > j.count-maxEntries && len(out) < n; i-- {
		out = append(out, j.entries[i%maxEntries])
	}
	return out
}

// LogEntry is one message and its answer, masked.
type LogEntry struct {
	Number   int64         `json:"number"`
	At       time.Time     `json:"at"`
	Link     int64         `json:"link"`
	MTI      string        `json:"mti,omitempty"`
	Terminal string        `json:"terminal,omitempty"`
	Trace    string        `json:"trace,omitempty"`
	Amount   *money.Amount `json:"amount,omitempty"`
	Account  string        `json:"account,omitempty"`
	Code     string        `json:"code,omitempty"` // answered, or decided and not answered
	Why      string        `json:"why,omitempty"`
	Do       Behaviour     `json:"do,omitempty"` // of the scenario, where it was not simply an answer
	Request  string        `json:"request,omitempty"`
	Answer   string        `json:"answer,omitempty"`
}

// Log lists the last messages, newest first, at most n, with their fields in
// words when they are asked for.
func (s *Simulator) Log(n int, fields bool) []LogEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]LogEntry, 0, min(n, maxEntries))
	for _, e := range s.journal.last(n) {
		out = append(out, s.show(e, fields))
	}
	return out
}

func (s *Simulator) show(e entry, fields bool) LogEntry {
	shown := LogEntry{
		Number: e.number, At: e.at, Link: e.link, Account: e.outcome.account, Code: e.outcome.code, Why: e.outcome.why, Do: e.do.Do,
	}
	if e.do.Do == DoAnswer && e.do.Code == "" && e.do.DelayMS == 0 {
		shown.Do = ""
	}
	if e.message == nil {
		return shown
	}
	shown.MTI, shown.Trace = e.message.MTI, e.message.Get(fieldTrace)
	shown.Terminal = strings.TrimRight(e.message.Get(fieldTerminal), " ")
	if e.message.Has(fieldAmount) {
		shown.Amount = &money.Amount{Minor: number(e.message.Get(fieldAmount)), Currency: currencyOf(e.message.Get(fieldCurrency))}
	}
	answer, err := s.spec.Unpack(e.reply)
	if err == nil && shown.Code == "" {
		shown.Code = answer.Get(fieldCode)
	}
	if fields {
		shown.Request = s.print(e.message)
		if err == nil {
			shown.Answer = s.print(answer)
		}
	}
	return shown
}

// print is a message in words, card data masked.
func (s *Simulator) print(m *iso8583.Message) string {
	var out strings.Builder
	_ = s.spec.Print(&out, m) // a builder takes everything
	return out.String()
}
