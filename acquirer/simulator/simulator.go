package simulator

import (
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"encaisse/acquirer/iso8583"
	"encaisse/base/clock"
	"encaisse/base/i18n"
	"encaisse/base/problem"
	"encaisse/base/web"
)

// Options are what a simulator is made of. The zero value answers in ASCII with
// a header of two bytes, knows the test deck and one contract, and forgets
// everything when it stops.
type Options struct {
	Clock     clock.Clock     // nil: the machine's
	Log       *slog.Logger    // nil: nothing is logged
	Spec      *iso8583.Spec   // nil: V1987 in ASCII
	Framing   iso8583.Framing // as the other end of the link has it
	Contracts []Contract      // none: [DemoContract]
	Accounts  []Account       // beside the test deck, or in place of its cards of the same name
	Seed      uint64          // of everything that looks like chance
	State     string          // file that what happened is kept in; empty: nowhere
	Catalogue *i18n.Catalogue // nil: the embedded one
}

// Simulator is an issuer and an acquirer's host. Safe for use by many at once.
type Simulator struct {
	clock     clock.Clock
	log       *slog.Logger
	spec      *iso8583.Spec
	framing   iso8583.Framing
	catalogue *i18n.Catalogue
	frame     *web.Frame
	saver     saver

	received, answered atomic.Int64
	unread             atomic.Int64 // frames and messages that could not be read

	mu      sync.Mutex
	host    *host
	queue   *queue
	journal journal
	links   map[*link]struct{}
	listen  net.Addr
}

// New makes a simulator; it takes up what Options.State holds. It fails on an
// account or a contract that could not be, and on a file that is no state.
func New(o Options) (*Simulator, error) {
	s := &Simulator{
		clock: o.Clock, log: o.Log, spec: o.Spec, framing: o.Framing.Other(), catalogue: o.Catalogue,
		saver: saver{path: o.State}, host: newHost(), queue: newQueue(o.Seed), links: make(map[*link]struct{}),
	}
	if s.clock == nil {
		s.clock = clock.Real{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.spec == nil {
		s.spec = iso8583.V1987(iso8583.ASCII())
	}
	if s.catalogue == nil {
		var err error
		if s.catalogue, err = i18n.New(); err != nil {
			return nil, err
		}
	}
	s.frame = web.New(web.Options{Catalogue: s.catalogue, Log: s.log, Clock: s.clock})
	contracts := o.Contracts
	if len(contracts) == 0 {
		contracts = []Contract{DemoContract()}
	}
	if err := s.load(slices.Concat(deckAccounts(), o.Accounts), contracts); err != nil {
		return nil, err
	}
	return s, nil
}

// load fills the host: with what the state file holds, then with what is not in it.
func (s *Simulator) load(accounts []Account, contracts []Contract) error {
	kept, err := s.saver.load(s.host)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if _, known := s.host.accounts[a.Name]; known && kept {
			continue
		}
		if _, err := s.host.putAccount(a); err != nil {
			return err
		}
	}
	for _, c := range contracts {
		if _, known := s.host.contracts[c.Acceptor]; known && kept {
			continue
		}
		if _, err := s.host.putContract(c); err != nil {
			return err
		}
	}
	return nil
}

// PutAccount opens an account or changes one. What is reserved on it stays; the
// other counters become what is given: none forgets them. Problems:
// simulator.name, simulator.number, simulator.field, simulator.number_taken,
// simulator.too_many.
func (s *Simulator) PutAccount(a Account) (created bool, err error) {
	err = s.change(func() error {
		created, err = s.host.putAccount(a)
		return err
	})
	return created, err
}

// PutContract signs a contract or changes one. Problems: simulator.field,
// simulator.too_many.
func (s *Simulator) PutContract(c Contract) (created bool, err error) {
	err = s.change(func() error {
		created, err = s.host.putContract(c)
		return err
	})
	return created, err
}

// Play puts the accounts and contracts of a scenario, and adds its steps to those
// that wait. It stops at the first problem; steps come last and all at once.
func (s *Simulator) Play(sc Scenario) error {
	if err := sc.check(); err != nil {
		return err
	}
	return s.change(func() error {
		for _, a := range sc.Accounts {
			if _, err := s.host.putAccount(a); err != nil {
				return err
			}
		}
		for _, c := range sc.Contracts {
			if _, err := s.host.putContract(c); err != nil {
				return err
			}
		}
		if sc.Seed != nil {
			s.queue.seed = *sc.Seed
		}
		return s.queue.add(sc.Steps)
	})
}

// Waiting lists the steps that still wait for their messages.
func (s *Simulator) Waiting() []Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	steps := make([]Step, len(s.queue.steps))
	for i, w := range s.queue.steps {
		steps[i] = w.Step
	}
	return steps
}

// Clear forgets the steps that wait.
func (s *Simulator) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.clear()
}

// Hits tells how often each behaviour of a scenario met each type of message.
func (s *Simulator) Hits() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]int64, len(s.queue.hits))
	for what, n := range s.queue.hits {
		out[what] = n
	}
	return out
}

// Approvals lists what the host said yes to and still remembers, oldest first.
func (s *Simulator) Approvals() []Approval {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Approval, 0, len(s.host.approvals.values))
	s.host.approvals.each(func(_ string, a *Approval) { out = append(out, *a) })
	return out
}

// Accounts lists the accounts with what became of them, numbers masked.
func (s *Simulator) Accounts() []Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Account, 0, len(s.host.names))
	for _, name := range s.host.names {
		out = append(out, s.host.accounts[name].masked())
	}
	return out
}

// Contracts lists the contracts.
func (s *Simulator) Contracts() []Contract {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Contract, 0, len(s.host.contracts))
	for _, c := range s.host.contracts {
		out = append(out, c.clone())
	}
	slices.SortFunc(out, func(a, b Contract) int { return strings.Compare(a.Acceptor, b.Acceptor) })
	return out
}

// Batches lists the batches that were presented, oldest first.
func (s *Simulator) Batches() []Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Batch, 0, len(s.host.batches.values))
	s.host.batches.each(func(_ string, b *Batch) { out = append(out, b.clone()) })
	return out
}

// change does something to the state, and returns when it is kept.
func (s *Simulator) change(do func() error) error {
	s.mu.Lock()
	if err := do(); err != nil {
		s.mu.Unlock()
		return err
	}
	ticket := s.saver.mark()
	s.mu.Unlock()
	return s.save(ticket)
}

// putAccount opens or changes an account. What is reserved is the host's to know.
func (h *host) putAccount(a Account) (created bool, err error) {
	if err := a.check(); err != nil {
		return false, err
	}
	old, known := h.accounts[a.Name]
	if !known && len(h.accounts) >= maxAccounts {
		return false, problem.New(problem.Invalid, "simulator.too_many")
	}
	all := append([]string{a.Number}, a.Tokens...)
	for _, n := range all {
		if other := h.numbers[n]; other != nil && other.Name != a.Name {
			return false, problem.New(problem.Conflict, "simulator.number_taken", "account", other.Name).At("number")
		}
	}
	made := a.clone()
	if known {
		made.Used.Held, made.Used.Owed = old.Used.Held, old.Used.Owed
		for _, n := range append([]string{old.Number}, old.Tokens...) {
			delete(h.numbers, n)
		}
	} else {
		made.Used.Held, made.Used.Owed = 0, 0
		h.names = append(h.names, a.Name)
	}
	h.accounts[a.Name] = &made
	for _, n := range all {
		h.numbers[n] = &made
	}
	return !known, nil
}

func (h *host) putContract(c Contract) (created bool, err error) {
	if err := c.check(); err != nil {
		return false, err
	}
	_, known := h.contracts[c.Acceptor]
	if !known && len(h.contracts) >= maxContracts {
		return false, problem.New(problem.Invalid, "simulator.too_many")
	}
	made := c.clone()
	h.contracts[c.Acceptor] = &made
	return !known, nil
}
