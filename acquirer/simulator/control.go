package simulator

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"encaisse/base/problem"
)

// Limits of the control.
const (
	defaultListed = 100
	mostListed    = 1_000
)

//go:embed page.css
var pageStyle []byte

//go:embed page.js
var pageScript []byte

// Control is the HTTP side: what a test or a person asks of the simulator, and
// the page at its root. It is meant for loopback or a test network: it asks for
// no password, and refuses what another site's page sends.
func (s *Simulator) Control() http.Handler {
	mux := http.NewServeMux()
	get := func(path string, answer func(r *http.Request) (any, error)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { s.respond(w, r, http.StatusOK, answer) })
	}
	get("/state", func(*http.Request) (any, error) { return s.Status(), nil })
	get("/approvals", s.listApprovals)
	get("/batches", func(*http.Request) (any, error) { return s.Batches(), nil })
	get("/accounts", func(*http.Request) (any, error) { return s.Accounts(), nil })
	get("/accounts/{name}", s.getAccount)
	get("/contracts", func(*http.Request) (any, error) { return s.Contracts(), nil })
	get("/scenario", func(*http.Request) (any, error) { return Scenario{Steps: s.Waiting()}, nil })
	get("/log", s.listLog)
	mux.HandleFunc("PUT /accounts/{name}", s.changeAccount)
	mux.HandleFunc("PUT /contracts/{acceptor}", s.changeContract)
	mux.HandleFunc("POST /scenario", s.addScenario)
	mux.HandleFunc("DELETE /scenario", func(w http.ResponseWriter, r *http.Request) {
		s.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /{$}", s.page)
	file := func(path, kind string, text []byte) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(text) // the reader is gone: nobody to tell
		})
	}
	file("/page.css", "text/css; charset=utf-8", pageStyle)
	file("/page.js", "text/javascript; charset=utf-8", pageScript)
	return s.frame.Wrap(mux)
}

// ControlServer is an http.Server with the limits of the house around Control.
func (s *Simulator) ControlServer() *http.Server { return s.frame.Server(s.Control()) }

// respond answers with JSON, or with the problem.
func (s *Simulator) respond(w http.ResponseWriter, r *http.Request, status int, make func(*http.Request) (any, error)) {
	v, err := make(r)
	var out bytes.Buffer
	if err == nil {
		err = json.NewEncoder(&out).Encode(v)
	}
	if err != nil {
		s.frame.WriteProblem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the reader is gone: nobody to tell
}

// receive reads the body of a request, which must say that it is JSON: a form of
// another site cannot.
func receive(r *http.Request, into any) error {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) != "application/json" {
		return problem.New(problem.Malformed, "simulator.json", "offset", 0)
	}
	return decode(r.Body, into)
}

// Status is the simulator at a glance.
type Status struct {
	Listen    string                  `json:"listen"`
	Now       string                  `json:"now"`
	Seed      uint64                  `json:"seed"`
	Links     int                     `json:"links"`
	Received  int64                   `json:"received"`
	Answered  int64                   `json:"answered"`
	Unread    int64                   `json:"unreadable"`
	Approvals map[ApprovalState]int64 `json:"approvals"`
	Batches   map[BatchState]int64    `json:"batches"`
	Steps     int                     `json:"steps"`
	Hits      map[string]int64        `json:"hits"` // by behaviour and type of message
}

// Status counts.
func (s *Simulator) Status() Status {
	hits := s.Hits()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Status{
		Now: s.clock.Now().Format(timeForm), Seed: s.queue.seed, Links: len(s.links), Steps: len(s.queue.steps), Hits: hits,
		Received: s.received.Load(), Answered: s.answered.Load(), Unread: s.unread.Load(),
		Approvals: map[ApprovalState]int64{Approved: 0, Reversed: 0, Cleared: 0}, Batches: map[BatchState]int64{},
	}
	if s.listen != nil {
		out.Listen = s.listen.String()
	}
	s.host.approvals.each(func(_ string, a *Approval) { out.Approvals[a.State]++ })
	s.host.batches.each(func(_ string, b *Batch) { out.Batches[b.State]++ })
	return out
}

// timeForm is RFC 3339 with milliseconds.
const timeForm = "2006-01-02T15:04:05.000Z07:00"

// listApprovals answers ?state=, ?terminal=, ?operation= and pages: ?limit= of
// those after ?after=, a reference.
func (s *Simulator) listApprovals(r *http.Request) (any, error) {
	q := r.URL.Query()
	limit, err := listed(q.Get("limit"))
	if err != nil {
		return nil, err
	}
	out := []Approval{}
	for _, a := range s.Approvals() {
		if len(out) < limit && a.RRN > q.Get("after") && among(q.Get("state"), string(a.State)) &&
			among(q.Get("terminal"), a.Terminal) && among(q.Get("operation"), a.Operation) {
			out = append(out, a)
		}
	}
	return out, nil
}

// among tells whether a filter that was given lets a value pass.
func among(filter, value string) bool { return filter == "" || filter == value }

// listed reads how many are asked for. Problem simulator.field.
func listed(text string) (int, error) {
	if text == "" {
		return defaultListed, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostListed {
		return 0, problem.New(problem.Invalid, "simulator.field", "field", "limit").At("limit")
	}
	return n, nil
}

func (s *Simulator) listLog(r *http.Request) (any, error) {
	limit, err := listed(r.URL.Query().Get("limit"))
	return s.Log(limit, r.URL.Query().Get("fields") != ""), err
}

func (s *Simulator) getAccount(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.host.accounts[r.PathValue("name")]; a != nil {
		return a.masked(), nil
	}
	return nil, problem.New(problem.NotFound, "simulator.not_found")
}

// changeAccount puts an account. Of one that exists, what is not given stays:
// {"state": "stolen"} is enough.
func (s *Simulator) changeAccount(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	s.mu.Lock()
	a := Account{State: Active, Currency: "EUR"}
	if old := s.host.accounts[name]; old != nil {
		a = old.clone()
	}
	s.mu.Unlock()
	s.put(w, r, &a, func() (created bool, err error) {
		if a.Name = given(a.Name, name); a.Name != name {
			return false, problem.New(problem.Invalid, "simulator.field", "field", "name").At("name")
		}
		return s.PutAccount(a)
	}, func() any { return a.masked() })
}

// changeContract puts a contract. Of one that exists, what is not given stays;
// its schemes and terminals are given whole.
func (s *Simulator) changeContract(w http.ResponseWriter, r *http.Request) {
	acceptor := r.PathValue("acceptor")
	s.mu.Lock()
	c := Contract{Currency: "EUR", Terminals: []string{AnyTerminal}}
	if old := s.host.contracts[acceptor]; old != nil {
		c = old.clone()
	}
	s.mu.Unlock()
	before := c.Schemes
	c.Schemes = nil // or what is given would be added to what was
	s.put(w, r, &c, func() (created bool, err error) {
		if c.Acceptor = given(c.Acceptor, acceptor); c.Acceptor != acceptor {
			return false, problem.New(problem.Invalid, "simulator.field", "field", "acceptor").At("acceptor")
		}
		if c.Schemes == nil {
			c.Schemes = before
		}
		return s.PutContract(c)
	}, func() any { return c })
}

func given(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// put reads a body into what is to be changed, changes it, and answers with it.
func (s *Simulator) put(w http.ResponseWriter, r *http.Request, into any, change func() (bool, error), shown func() any) {
	status := http.StatusOK
	err := receive(r, into)
	if err == nil {
		var created bool
		if created, err = change(); created {
			status = http.StatusCreated
		}
	}
	s.respond(w, r, status, func(*http.Request) (any, error) { return shown(), err })
}

func (s *Simulator) addScenario(w http.ResponseWriter, r *http.Request) {
	s.respond(w, r, http.StatusOK, func(*http.Request) (any, error) {
		var sc Scenario
		if err := receive(r, &sc); err != nil {
			return nil, err
		}
		if err := s.Play(sc); err != nil {
			return nil, err
		}
		return Scenario{Steps: s.Waiting()}, nil
	})
}
