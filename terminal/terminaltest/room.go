package terminaltest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"encaisse/access"
	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/merchant"
	"encaisse/terminal"
)

// Room is a hub with everything around it.
type Room struct {
	T      testing.TB
	DB     *db.DB
	Clock  clock.Clock
	Hub    *terminal.Hub
	Desk   *Desk
	Admin  access.Principal
	Site   id.Site
	URL    string
	Key    card.PrivateKey // opens what readers seal
	Log    *Log
	server *httptest.Server
	end    func()
}

// Log keeps what the hub logs.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends a line.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is everything that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// NewRoom makes a room with a merchant of its own; it ends with the test.
func NewRoom(t testing.TB, d *db.DB, c clock.Clock, p terminal.Protocol) *Room {
	t.Helper()
	r := &Room{T: t, DB: d, Clock: c}
	var founded merchant.Founded
	err := d.Write(context.Background(), func(tx *db.Tx) (err error) {
		founded, err = merchant.Found(tx, c.Now(), merchant.Founding{
			Company: "Boulangerie du Port", SIREN: "732829320", SiteName: "Le Port", SIRET: "73282932000074",
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Admin, r.Site = access.System(founded.Merchant.ID), founded.Site.ID
	if r.Key, err = card.NewKey(); err != nil {
		t.Fatal(err)
	}
	r.open(p)
	return r
}

// Beside is another node on the same database, with the same merchant and a
// desk of its own.
func (r *Room) Beside(t testing.TB, p terminal.Protocol) *Room {
	t.Helper()
	other := &Room{T: t, DB: r.DB, Clock: r.Clock, Admin: r.Admin, Site: r.Site, Key: r.Key}
	other.open(p)
	return other
}

func (r *Room) open(p terminal.Protocol) {
	r.Desk, r.Log = NewDesk(), &Log{}
	r.Hub = terminal.New(r.DB, r.Clock, terminal.Options{
		Protocols: []terminal.Protocol{p}, Merchants: merchant.New(r.DB, r.Clock), Configurer: r,
		Log: slog.New(slog.NewTextHandler(r.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Hub.Run(ctx) })
	r.server = httptest.NewServer(r.Hub.Serve(r.Desk))
	r.URL = r.server.URL
	r.end = sync.OnceFunc(func() {
		stop()
		running.Wait()
		r.server.Close()
	})
	r.T.Cleanup(r.end)
}

// End stops the hub as a server that is told to does.
func (r *Room) End() { r.end() }

// Parameters implements terminal.Configurer.
func (r *Room) Parameters(_ context.Context, _ id.Merchant, t terminal.Terminal) (terminal.Parameters, error) {
	return terminal.Parameters{
		Version: t.UpdatedAt.UnixMilli(), Merchant: "Le Port", Address: "1 quai du Port 13002 Marseille", SIRET: "73282932000074", Alias: t.Alias,
		Number: t.Number, Acceptor: "1234567", TerminalID: t.Acceptor, Currency: money.EUR, Zone: "Europe/Paris",
		Schemes: map[card.Scheme]string{card.CB: "", card.Visa: "", card.Mastercard: "", card.Maestro: "", card.Amex: "9876543210"},
		// Ceilings high enough that no payment of the suite asks for a code.
		ContactlessMax: 50_00, CVMRequired: 50_00, FloorLimit: 0, PublicKey: r.Key.Public().Bytes(),
		FingerprintKey: []byte("a merchant's own fingerprint key"), BudgetSeconds: 60, Batch: 1, Language: "fr",
	}, nil
}

// Terminal makes a terminal.
func (r *Room) Terminal(alias string) terminal.Terminal {
	r.T.Helper()
	t, _, err := r.Hub.Put(context.Background(), r.Admin, terminal.Terminal{
		ID: id.New[id.Terminal](r.Clock.Now()), Site: r.Site, Contract: id.New[id.Contract](r.Clock.Now()), Alias: alias,
	})
	if err != nil {
		r.T.Fatal(err)
	}
	return t
}

// Code is a pairing code for a terminal.
func (r *Room) Code(t terminal.Terminal) string {
	r.T.Helper()
	code, _, err := r.Hub.PairingCode(context.Background(), r.Admin, t.ID)
	if err != nil {
		r.T.Fatal(err)
	}
	return code
}

// Pair takes a code to the door as a device does.
func (r *Room) Pair(code, model, serial string) (terminal.Pairing, int) {
	r.T.Helper()
	body, err := json.Marshal(map[string]string{"code": code, "model": model, "serial": serial})
	if err != nil {
		r.T.Fatal(err)
	}
	answer, err := http.Post(r.URL+"/v1/terminals/pair", "application/json", bytes.NewReader(body))
	if err != nil {
		r.T.Fatal(err)
	}
	defer answer.Body.Close()
	var out terminal.Pairing
	if answer.StatusCode == http.StatusCreated {
		if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
			r.T.Fatal(err)
		}
	}
	return out, answer.StatusCode
}

// Presence reads a terminal's presence.
func (r *Room) Presence(t terminal.Terminal) terminal.Presence {
	r.T.Helper()
	got, err := r.Hub.Get(context.Background(), r.Admin, t.ID)
	if err != nil {
		r.T.Fatal(err)
	}
	return got.Presence
}

// Until waits until something holds.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-late.C:
			t.Fatalf("waited %s for: %s", Patience, what)
		}
	}
}

// Await waits until a terminal is online, asleep or offline.
func (r *Room) Await(t terminal.Terminal, state terminal.PresenceState) {
	r.T.Helper()
	Until(r.T, fmt.Sprintf("%s %s", t.Alias, state), func() bool { return r.Presence(t).State == state })
}

// Eur is an amount of euros in cents.
func Eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: money.EUR} }

// Dialogue is a payment to be asked of a terminal.
func (r *Room) Dialogue(t terminal.Terminal, minor int64) terminal.Dialogue {
	now := r.Clock.Now()
	return terminal.Dialogue{
		Merchant: r.Admin.Merchant, Terminal: t.ID, Attempt: id.New[id.Attempt](now), Kind: terminal.Payment, Amount: Eur(minor),
		Reference: "sale_1", Operator: 1, At: now, Budget: time.Minute,
	}
}

// Open opens a dialogue.
func (r *Room) Open(d terminal.Dialogue) error {
	return r.DB.Write(context.Background(), func(tx *db.Tx) error { return r.Hub.Open(tx, d) })
}

// Close closes one.
func (r *Room) Close(d terminal.Dialogue) {
	r.T.Helper()
	err := r.DB.Write(context.Background(), func(tx *db.Tx) error { return r.Hub.Close(tx, d.Merchant, d.Attempt) })
	if err != nil {
		r.T.Fatal(err)
	}
}

// Send opens a dialogue and hands it to its reader, or fails.
func (r *Room) Send(d terminal.Dialogue) {
	r.T.Helper()
	if err := r.Open(d); err != nil {
		r.T.Fatal(err)
	}
	if err := r.Hub.Send(context.Background(), d.Merchant, d.Attempt); err != nil {
		r.T.Fatal(err)
	}
}

// Pay opens a payment, hands it over, waits for the final word and closes it.
func (r *Room) Pay(t terminal.Terminal, minor int64) terminal.Conclusion {
	r.T.Helper()
	d := r.Dialogue(t, minor)
	r.Send(d)
	c := r.Desk.Word(r.T, d.Attempt)
	r.Close(d)
	return c
}

// Link is the address of the link.
func (r *Room) Link() string {
	return "ws" + strings.TrimPrefix(r.URL, "http") + "/v1/terminals/connect"
}
