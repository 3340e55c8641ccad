package api_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"encaisse/base/card"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/emv"
	"encaisse/base/id"
	"encaisse/terminal/emulator"
)

// bareCVV stands for a security code that somebody sends: longer than one, so that
// chance does not write it.
const bareCVV = "9081726354453627"

// panLog is a log that many write.
type panLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *panLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *panLog) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.text.Bytes())
}

// panRecorder keeps every answer that the server gives: headers and body.
type panRecorder struct{ panLog }

func (r *panRecorder) RoundTrip(asked *http.Request) (*http.Response, error) {
	got, err := http.DefaultTransport.RoundTrip(asked)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(got.Body)
	got.Body.Close()
	got.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(&r.text, "%s\n", got.Status)
	_ = got.Header.Write(&r.text) // a buffer takes everything
	r.text.Write(body)
	r.text.WriteByte('\n')
	return got, err
}

// panDatabase is all that the database holds: the bytes of the SQLite file and of
// what lies beside it (write-ahead log, shared memory), so that what was deleted
// counts as well; every row of PostgreSQL.
func panDatabase(t *testing.T, d *db.DB, dsn string) (out []byte) {
	t.Helper()
	if d.Engine() == db.PostgreSQL {
		return panRows(t, d)
	}
	files, err := filepath.Glob(strings.TrimPrefix(dsn, "sqlite:") + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("files of the database: %v, %v", files, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, content...), 0)
	}
	return out
}

// panRows is each row of each table as text, and the bytes that stand in it as hex.
func panRows(t *testing.T, d *db.DB) (out []byte) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		tables, err := panTexts(tx, "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = 'public'")
		if err != nil {
			return err
		}
		for _, table := range tables {
			rows, err := panTexts(tx, `SELECT CAST(whole AS TEXT) FROM "`+table+`" AS whole`)
			if err != nil {
				return err
			}
			text := strings.Join(rows, "\n") + "\n"
			out = append(append(out, text...), decodedRuns([]byte(text), 0, 2, isHex, decodeHex)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func panTexts(tx *db.Tx, query string) (out []string, err error) {
	rows := tx.Query(query)
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

// panDay is a day with cards of which everything that can be read afterwards is kept.
type panDay struct {
	*counter
	t        *testing.T
	dsn      string
	log      *panLog
	answers  *panRecorder
	searcher *panSearcher
}

func newPANDay(t *testing.T, engine db.Engine) *panDay {
	t.Helper()
	log := &panLog{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d, dsn := dbtest.OpenWith(t, engine, db.Options{Logger: logger})
	day := &panDay{counter: newCounterLogging(t, d, logger), t: t, dsn: dsn, log: log, answers: &panRecorder{}}
	day.transport = day.answers
	secrets := []panSecret{{"security code", bareCVV}}
	for _, c := range card.Deck() {
		if slices.Contains([]string{"cb", "wallet", "foreign", "visa", "refused"}, c.Name) {
			secrets = append(secrets, panSecrets(c)...)
		}
	}
	day.searcher = newPANSearcher(secrets...)
	return day
}

// stream reads every event from the first to the last one there is.
func (day *panDay) stream() []byte {
	day.t.Helper()
	day.number()
	last := int64(0)
	for {
		page := day.boss.get(fmt.Sprint("/v1/events?after=", last)).want(http.StatusOK)
		if len(page.list("events")) == 0 {
			break
		}
		last = page.int("next")
	}
	follower := day.boss.follow(day.t, "", "/v1/events?after=0", nil)
	defer follower.stop()
	var out []byte
	for n := int64(0); n < last; {
		line, open := <-follower.lines
		if !open {
			day.t.Fatalf("the stream ended at %d of %d", n, last)
		}
		out = append(out, line+"\n"...)
		if _, err := fmt.Sscanf(line, "id: %d", &n); err == nil && n == last {
			out = append(out, follower.next("data: ")...)
		}
	}
	return out
}

// clean wants no secret in any place, and a trace of the day in each: a place that
// is empty or the wrong one would be clean as well.
func (day *panDay) clean(when string) {
	day.t.Helper()
	day.readAll()
	masked := "497010******0055"
	for _, place := range []struct {
		name, trace string
		content     []byte
	}{
		{"database", masked, panDatabase(day.t, day.db, day.dsn)},
		{"stream", "payment.succeeded", day.stream()},
		{"log", "route=/v1/payments/pay_", day.log.bytes()},
		{"answers", masked, day.answers.bytes()},
	} {
		if !bytes.Contains(place.content, []byte(place.trace)) {
			day.t.Errorf("%s: %s: %d bytes without a trace of the day", when, place.name, len(place.content))
		}
		for _, found := range day.searcher.find(place.content) {
			day.t.Errorf("%s: %s: %s", when, place.name, found)
		}
	}
}

// readAll reads all that can be read of cards and tickets.
func (day *panDay) readAll() {
	day.t.Helper()
	for _, path := range []string{"/v1/doubts", "/v1/audit", "/v1/merchant", "/v1/sessions", "/v1/registers/" + day.register + "/x"} {
		day.boss.get(path).want(http.StatusOK)
	}
	for list, below := range map[string]string{
		"payments": "", "sales": "", "terminals": "", "contracts": "", "batches": "/lines", "journal/chains": "/records",
	} {
		_, name, nested := strings.Cut(list, "/")
		if !nested {
			name = list
		}
		for _, entry := range day.boss.get("/v1/" + list).want(http.StatusOK).list(name) {
			one := "/v1/" + list + "/" + entry.(object)["id"].(string)
			if !nested {
				day.boss.get(one).want(http.StatusOK)
			}
			if below != "" {
				day.boss.get(one + below).want(http.StatusOK)
			}
		}
	}
}

// pays takes a card and wants how it ends, and how its holder was verified.
func (day *panDay) pays(hand emulator.Hand, state, verified string) string {
	day.t.Helper()
	sale := day.openBasket(object{"article_id": day.wine})
	day.reader.Next(hand)
	day.counter.card(sale, 28_90)
	paid := day.settled(sale).text("tenders.0.payment_id")
	p := day.boss.get("/v1/payments/" + paid).want(http.StatusOK)
	if p.text("state") != state || verified != "" && p.text("card.verified") != verified {
		day.t.Fatalf("%s: %s", hand.Card, p.body)
	}
	day.removeCard()
	return paid
}

// givesBack voids or refunds with the card that paid.
func (day *panDay) givesBack(paid, kind string) {
	day.t.Helper()
	day.reader.Next(emulator.Hand{Card: "cb"})
	asked := day.reverse(paid, kind, object{"kind": kind, "reason": "Article rendu", "code": bossCode}).want(http.StatusAccepted)
	day.reversed(asked.text("id"))
	day.boss.get("/v1/reversals/" + asked.text("id")).want(http.StatusOK)
	day.removeCard()
}

// misuses puts card data where it does not belong; every answer is a problem, and
// is searched with the others.
func (day *panDay) misuses() {
	day.t.Helper()
	cb := card.Deck()[0]
	track := cb.Number + "D" + cb.Expiry + cb.Service + serviceZeros
	block := emv.PINBlock(cb.PIN, cb.Number)
	sale := day.openBasket(object{"article_id": day.bread})
	tender := "/v1/sales/" + sale + "/tenders/" + fresh[id.Tender](day.world)
	fits := func(field string, value any) object {
		body := object{"means": "card", "amount": eur(1_25), "terminal_id": day.terminal}
		body[field] = value
		return body
	}
	for _, asked := range []struct {
		method, path string
		body         any
	}{
		{"PUT", tender, fits("terminal_id", cb.Number)},
		{"PUT", tender, fits("means", track)},
		{"PUT", tender, fits("amount", object{"amount": cb.Number, "currency": cb.Number})},
		{"PUT", tender, fits("amount", cb.Number)},
		{"PUT", tender, fits("cvv", bareCVV)},
		{"PUT", tender, fits("pin_block", block)},
		{"PUT", tender, fits(track, "1")},
		{"PUT", tender, `{"reference":"` + track + `"`},
		{"PUT", tender, `{"reference":` + track + `}`},
		{"PUT", tender, track},
		{"PUT", "/v1/sales/" + sale + "/tenders/" + cb.Number, fits("reference", "7")},
		{"GET", "/v1/payments/" + cb.Number, nil},
		{"GET", "/v1/payments?state=" + cb.Number, nil},
		{"GET", "/v1/payments?" + track + "=" + bareCVV, nil},
		{"GET", "/v1/barcodes/" + cb.Number, nil},
		{"GET", "/" + track, nil},
		{"POST", "/v1/sessions", object{"email": cb.Number + "@fournil.example", "code": cb.Number}},
		{"POST", "/v1/sessions", object{"email": "boss@" + day.domain, "code": block[:6], "cvv": bareCVV}},
	} {
		if got := day.boss.call(asked.method, asked.path, asked.body); got.status < 400 {
			day.t.Errorf("%s is answered %d", got.asked, got.status)
		}
	}
	caller := http.Client{Transport: day.answers} // a reader's door is no operation of the document
	for _, body := range []object{{"code": cb.Number, "serial": "1", "model": "T"}, {"code": "ABCDEFGH", "serial": cb.Number, "model": track}} {
		got, err := caller.Post(day.server.URL+"/v1/terminals/pair", "application/json", strings.NewReader(jsonOf(day.t, body)))
		day.must(err)
		if got.Body.Close(); got.StatusCode < 400 {
			day.t.Errorf("a reader paired with a card number: %d", got.StatusCode)
		}
	}
	header := http.Header{"Idempotency-Key": {cb.Number}, "Accept-Language": {track}, "Content-Type": {track}, "X-Request-Id": {cb.Number}}
	if got := day.boss.send(http.MethodPost, "/v1/payments/"+fresh[id.Payment](day.world)+"/reversals", []byte(`{"reason":"`+track+`"}`), header); got.status < 400 {
		day.t.Errorf("%s is answered %d", got.asked, got.status)
	}
	day.boss.call(http.MethodPost, "/v1/sales/"+sale+"/abandon", object{}).want(http.StatusOK)
}

// settles closes the open batches and has them sent, until the host has
// acknowledged all and nothing of a card is kept.
func (day *panDay) settles() {
	day.t.Helper()
	for _, b := range day.boss.get("/v1/batches").want(http.StatusOK).list("batches") {
		if b.(object)["state"] == "open" {
			day.boss.call(http.MethodPost, "/v1/batches/"+b.(object)["id"].(string)+"/close", nil).want(http.StatusOK)
		}
	}
	day.until("no envelope is left", func() bool {
		_, err := day.jobs.RunDue(day.t.Context())
		day.must(err)
		lines, operations := day.envelopes()
		return lines == 0 && operations == 0
	})
	for _, b := range day.boss.get("/v1/batches").want(http.StatusOK).list("batches") {
		if b.(object)["state"] != "acknowledged" {
			day.t.Errorf("batch: %v", b)
		}
	}
}

// envelopes counts the rows that keep a card's: clearing lines, and operations.
func (day *panDay) envelopes() (lines, operations int64) {
	day.t.Helper()
	day.must(day.db.Read(day.t.Context(), func(tx *db.Tx) error {
		if err := tx.QueryRow("SELECT COUNT(*) FROM batch_line WHERE LENGTH(clearing) > 0").Scan(&lines); err != nil {
			return err
		}
		return tx.QueryRow("SELECT COUNT(*) FROM payment_operation WHERE LENGTH(card) > 0").Scan(&operations)
	}))
	return lines, operations
}

// TestPAN_IsFoundNowhereAfterACardDay: numbers, tracks, PIN blocks and security codes
// stand in no database, log, answer or stream, neither while the batch is open nor
// after it was acknowledged; then no envelope of a card is left either.
func TestPAN_IsFoundNowhereAfterACardDay(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			day := newPANDay(t, engine)
			refunded := day.pays(emulator.Hand{Card: "cb"}, "succeeded", "offline_pin")
			voided := day.pays(emulator.Hand{Card: "cb"}, "succeeded", "offline_pin")
			day.pays(emulator.Hand{Card: "cb", Gesture: emulator.Tap}, "succeeded", "none")
			day.pays(emulator.Hand{Card: "wallet", Gesture: emulator.Tap}, "succeeded", "device")
			day.pays(emulator.Hand{Card: "foreign", Gesture: emulator.Swipe}, "succeeded", "signature")
			day.pays(emulator.Hand{Card: "visa"}, "succeeded", "online_pin")
			day.pays(emulator.Hand{Card: "refused"}, "failed", "")
			day.pays(emulator.Hand{Card: "cb", Pull: emulator.PointAnswered}, "failed", "") // is reversed
			day.givesBack(voided, "void")
			day.misuses()
			if lines, _ := day.envelopes(); lines == 0 {
				t.Error("no envelope is kept while the batch is open: what is erased, then?")
			}
			day.clean("batch open")
			day.settles()
			day.clean("batch acknowledged")
			day.givesBack(refunded, "refund")
			day.settles()
			day.clean("refund acknowledged")
			day.verified()
		})
	}
}
