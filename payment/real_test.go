package payment_test

import (
	"context"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"encaisse/acquirer/iso8583"
	"encaisse/acquirer/simulator"
	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/payment"
	"encaisse/terminal"
	"encaisse/terminal/emulator"
	"encaisse/terminal/nexo"
)

// patience is what the machine may take; nothing waits for that long by itself.
const patience = 60 * time.Second

// shop is the whole card path on real parts: an emulated reader on a WebSocket,
// the hub, the heart, the ISO 8583 link and an emulated host on a socket.
type shop struct {
	*world
	hub      *terminal.Hub
	emulator *emulator.Emulator
	bank     *simulator.Simulator
}

// Parameters implements terminal.Configurer.
func (s *shop) Parameters(context.Context, id.Merchant, terminal.Terminal) (terminal.Parameters, error) {
	return terminal.Parameters{
		Version: 1, Merchant: "Le Port", Address: "1 quai du Port", SIRET: "73282932000074", Alias: "Comptoir", Number: 1,
		Acceptor: s.contract.Acceptor, TerminalID: s.terminal.Acceptor, Currency: money.EUR, Zone: "Europe/Paris", Schemes: s.contract.Schemes,
		ContactlessMax: 50_00, CVMRequired: 50_00, PublicKey: s.contract.PublicKey, FingerprintKey: []byte("a merchant's own fingerprint key"),
		BudgetSeconds: 60, Batch: 1, Language: "fr",
	}, nil
}

func newShop(t *testing.T, d *db.DB) *shop {
	t.Helper()
	s := &shop{world: found(t, d, clock.Real{})}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { stop(); running.Wait() })

	var err error
	s.bank, err = simulator.New(simulator.Options{})
	s.must(err)
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	running.Go(func() { _ = s.bank.Serve(ctx, socket) })
	connector := iso8583.New(iso8583.Options{
		Link: iso8583.LinkOptions{Address: socket.Addr().String()}, Acquirer: "11111", Authorise: 500 * time.Millisecond, Reverse: 500 * time.Millisecond,
	})
	t.Cleanup(connector.Close)
	s.parts.Connectors["host"] = connector

	s.hub = terminal.New(d, clock.Real{}, terminal.Options{
		Protocols: []terminal.Protocol{nexo.New("test")}, Merchants: s.parts.Merchants, Configurer: s, Log: s.parts.Log,
	})
	s.parts.Readers = s.hub
	s.restart()
	server := httptest.NewServer(s.hub.Serve(s.Payments))
	t.Cleanup(server.Close)
	running.Go(func() { s.hub.Run(ctx) })
	running.Go(func() { _ = s.Run(ctx) })

	s.emulator, err = emulator.New(emulator.Options{Protocol: nexo.New("test"), Hub: server.URL, Seed: 1})
	s.must(err)
	t.Cleanup(func() { _ = s.emulator.Close() })
	s.emulator.SetPace(time.Millisecond)
	s.emulator.Start()
	code, _, err := s.hub.PairingCode(ctx, s.boss, s.terminal.ID)
	s.must(err)
	s.must(s.emulator.Pair(ctx, code))
	s.until("the reader is online", func() bool {
		found, err := s.hub.Get(ctx, s.boss, s.terminal.ID)
		_, configured := s.emulator.Parameters()
		return err == nil && found.Presence.State == terminal.Online && configured
	})
	return s
}

func (s *shop) until(what string, holds func() bool) {
	s.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-late.C:
			s.t.Fatalf("waited %s for: %s\n%s", patience, what, s.logged)
		}
	}
}

// sells asks for an amount and waits for its end.
func (s *shop) sells(minor int64, hand emulator.Hand) payment.Payment {
	s.t.Helper()
	s.emulator.Next(hand)
	p := s.ask(minor)
	s.until("the payment is settled", func() bool {
		p = s.get(p.ID)
		return p.State != payment.Processing && p.State != payment.Unknown
	})
	return p
}

// gives asks for a void or a refund and waits for its end.
func (s *shop) gives(p payment.Payment, hand emulator.Hand, amount *money.Amount) payment.Reversal {
	s.t.Helper()
	s.emulator.Next(hand)
	made, err := s.reverse(s.boss, s.giving(p, payment.Auto, amount))
	s.must(err)
	s.until("it is settled", func() bool {
		made, err = s.ReversalByID(s.t.Context(), s.boss, made.ID)
		s.must(err)
		return made.SettledAt != nil && made.Word != ""
	})
	return made
}

// settled waits until nothing is in doubt, and holds the host's view against our books.
func (s *shop) settled() {
	s.t.Helper()
	s.until("nothing is in doubt", func() bool {
		return s.nextTry() == nil
	})
	var held int64
	for _, a := range s.bank.Approvals() {
		if a.State == simulator.Reversed {
			continue
		}
		if a.Credit {
			held -= a.Amount.Minor
		} else {
			held += a.Amount.Minor
		}
	}
	if books := s.books(); held != books {
		s.t.Errorf("the host holds %d, our books say %d: %+v", held, books, s.bank.Approvals())
	}
	s.verify()
}

// TestTheCardPathOnRealParts: a day at the counter, on sockets.
func TestTheCardPathOnRealParts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newShop(t, d)
		cb := emulator.Hand{Card: "cb"}
		paid := s.sells(6250, cb)
		if paid.State != payment.Succeeded || paid.Card.Scheme != card.CB || paid.Chip == nil || len(paid.Number) != 6 || paid.Code != "00" {
			t.Errorf("%+v %+v", paid, paid.Chip)
		}
		for name, cause := range map[string]terminal.Cause{"stolen": terminal.CauseRefused, "no-funds": terminal.CauseRefused, "amex": terminal.CauseAffiliation} {
			if p := s.sells(6250, emulator.Hand{Card: name}); p.State != payment.Failed || p.Cause != cause {
				t.Error(name, p.State, p.Cause)
			}
		}
		if p := s.sells(6250, emulator.Hand{Card: "cb", Pull: emulator.PointAnswered}); p.State != payment.Failed || p.Cause != terminal.CauseCardRemoved {
			t.Error("pulled", p.State, p.Cause)
		}
		s.settled()
		s.must(s.bank.Play(simulator.Scenario{Steps: []simulator.Step{
			{Match: simulator.Match{MTI: "0100"}, Do: simulator.DoSilent}, {Match: simulator.Match{MTI: "0420"}, Do: simulator.DoLost},
		}}))
		if p := s.sells(6250, cb); p.State != payment.Failed {
			t.Error("silence", p.State, p.Cause)
		}
		if p := s.sells(2000, emulator.Hand{Card: "cb", Gesture: emulator.Tap}); p.State != payment.Succeeded || p.Card.Entry != card.Contactless {
			t.Error("contactless", p.State, p.Cause)
		}
		s.settled()

		voided := s.gives(paid, emulator.Hand{Card: "visa"}, nil)
		if voided.State != payment.Failed || voided.Cause != terminal.CauseOtherCard {
			t.Error("another card", voided.State, voided.Cause)
		}
		if voided = s.gives(paid, cb, nil); voided.State != payment.Succeeded || voided.Kind != terminal.Void || s.get(paid.ID).State != payment.Canceled {
			t.Error("void", voided.State, voided.Cause)
		}
		kept := s.sells(3000, cb)
		s.settled()
		s.closeBatches()
		if refunded := s.gives(kept, cb, ptr(eur(1000))); refunded.State != payment.Succeeded || refunded.Kind != terminal.Refund {
			t.Error("refund", refunded.State, refunded.Cause)
		}
		s.closeBatches()
		s.settled()
		if batches := s.bank.Batches(); len(batches) != 2 {
			t.Errorf("%+v", batches)
		}
	})
}

// TestUPM023_TheLinkIsLostAfterTheAuthorisationOnRealParts: the reader decides
// without us; when it is back its word counts, and nothing is charged twice.
func TestUPM023_TheLinkIsLostAfterTheAuthorisationOnRealParts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newShop(t, d)
		for _, point := range []emulator.Point{emulator.PointSent, emulator.PointAnswered, emulator.PointDecided, emulator.PointTold} {
			s.emulator.Plan(emulator.Fault{At: point, Do: emulator.CutLink})
			if p := s.sells(6250, emulator.Hand{Card: "cb"}); p.State != payment.Succeeded && p.State != payment.Failed {
				t.Error(point, p.State, p.Cause)
			}
			if hits := s.emulator.Struck()[emulator.Fault{At: point, Do: emulator.CutLink}]; hits != 1 {
				t.Errorf("%s: the link was cut %d times", point, hits)
			}
			s.settled()
		}
	})
}
