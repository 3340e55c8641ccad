package simulator_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"encaisse/acquirer/simulator"
	"encaisse/base/card"
	"encaisse/base/emv"
)

func TestControlShowsWhatHappened(t *testing.T) {
	b := open(t, simulator.Options{Seed: 3})
	l := b.dial()
	for i := range 3 {
		l.ask(pay(i, "visa", 1000).Message)
	}
	l.ask(pay(1, "visa", 1000).reversal(50).Message)
	l.ask(pay(9, "stolen", 1000).Message)

	var status simulator.Status
	b.must("GET", "/state", nil, &status)
	if status.Listen != b.address || status.Links != 1 || status.Received != 5 || status.Answered != 5 || status.Seed != 3 ||
		status.Approvals[simulator.Approved] != 2 || status.Approvals[simulator.Reversed] != 1 || status.Now != "2026-11-22T12:00:00.000Z" {
		t.Errorf("%+v", status)
	}
	list := func(query string) (out []simulator.Approval) {
		b.must("GET", "/approvals"+query, nil, &out)
		return out
	}
	all := list("")
	if len(all) != 3 || all[0].Operation != "op_000000" || all[0].Masked != "411111******1111" || all[0].At.IsZero() {
		t.Errorf("%+v", all)
	}
	for query, want := range map[string]int{
		"?state=reversed": 1, "?operation=op_000002": 1, "?terminal=00000099": 0, "?limit=2": 2, "?after=" + all[0].RRN: 2, "?state=cleared": 0,
	} {
		if got := len(list(query)); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	var log []simulator.LogEntry
	b.must("GET", "/log?limit=2&fields=1", nil, &log)
	if len(log) != 2 || log[0].Code != "43" || log[0].Account != "stolen" || log[0].Why == "" || log[0].Amount.Minor != 1000 ||
		!strings.Contains(log[0].Request, "authorisation request") || !strings.Contains(log[1].Answer, "reversal advice response") {
		t.Errorf("%+v", log)
	}
	for path, want := range map[string]int{"/log?limit=0": 422, "/approvals?limit=x": 422, "/accounts/nobody": 404, "/nothing": 404} {
		if got, text := b.http("GET", path, nil); got != want {
			t.Errorf("%s: %d %s", path, got, text)
		}
	}
}

// TestControlShowsNoCardData plants track, code and number, finds them on the
// wire, and then nowhere the control shows anything.
func TestControlShowsNoCardData(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	p := pay(1, "visa", 1000).code("visa", "1234")
	block := p.Bytes(52)
	chip := pay(2, "cb", 1000).chipped("cb", "051", 1, offlinePIN, emv.Object{Tag: emv.TagTrack2, Value: emv.BCD(deck("cb").Number+"3512", 10)})
	planted := []string{deck("visa").Number, deck("cb").Number, "=35122010000", strings.ToUpper(hex.EncodeToString(block)), string(block)}
	var wire bytes.Buffer
	for _, m := range []payment{p, chip, p.reversal(50)} {
		packed, err := l.spec.Pack(m.Message)
		if err != nil {
			t.Fatal(err)
		}
		wire.Write(packed)
		l.ask(m.Message)
	}
	wire.Write(block)
	for _, secret := range planted {
		if !strings.Contains(wire.String(), secret) {
			t.Fatalf("%q was not planted", secret)
		}
	}
	// A frame that is no message, with a number in it.
	l.sendRaw(t, []byte("9999"+deck("visa").Number))
	until(t, "the frame is noted", func() bool { return b.Log(1, false)[0].MTI == "" })
	for _, path := range []string{"/", "/state", "/approvals", "/batches", "/accounts", "/accounts/visa", "/contracts", "/scenario", "/log?limit=100&fields=1"} {
		status, text := b.http("GET", path, nil)
		if status != 200 {
			t.Errorf("%s: %d", path, status)
		}
		for _, secret := range planted {
			if strings.Contains(strings.ToUpper(string(text)), strings.ToUpper(secret)) {
				t.Errorf("%s shows %q", path, secret)
			}
		}
	}
}

func TestAccountsAreChanged(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	l.ask(pay(1, "visa", 1000).Message)
	fresh := map[string]any{
		"number": "4242424242424242", "tokens": []string{"5555555555554444"}, "expiry": "3001", "schemes": []string{"visa"}, "balance_minor": 500,
	}
	if status, text := b.http("PUT", "/accounts/new", fresh); status != 409 || !strings.Contains(string(text), "simulator.number_taken") {
		t.Errorf("a number of another account: %d %s", status, text)
	}
	delete(fresh, "tokens")
	status, text := b.http("PUT", "/accounts/new", fresh)
	var made simulator.Account
	if err := json.Unmarshal(text, &made); err != nil || status != 201 || made.State != simulator.Active || made.Number != "424242******4242" {
		t.Errorf("%d %s", status, text)
	}
	p := pay(2, "visa", 501).without(35).with(2, "4242424242424242").with(14, "3001")
	if got := l.code(p.Message); got != "51" {
		t.Errorf("%s", got)
	}
	b.must("PUT", "/accounts/new", `{"balance_minor": 501}`, nil)
	if got := l.code(p.with(11, "000003").Message); got != "00" {
		t.Errorf("%s", got)
	}
	b.must("PUT", "/accounts/new", `{"number": "4000056655665556", "used": {"held_minor": 0, "owed_minor": 99}}`, nil)
	if u := b.account("new").Used; u.Held != 501 || u.Owed != 0 {
		t.Errorf("what is reserved is the host's to know: %+v", u)
	}
	if got := l.code(p.with(11, "000004").Message); got != "14" {
		t.Errorf("its old number: %s", got)
	}
	for body, want := range map[string]string{
		`{"number": "4970109999999999"}`:   "simulator.number", // wrong check digit
		`{"number": "4532015112830366"}`:   "simulator.number", // right, and might be somebody's
		`{"name": "other"}`:                "simulator.field",
		`{"state": "asleep"}`:              "simulator.field",
		`{"expiry": "3513"}`:               "simulator.field",
		`{"pin": "12"}`:                    "simulator.field",
		`{"schemes": []}`:                  "simulator.field",
		`{"schemes": ["diners"]}`:          "simulator.field",
		`{"currency": "ABC"}`:              "simulator.field",
		`{"balance_minor": 1e30}`:          "simulator.json",
		`{"balance_minor": 9999999999999}`: "simulator.field",
		`{"used": {"pin_tries": 9}}`:       "simulator.field",
		`{"par": "short"}`:                 "simulator.field",
		`{"balance": 1}`:                   "simulator.json",
		``:                                 "simulator.json",
	} {
		if status, text := b.http("PUT", "/accounts/visa", body); status < 400 || !strings.Contains(string(text), `"`+want+`"`) || strings.Contains(string(text), "4532015112830366") {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	if status, _ := b.http("PUT", "/accounts/Not%20a%20name", fresh); status != 422 {
		t.Errorf("%d", status)
	}
}

func TestContractsAreChanged(t *testing.T) {
	b := open(t, simulator.Options{})
	if status, text := b.http("PUT", "/contracts/77", `{"schemes": {"cb": ""}, "terminals": ["1"]}`); status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	b.must("PUT", "/contracts/77", `{"name": "Autre"}`, nil)
	for _, c := range b.Contracts() {
		if c.Acceptor == "77" && (c.Name != "Autre" || len(c.Schemes) != 1 || !slices.Equal(c.Terminals, []string{"1"})) {
			t.Errorf("%+v", c)
		}
	}
	for path, body := range map[string]string{
		"/contracts/1234567890123456": `{}`, "/contracts/78": `{"acceptor": "79"}`, "/contracts/77": `{"terminals": ["123456789"]}`,
		"/contracts/80": `{"currency": "BHD"}`, "/contracts/81": `{"schemes": {"cb": "<b>"}}`,
	} {
		if status, text := b.http("PUT", path, body); status != 422 {
			t.Errorf("%s %s: %d %s", path, body, status, text)
		}
	}
}

// TestControlIsForItsOwnPages: another site's page may not tell the bank anything.
func TestControlIsForItsOwnPages(t *testing.T) {
	b := open(t, simulator.Options{})
	for name, change := range map[string]func(*http.Request){
		"another site":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a form":            func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"nothing of a kind": func(r *http.Request) { r.Header.Del("Content-Type") },
	} {
		r, _ := http.NewRequest("POST", b.control.URL+"/scenario", strings.NewReader(`{"steps": [{"do": "lost"}]}`))
		r.Header.Set("Content-Type", "application/json")
		change(r)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode < 400 || len(b.Waiting()) != 0 {
			t.Errorf("%s: %d", name, answer.StatusCode)
		}
	}
}

func TestPage(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	answer := l.ask(pay(1, "visa", 123450).Message)
	l.ask(pay(1, "visa", 123450).detail(4, answer).Message)
	b.play(simulator.Step{Do: simulator.DoSilent, Match: simulator.Match{MTI: "01", Card: "cb"}})
	for lang, words := range map[string][]string{
		"fr": {`lang="fr"`, "Hôte acquéreur simulé", "Volée", "1\u202f234,50\u00a0€", "Sans réponse", "Provision insuffisante", "en cours d&#39;envoi", "acceptée"},
		"en": {`lang="en"`, "Simulated acquirer host", "Stolen", "€1,234.50", "No answer", "being sent", "approved"},
	} {
		_, text := b.http("GET", "/?lang="+lang, nil)
		for _, want := range append(words, "411111******1111", "0100") {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: %q is not on the page", lang, want)
			}
		}
		if strings.Contains(string(text), "simulator.") {
			t.Errorf("%s: a sentence is missing: %s", lang, text[strings.Index(string(text), "simulator."):][:40])
		}
	}
	r, _ := http.NewRequest("GET", b.control.URL+"/", nil)
	page, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'self'") {
		t.Errorf("%q", policy)
	}
	for _, path := range []string{"/page.css", "/page.js"} {
		if status, text := b.http("GET", path, nil); status != 200 || len(text) == 0 || bytes.Contains(text, []byte("http")) {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestButtons: each button of the page posts a scenario that is taken.
func TestButtons(t *testing.T) {
	b := open(t, simulator.Options{})
	_, text := b.http("GET", "/", nil)
	pressed := 0
	for _, part := range strings.Split(string(text), `data-post="`)[1:] {
		body := strings.ReplaceAll(part[:strings.IndexByte(part, '"')], "&#34;", `"`)
		if status, answer := b.http("POST", "/scenario", body); status != 200 {
			t.Errorf("%s: %d %s", body, status, answer)
		}
		pressed++
	}
	if pressed < 15 || len(b.Waiting()) != pressed {
		t.Errorf("%d buttons, %d steps", pressed, len(b.Waiting()))
	}
}

func TestDeckIsKnown(t *testing.T) {
	b := open(t, simulator.Options{})
	for _, c := range card.Deck() {
		name := c.Name
		if c.Of != "" {
			name = c.Of
		}
		if a := b.account(name); len(a.Schemes) == 0 || a.PIN != "" || strings.Contains(a.Number, c.Number) {
			t.Errorf("%+v", a)
		}
	}
}
