package iso8583_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"encaisse/acquirer"
	"encaisse/acquirer/acquirertest"
	"encaisse/acquirer/iso8583"
	"encaisse/acquirer/simulator"
	"encaisse/base/card"
	"encaisse/base/id"
	"encaisse/base/money"
)

const (
	testTerminal = "T0000001"
	testAcquirer = "30004"
)

// TestConformance runs the suite in each packing, over real sockets.
func TestConformance(t *testing.T) {
	for name, packing := range map[string]iso8583.Packing{"ascii": iso8583.ASCII(), "bcd": iso8583.BCD(), "ebcdic": iso8583.EBCDIC()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			framing := iso8583.Framing{TPDU: &iso8583.TPDU{To: [2]byte{0, 3}, From: [2]byte{0, 9}}}
			if name == "ascii" {
				framing = iso8583.Framing{Header: iso8583.FourDigits}
			}
			acquirertest.Run(t, func(t *testing.T) acquirertest.Harness {
				h := newHost(t, packing, framing)
				return acquirertest.Harness{
					Connector: spoiled(h.connector), Contract: testContract(), Terminal: testTerminal, Card: stripe(t, "foreign"), Host: h, Clock: h.clock,
					Patience: time.Minute + time.Second,
				}
			})
		})
	}
}

func testContract() acquirer.Contract {
	return acquirer.Contract{
		ID: "ctr_conformance", Acceptor: "1999887", MCC: "5462", Name: "Le Fournil des Halles", City: "Orléans", Country: "250",
		Affiliated: map[card.Scheme]string{card.CB: "", card.Visa: ""},
	}
}

// stripe is a card of the deck as its stripe gives it.
func stripe(t *testing.T, name string) card.Data {
	t.Helper()
	for _, c := range card.Deck() {
		if c.Name == name {
			return card.Data{PAN: c.Number, Expiry: c.Expiry, Track2: c.Number + "D" + c.Expiry + c.Service + "0000012345"}
		}
	}
	t.Fatalf("no card %s in the deck", name)
	return card.Data{}
}

// host is the simulator with a connector to it, and the wire between in its hands.
type host struct {
	t         *testing.T
	clock     *acquirertest.Clock
	simulator *simulator.Simulator
	connector *iso8583.Connector

	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func newHost(t *testing.T, packing iso8583.Packing, framing iso8583.Framing) *host {
	t.Helper()
	spec := iso8583.V1987(packing)
	h := &host{t: t, clock: acquirertest.NewClock()}
	var err error
	h.simulator, err = simulator.New(simulator.Options{Clock: h.clock, Spec: spec, Framing: framing})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.simulator.Serve(ctx, listener) }()
	// Nothing but what a case is about may run out of time, however busy the machine is.
	const long = 1000 * time.Hour
	h.connector = iso8583.New(iso8583.Options{
		Acquirer: testAcquirer,
		Link: iso8583.LinkOptions{
			Address: listener.Addr().String(), Dial: h.dial, Spec: spec, Framing: framing, Clock: h.clock,
			Connect: long, Write: long, Echo: long,
		},
	})
	t.Cleanup(func() {
		h.connector.Close()
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *host) dial(ctx context.Context, address string) (net.Conn, error) {
	h.mu.Lock()
	down := h.down
	h.mu.Unlock()
	if down {
		return nil, errors.New("the network is down")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		h.mu.Lock()
		h.conns = append(h.conns, conn)
		h.mu.Unlock()
	}
	return conn, err
}

func (h *host) Down() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = true
	for _, conn := range h.conns {
		_ = conn.Close()
	}
	h.conns = nil
}

func (h *host) Up() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = false
}

var requests = map[acquirertest.Request]string{
	acquirertest.Authorisation: "0100", acquirertest.Reversal: "042", acquirertest.Line: "022", acquirertest.Totals: "050",
}

var faults = map[acquirertest.Fault]simulator.Behaviour{
	acquirertest.Lost: simulator.DoLost, acquirertest.Silent: simulator.DoSilent, acquirertest.Late: simulator.DoAnswer,
	acquirertest.Twice: simulator.DoTwice, acquirertest.CutBefore: simulator.DoCloseBefore, acquirertest.CutAfter: simulator.DoCloseAfter,
	acquirertest.CutInside: simulator.DoCut, acquirertest.Garbage: simulator.DoGarbage, acquirertest.Truncated: simulator.DoTruncated,
	acquirertest.Oversized: simulator.DoOversized, acquirertest.Slow: simulator.DoSlow,
	acquirertest.RefuseBatch: simulator.DoRefuseBatch, acquirertest.OffBalance: simulator.DoOffBalance,
}

func (h *host) Arrange(on acquirertest.Request, f acquirertest.Fault) bool {
	step := simulator.Step{Match: simulator.Match{MTI: requests[on]}, Do: faults[f]}
	switch f {
	case acquirertest.Late:
		step.DelayMS = (2 * time.Minute).Milliseconds()
	case acquirertest.RefuseBatch:
		step.Code = "96"
	}
	h.play(step)
	return true
}

func (h *host) play(steps ...simulator.Step) {
	h.t.Helper()
	if err := h.simulator.Play(simulator.Scenario{Steps: steps}); err != nil {
		h.t.Fatal(err)
	}
}

// refusals are codes with which the issuer says each reason.
var refusals = map[acquirer.Decline]string{
	acquirer.DeclineIssuer: "05", acquirer.DeclineFunds: "51", acquirer.DeclineExpired: "54", acquirer.DeclineStolen: "43",
	acquirer.DeclinePIN: "55", acquirer.DeclinePINTries: "75", acquirer.DeclineInsert: "1A", acquirer.DeclineReferral: "02",
	acquirer.DeclineScheme: "57", acquirer.DeclineLimit: "61", acquirer.DeclineLater: "91", acquirer.DeclineTechnical: "96",
}

// Refuse leaves out the affiliation: only American Express asks for one, see
// TestUPM031_affiliation.
func (h *host) Refuse(d acquirer.Decline) bool {
	code, known := refusals[d]
	if known {
		h.play(simulator.Step{Match: simulator.Match{MTI: "0100"}, Do: simulator.DoAnswer, Code: code})
	}
	return known
}

func (h *host) Met() int64 {
	var n int64
	for _, hits := range h.simulator.Hits() {
		n += hits
	}
	return n
}

func (h *host) Held(op id.Operation) acquirertest.Holding {
	states := map[simulator.ApprovalState]acquirertest.Held{
		simulator.Approved: acquirertest.Reserved, simulator.Reversed: acquirertest.Withdrawn, simulator.Cleared: acquirertest.Booked,
	}
	var out acquirertest.Holding
	for _, a := range h.simulator.Approvals() {
		if a.Operation == string(op) {
			out.Approvals++
			out.State, out.Minor, out.Credit, out.Code = states[a.State], a.Amount.Minor, a.Credit, a.Code
		}
	}
	return out
}

func (h *host) Cleared(number int64) (debits, credits acquirer.Sum) {
	lines := map[string]bool{}
	for _, b := range h.simulator.Batches() {
		if strings.TrimLeft(b.Number, "0") == strconv.FormatInt(number, 10) {
			for rrn := range b.Lines {
				lines[rrn] = true
			}
		}
	}
	for _, a := range h.simulator.Approvals() {
		if a.State != simulator.Cleared || !lines[a.RRN] {
			continue
		}
		sum := &debits
		if a.Credit {
			sum = &credits
		}
		sum.Count++
		sum.Minor += a.Amount.Minor
	}
	return debits, credits
}

// TestUPM031_affiliation: a merchant without affiliation number is told so.
func TestUPM031_affiliation(t *testing.T) {
	t.Log("coverage: UPM-031 partial: the connector's side of it")
	h := newHost(t, iso8583.BCD(), iso8583.Framing{})
	key, err := card.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	data := stripe(t, "amex")
	sealed, err := key.Public().Seal(data, "att")
	if err != nil {
		t.Fatal(err)
	}
	contract := testContract()
	contract.Key = key
	ask := func(number int64) acquirer.Outcome {
		return h.connector.Authorise(t.Context(), acquirer.Authorisation{
			Trace:    acquirer.Trace{Terminal: testTerminal, Number: number, At: h.clock.Now()},
			Contract: contract, Kind: acquirer.Purchase, Amount: money.Amount{Minor: 500, Currency: money.EUR},
			Card: card.Presented{Envelope: sealed, Scheme: card.Amex, Entry: card.Stripe}, About: "att",
		})
	}
	if out := ask(1); out.Decline != acquirer.DeclineScheme {
		t.Errorf("a scheme that the contract does not have: %+v", out)
	}
	agreed := simulator.DemoContract()
	agreed.Schemes[card.Amex] = ""
	if _, err := h.simulator.PutContract(agreed); err != nil {
		t.Fatal(err)
	}
	if out := ask(2); out.Decline != acquirer.DeclineAffiliation {
		t.Errorf("no affiliation: %+v", out)
	}
	agreed.Schemes[card.Amex] = "9490123456"
	if _, err := h.simulator.PutContract(agreed); err != nil {
		t.Fatal(err)
	}
	if out := ask(3); out.Decline != acquirer.DeclineAffiliation {
		t.Errorf("our side sends no affiliation: %+v", out)
	}
	contract.Affiliated[card.Amex] = "9490123456"
	if out := ask(4); out.Result != acquirer.Approved {
		t.Errorf("with affiliation: %+v", out)
	}
}
