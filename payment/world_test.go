package payment_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"encaisse/access"
	"encaisse/acquirer"
	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/job"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/base/secret"
	"encaisse/batch"
	"encaisse/contract"

	"encaisse/merchant"
	"encaisse/payment"
	"encaisse/terminal"
)

// start is a winter afternoon: 15:00 in Paris.
var start = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

const goodCode, wrongCode = "482915", "482916"

// world is a shop with one reader, one contract, and who stands around them.
type world struct {
	*payment.Payments
	t         *testing.T
	d         *db.DB
	clock     *clock.Manual
	vault     *merchant.Vault
	gate      *access.Gate
	contracts *contract.Contracts
	batches   *batch.Batches
	reader    *reader
	host      *host
	till      *till
	boss      access.Principal // the administrator, signed in
	user      access.Principal
	m         id.Merchant
	contract  contract.Contract
	terminal  terminal.Terminal
	key       card.PublicKey
	parts     payment.Parts
	logged    *logged
}

// logged keeps what the log was told.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	moved := clock.NewManual(start)
	w := found(t, d, moved)
	w.clock = moved
	return w
}

// found is a world on any clock.
func found(t *testing.T, d *db.DB, c clock.Clock) *world {
	t.Helper()
	w := &world{t: t, d: d, logged: &logged{}, reader: newReader(), host: newHost(), till: &till{}}
	master, err := secret.NewMaster()
	w.must(err)
	w.vault = merchant.NewVault(master)
	var founded merchant.Founded
	w.write(func(tx *db.Tx) (err error) {
		founded, err = merchant.Found(tx, start, merchant.Founding{
			Company: "Boulangerie du Port", SIREN: "732829320", SiteName: "Le Port", SIRET: "73282932000074",
		})
		if err == nil {
			_, err = w.vault.Create(tx, start, founded.Merchant.ID)
		}
		return err
	})
	w.m = founded.Merchant.ID
	w.gate = access.New(d, c, access.Hashing{MemoryKiB: 8, Iterations: 1, Parallelism: 1})
	w.boss = w.person("camille", access.Administrator)
	w.user = w.person("sacha", access.User)
	connectors := map[string]acquirer.Connector{"host": w.host}
	w.contracts = contract.New(d, c, w.vault, "host")
	w.batches = batch.New(d, c, w.contracts, connectors, payment.NextTrace, nil)
	w.contract, _, err = w.contracts.Put(t.Context(), access.System(w.m), contract.Contract{
		ID: id.New[id.Contract](start), Name: "Banque du Port", Connector: "host", Acceptor: "1999887", MCC: "5462", City: "Brest",
		BatchAt: 23*60 + 30, ContactlessMax: 50_00, CVMRequired: 50_00, Schemes: map[card.Scheme]string{card.CB: "", card.Visa: "", card.Mastercard: "", card.Amex: ""},
	})
	w.must(err)
	w.key, err = card.ParsePublicKey(w.contract.PublicKey)
	w.must(err)
	merchants := merchant.New(d, c)
	w.terminal, _, err = terminal.New(d, c, terminal.Options{Merchants: merchants}).Put(t.Context(), access.System(w.m), terminal.Terminal{
		ID: id.New[id.Terminal](start), Site: founded.Site.ID, Contract: w.contract.ID, Alias: "Comptoir",
	})
	w.must(err)
	w.parts = payment.Parts{
		DB: d, Clock: c, Gate: w.gate, Vault: w.vault, Merchants: merchants, Contracts: w.contracts, Batches: w.batches,
		Readers: w.reader, Connectors: connectors, Log: slog.New(slog.NewTextHandler(w.logged, nil)),
	}
	w.restart()
	return w
}

// restart is another process on the same database: what was in memory is gone.
func (w *world) restart() {
	w.Payments = payment.New(w.parts)
	w.Serve(w.till)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(fn func(*db.Tx) error) {
	w.t.Helper()
	w.must(w.d.Write(context.Background(), fn))
}

func (w *world) read(fn func(*db.Tx) error) {
	w.t.Helper()
	w.must(w.d.Read(context.Background(), fn))
}

// person enrols somebody and signs them in.
func (w *world) person(name string, role access.Role) access.Principal {
	w.t.Helper()
	email := name + "@" + string(w.m) + ".fr"
	_, _, err := w.gate.Add(w.t.Context(), access.System(w.m), access.Enrolment{Name: "Camille Roy", Email: email, Role: role, Code: goodCode})
	w.must(err)
	session, err := w.gate.SignIn(w.t.Context(), email, goodCode)
	w.must(err)
	return session.Principal
}

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

// want fails unless err is the problem with that code.
func want(t *testing.T, err error, code string) {
	t.Helper()
	if !problem.Is(err, code) {
		t.Errorf("%v, want %s", err, code)
	}
}

// collection asks for an amount on the reader.
func (w *world) collection(minor int64) payment.Collection {
	now := w.parts.Clock.Now()
	return payment.Collection{
		Payment: id.New[id.Payment](now), Owner: string(id.New[id.Sale](now)), Tender: id.New[id.Tender](now), Terminal: w.terminal.ID,
		Amount: eur(minor), Operator: w.boss.Operator, Reference: "42",
	}
}

// collect writes a payment and does not hand it to the reader yet.
func (w *world) collect(c payment.Collection) payment.Payment {
	w.t.Helper()
	var made payment.Payment
	w.write(func(tx *db.Tx) (err error) {
		made, err = w.Collect(tx, w.boss, c)
		return err
	})
	return made
}

// ask collects, and hands it to the reader.
func (w *world) ask(minor int64) payment.Payment {
	w.t.Helper()
	made := w.collect(w.collection(minor))
	w.Start(w.t.Context(), w.m, made.ID)
	w.Wait()
	return w.get(made.ID)
}

func (w *world) get(p id.Payment) payment.Payment {
	w.t.Helper()
	found, err := w.Get(w.t.Context(), w.boss, p)
	w.must(err)
	return found
}

func (w *world) from() terminal.From { return terminal.From{Merchant: w.m, Terminal: w.terminal.ID} }

// Test numbers that schemes publish.
const (
	cbCard    = "4970100000000154"
	visaCard  = "4111111111111111"
	otherCard = "5555555555554444"
	amexCard  = "378282246310005"
)

// presented is a card as a reader would send it, for an attempt.
func (w *world) presented(pan string, attempt id.Attempt) card.Presented {
	w.t.Helper()
	number, err := card.ParsePAN(pan)
	w.must(err)
	data := card.Data{PAN: pan, Expiry: "2912", Track2: pan + "D29122011000012300000", PINBlock: "0412ACCCCCDDDD11"}
	envelope, err := w.key.Seal(data, string(attempt))
	w.must(err)
	kept, err := w.key.Seal(data.Kept(), string(attempt))
	w.must(err)
	scheme := map[byte]card.Scheme{'4': card.CB, '5': card.Mastercard, '3': card.Amex}[pan[0]]
	return card.Presented{
		Envelope: envelope, Kept: kept, Masked: number.Masked(), Fingerprint: card.Fingerprint([]byte("key"), number), Scheme: scheme,
		AID: "A0000000421010", Label: "CB", Entry: card.Chip, Verified: card.OfflinePIN, EMV: []byte{0x9f, 0x02, 0x01, 0x00},
	}
}

// request is what a reader asks for an attempt.
func (w *world) request(a payment.Attempt, exchange, pan string) terminal.Request {
	return terminal.Request{Attempt: a.ID, Exchange: exchange, Kind: a.Kind, Amount: a.Amount, Card: w.presented(pan, a.ID), At: w.clock.Now()}
}

func (w *world) attempt(p id.Payment) payment.Attempt {
	w.t.Helper()
	all, err := w.Attempts(w.t.Context(), w.boss, p)
	w.must(err)
	return all[len(all)-1]
}

func (w *world) operations(p id.Payment) []payment.Operation {
	w.t.Helper()
	all, err := w.Operations(w.t.Context(), w.boss, p)
	w.must(err)
	return all
}

// states tells the operations of a payment as "authorise:approved capture:approved".
func (w *world) states(p id.Payment) string {
	w.t.Helper()
	var all []string
	for _, o := range w.operations(p) {
		all = append(all, string(o.Kind)+":"+string(o.State))
	}
	return strings.Join(all, " ")
}

// word is a reader's final word about an attempt.
func (w *world) word(a payment.Attempt, success bool, cause terminal.Cause) terminal.Conclusion {
	shown := w.presented(cbCard, a.ID)
	shown.Envelope, shown.Kept = nil, nil
	return terminal.Conclusion{
		Attempt: a.ID, Success: success, Cause: cause, Amount: a.Amount, Transaction: "000042", At: w.clock.Now(), Approval: "A12345", Code: "00",
		Card: &shown, Chip: &terminal.Chip{AID: shown.AID, ARC: "3030", TVR: "0000008000", TSI: "E800"},
	}
}

// pay is a whole payment, captured.
func (w *world) pay(minor int64) payment.Payment {
	w.t.Helper()
	p := w.ask(minor)
	w.finish(p, cbCard)
	done := w.get(p.ID)
	if done.State != payment.Succeeded {
		w.t.Fatalf("%s %s: %s", done.State, done.Cause, w.states(p.ID))
	}
	return done
}

// finish plays the reader of the newest attempt of a payment to its end.
func (w *world) finish(p payment.Payment, pan string) terminal.Answer {
	w.t.Helper()
	a := w.attempt(p.ID)
	answer, err := w.Authorise(w.t.Context(), w.from(), w.request(a, "x1", pan))
	w.must(err)
	cause := answer.Cause
	if !answer.Approved && cause == "" {
		cause = terminal.CauseRefused
	}
	w.must(w.Concluded(w.t.Context(), w.from(), w.word(a, answer.Approved, cause)))
	return answer
}

// closeBatches runs the télécollecte: what is open is closed and sent.
func (w *world) closeBatches() {
	w.t.Helper()
	page, err := w.batches.List(w.t.Context(), access.System(w.m), "", "", 100)
	w.must(err)
	for _, b := range page {
		if b.State == batch.Open {
			_, err := w.batches.Close(w.t.Context(), access.System(w.m), b.ID)
			w.must(err)
		}
	}
	jobs := job.New(w.d, w.parts.Clock, nil)
	jobs.Handle(batch.JobClose, w.batches.RunClose)
	jobs.Handle(batch.JobSend, w.batches.RunSend)
	_, err = jobs.RunDue(w.t.Context())
	w.must(err)
}

// settleAll lets time pass until nothing is in doubt.
func (w *world) settleAll() {
	w.t.Helper()
	for range 200 {
		next := w.nextTry()
		if next == nil {
			return
		}
		w.clock.Advance(max(next.Sub(w.clock.Now()), time.Second))
		_, err := w.RunDue(w.t.Context())
		w.must(err)
	}
	w.t.Fatal("something stays in doubt")
}

// nextTry is when the resolver has something to do.
func (w *world) nextTry() (next *time.Time) {
	w.t.Helper()
	w.read(func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT MIN(next_try_at) FROM (SELECT next_try_at FROM payment_attempt WHERE merchant_id = $1
			UNION ALL SELECT next_try_at FROM payment_operation WHERE merchant_id = $1) AS tries`, w.m).Scan(&next)
	})
	return next
}

// verify derives everything again.
func (w *world) verify() {
	w.t.Helper()
	if err := w.check(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) check() error {
	return w.d.Read(context.Background(), func(tx *db.Tx) error {
		if _, err := batch.Verify(tx, w.m); err != nil {
			return err
		}
		_, err := payment.Verify(tx, w.m)
		return err
	})
}

// books is what the ledger says was captured and is still so, in all batches.
func (w *world) books() int64 {
	w.t.Helper()
	var minor int64
	w.read(func(tx *db.Tx) error {
		minor = 0
		rows := tx.Query(`SELECT captured_minor - voided_minor - refunded_minor FROM payment WHERE merchant_id = $1`, w.m)
		for rows.Next() {
			var one int64
			if err := rows.Scan(&one); err != nil {
				return err
			}
			minor += one
		}
		return rows.Err()
	})
	return minor
}

// balanced holds the host's view against our books: every approval is in them or undone.
func (w *world) balanced() {
	w.t.Helper()
	if held, books := w.host.held(), w.books(); held != books {
		w.t.Errorf("the host holds %d, our books say %d", held, books)
	}
	w.verify()
}
