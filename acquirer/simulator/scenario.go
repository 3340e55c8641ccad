package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"encaisse/acquirer/iso8583"
	"encaisse/base/problem"
)

// Limits of a scenario.
const (
	maxSteps  = 1_000
	maxTimes  = 1_000_000
	maxDelay  = 24 * time.Hour
	maxSights = 100_000 // messages whose tries are counted for chance
)

// Behaviour is what becomes of one message and its answer.
type Behaviour string

// Behaviours. All but DoLost and DoCloseBefore decide first, as the host would.
const (
	DoAnswer      Behaviour = "answer"       // with a code of the scenario's, or after a delay
	DoLost        Behaviour = "lost"         // it never came: nothing is decided, nothing answered
	DoSilent      Behaviour = "silent"       // decided, not answered
	DoTwice       Behaviour = "twice"        // answered, and once more
	DoCloseBefore Behaviour = "close_before" // the link is cut, nothing is decided
	DoCloseAfter  Behaviour = "close_after"  // decided, then the link is cut
	DoGarbage     Behaviour = "garbage"      // a frame of noise in place of the answer
	DoTruncated   Behaviour = "truncated"    // a whole frame that holds half of the answer
	DoCut         Behaviour = "cut"          // half of a frame, then the link is cut
	DoOversized   Behaviour = "oversized"    // a frame greater than any message
	DoSlow        Behaviour = "slow"         // the answer comes byte by byte
	DoRefuseBatch Behaviour = "refuse_batch" // the totals of a batch are refused
	DoOffBalance  Behaviour = "out_of_balance"
)

// behaviours is what a scenario may ask for.
var behaviours = []Behaviour{
	DoAnswer, DoLost, DoSilent, DoTwice, DoCloseBefore, DoCloseAfter, DoGarbage, DoTruncated, DoCut, DoOversized, DoSlow, DoRefuseBatch, DoOffBalance,
}

// Step is a behaviour for the next messages that match.
type Step struct {
	Match   Match     `json:"match,omitzero"`
	Do      Behaviour `json:"do"`
	Code    string    `json:"code,omitempty"`     // DE39 in place of a decision
	DelayMS int64     `json:"delay_ms,omitempty"` // before the answer
	GapMS   int64     `json:"gap_ms,omitempty"`   // between the bytes of a slow answer
	Times   int       `json:"times,omitempty"`    // how many messages; 0: one
	Always  bool      `json:"always,omitempty"`   // until the scenario is cleared
	Percent int       `json:"percent,omitempty"`  // of the messages that match, by the seed; 0: all
}

// Match tells which messages a step is for; what is not given matches any.
type Match struct {
	MTI      string `json:"mti,omitempty"`  // how it begins: "01", "0420"
	Card     string `json:"card,omitempty"` // name of an account
	Amount   *int64 `json:"amount_minor,omitempty"`
	Terminal string `json:"terminal,omitempty"`
	Acceptor string `json:"acceptor,omitempty"`
}

// Scenario is what a file or POST /scenario says: steps, and the accounts and
// contracts they are about.
type Scenario struct {
	Seed      *uint64    `json:"seed,omitempty"`
	Steps     []Step     `json:"steps"`
	Accounts  []Account  `json:"accounts,omitempty"`
	Contracts []Contract `json:"contracts,omitempty"`
}

var (
	mtiShape  = regexp.MustCompile(`^[0-9]{0,4}$`)
	codeShape = regexp.MustCompile(`^([0-9A-Z]{2})?$`)
)

// ParseScenario reads a scenario. Problems: simulator.json, simulator.too_many,
// and those of its parts, at their place.
func ParseScenario(text []byte) (s Scenario, err error) {
	if err := decode(bytes.NewReader(text), &s); err != nil {
		return Scenario{}, err
	}
	return s, s.check()
}

// decode reads one JSON value and nothing after it. Problem simulator.json names
// the offset, never the content.
func decode(from io.Reader, into any) error {
	d := json.NewDecoder(from)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, after := d.Token(); errors.Is(after, io.EOF) {
			return nil
		}
	}
	return problem.New(problem.Malformed, "simulator.json", "offset", d.InputOffset())
}

func (s *Scenario) check() error {
	for field, have := range map[string]int{"steps": len(s.Steps) - maxSteps, "accounts": len(s.Accounts) - maxAccounts, "contracts": len(s.Contracts) - maxContracts} {
		if have > 0 {
			return problem.New(problem.Invalid, "simulator.too_many").At(field)
		}
	}
	for i := range s.Steps {
		if err := s.Steps[i].check(); err != nil {
			return within("steps", i, err)
		}
	}
	for i := range s.Accounts {
		if err := s.Accounts[i].check(); err != nil {
			return within("accounts", i, err)
		}
	}
	for i := range s.Contracts {
		if err := s.Contracts[i].check(); err != nil {
			return within("contracts", i, err)
		}
	}
	return nil
}

// within places a problem in the list it was found in.
func within(list string, i int, err error) error {
	p := problem.As(err)
	return p.At(strings.TrimSuffix(list+"["+strconv.Itoa(i)+"]."+p.Field, "."))
}

// check refuses a step that says nothing, or two things. Problem simulator.field.
func (s *Step) check() error {
	known := false
	for _, b := range behaviours {
		known = known || s.Do == b
	}
	return firstWrong(
		fact{"do", known},
		fact{"code", codeShape.MatchString(s.Code) && (s.Do != DoRefuseBatch || s.Code != "" && s.Code != codeApproved)},
		fact{"delay_ms", s.DelayMS >= 0 && s.DelayMS <= maxDelay.Milliseconds()},
		fact{"gap_ms", s.GapMS >= 0 && s.GapMS <= maxDelay.Milliseconds()},
		fact{"times", s.Times >= 0 && s.Times <= maxTimes},
		fact{"percent", s.Percent >= 0 && s.Percent <= 100},
		fact{"match.mti", mtiShape.MatchString(s.Match.MTI)},
		fact{"match.card", s.Match.Card == "" || len(s.Match.Card) <= maxName && nameShape.MatchString(s.Match.Card)},
		fact{"match.amount_minor", s.Match.Amount == nil || *s.Match.Amount >= 0 && !tooMuch(*s.Match.Amount)},
		fact{"match.terminal", s.Match.Terminal == "" || terminalShape.MatchString(s.Match.Terminal)},
		fact{"match.acceptor", s.Match.Acceptor == "" || acceptorShape.MatchString(s.Match.Acceptor)},
	)
}

// queue is the steps that wait for their messages. Its owner locks it.
type queue struct {
	seed   uint64
	steps  []waiting
	added  int             // steps ever
	sights *memory[uint64] // how often a message was looked at, for chance
	hits   map[string]int64
}

// waiting is a step with its place in all that were ever added.
type waiting struct {
	Step
	place int
}

func newQueue(seed uint64) *queue {
	return &queue{seed: seed, sights: newMemory[uint64](maxSights), hits: make(map[string]int64)}
}

// add puts steps at the end. Problem simulator.too_many.
func (q *queue) add(steps []Step) error {
	if len(q.steps)+len(steps) > maxSteps {
		return problem.New(problem.Invalid, "simulator.too_many").At("steps")
	}
	for _, s := range steps {
		s.Times = max(s.Times, 1)
		q.steps = append(q.steps, waiting{s, q.added})
		q.added++
	}
	return nil
}

// clear forgets the steps that wait.
func (q *queue) clear() { q.steps = nil }

// take is what becomes of a message: the first step that matches it, and one
// less of that step. card is the name of its account.
func (q *queue) take(r request, card string) Step {
	for i := range q.steps {
		s := &q.steps[i]
		if !s.Match.covers(r, card) || !s.fits(r.class) || !q.chance(s.place, s.Percent, r.key) {
			continue
		}
		taken := s.Step
		if s.Times--; s.Always {
			s.Times = 1
		} else if s.Times == 0 {
			q.steps = append(q.steps[:i:i], q.steps[i+1:]...)
		}
		q.hits[string(taken.Do)+" "+r.MTI]++
		return taken
	}
	return Step{Do: DoAnswer}
}

func (m Match) covers(r request, card string) bool {
	return strings.HasPrefix(r.MTI, m.MTI) && (m.Card == "" || m.Card == card) &&
		(m.Amount == nil || r.Has(fieldAmount) && *m.Amount == r.amount.Minor) &&
		(m.Terminal == "" || m.Terminal == r.terminal) && (m.Acceptor == "" || m.Acceptor == r.acceptor)
}

// fits tells whether a behaviour can happen to a class of messages: a batch is
// refused by the answer to its totals.
func (s *Step) fits(class byte) bool {
	return s.Do != DoRefuseBatch && s.Do != DoOffBalance || class == '5'
}

// chance decides by the seed, the step, the message and how often it came, never
// by the order in which messages come.
func (q *queue) chance(step, percent int, key string) bool {
	if percent == 0 || percent == 100 {
		return true
	}
	about := strconv.Itoa(step) + " " + key
	seen, _ := q.sights.get(about)
	q.sights.put(about, seen+1)
	return draw(q.seed, about+" "+strconv.FormatUint(seen, 10))%100 < uint64(percent)
}

// order is what a step wants of the decision.
func (s Step) order() order {
	return order{code: s.Code, outOfBalance: s.Do == DoOffBalance}
}

// delay is how long the answer waits.
func (s Step) delay() time.Duration { return time.Duration(s.DelayMS) * time.Millisecond }

// decides tells whether the host gets to see the message at all.
func (s Step) decides() bool { return s.Do != DoLost && s.Do != DoCloseBefore }

// network messages are matched by type alone: they have neither card nor amount.
func networkRequest(m *iso8583.Message) request {
	return request{
		Message: m, class: m.MTI[1], key: keyOf('8', m.Get(fieldTrace), m.Get(fieldSent), "", "", ""),
		terminal: strings.TrimRight(m.Get(fieldTerminal), " "), acceptor: strings.TrimRight(m.Get(fieldAcceptor), " "),
	}
}
