package emulator_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"encaisse/base/clock"
	"encaisse/base/i18n"
	"encaisse/terminal/emulator"
)

// control serves the control of a reader.
func control(t testing.TB, e *emulator.Emulator) (*emulator.Control, *httptest.Server) {
	t.Helper()
	catalogue, err := i18n.New()
	if err != nil {
		t.Fatal(err)
	}
	c, err := emulator.NewControl(e, catalogue)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { e.Close() }) // before the server: it waits for its streams
	return c, server
}

// do sends an action as JSON and returns the code of the problem it met.
func do(t testing.TB, base, name, body string) (status int, code string) {
	t.Helper()
	answer, err := http.Post(base+"/v1/actions/"+name, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var problem struct {
		Code   string
		Detail string
	}
	if answer.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(answer.Body).Decode(&problem); err != nil || problem.Detail == "" {
			t.Fatalf("%s: %d %v", name, answer.StatusCode, err)
		}
	}
	return answer.StatusCode, problem.Code
}

func get(t testing.TB, url string, into any) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", url, answer.StatusCode, err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return string(text)
}

// TestAPaymentThroughTheControl presses and inserts by JSON alone.
func TestAPaymentThroughTheControl(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	_, server := control(t, e)
	d := h.payment(12_50)
	h.perform(d)
	shows(t, e, emulator.ShowInsert)
	act := func(name, body string) {
		t.Helper()
		if status, code := do(t, server.URL, name, body); status != http.StatusNoContent {
			t.Errorf("%s %s: %d %s", name, body, status, code)
		}
	}
	act("insert", `{"card":"cb"}`)
	shows(t, e, emulator.ShowCode)
	for _, k := range []string{"9", "clear", "1", "2", "3", "4", "ok"} {
		act("key", `{"key":"`+k+`"}`)
	}
	if c := h.word(d.Attempt); !c.Success {
		t.Errorf("%+v", c)
	}
	shows(t, e, emulator.ShowRemove)
	var s emulator.State
	get(t, server.URL+"/v1/state", &s)
	if s.Card != "cb" || len(s.Recent) != 1 || !s.Recent[0].Success || s.Recent[0].Masked != "497010******0055" || s.Reader != "EMU1-1" {
		t.Errorf("%+v", s)
	}
	act("remove", "")
	act("paper", `{"loaded":false,"cover_open":false}`)
	act("battery", `{"percent":42,"charging":true}`)
	act("drawer", `{"on":true}`)
	act("wide", `{"on":true}`)
	act("optimised", `{"on":false}`)
	act("pace", `{"pace_ms":0}`)
	act("scenario", `{"scenario":"chip_code"}`)
	act("fault", `{"at":"decided","do":"drop_out","for_ms":"10"}`)
	get(t, server.URL+"/v1/state", &s)
	if s.Printer.State != "empty" || s.Device.Battery != 42 || !s.Device.Charging || !s.Printer.Drawer || s.Printer.Columns != 32 || s.Device.Optimised || s.Scenario != "chip_code" {
		t.Errorf("%+v", s)
	}
	if text := get(t, server.URL+"/v1/faults", nil); !strings.Contains(text, `{"at":"decided","do":"drop_out"}`) {
		t.Error(text)
	}
	act("customer", `{"card":"visa","gesture":"insert"}`)
	act("menu", `{"on":true}`)
	act("menu", `{"on":false}`)
	for _, name := range []string{"random", "unblock", "duplicate", "sleep", "wake", "restart"} {
		act(name, "")
	}
	act("customer", `{}`)
	act("network", `{"network":"cellular"}`)
}

// TestControlRefusals: each says which field, none repeats what was sent.
func TestControlRefusals(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	_, server := control(t, h.reader(emulator.Options{}))
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"explode", "", 404, "emulator.no_action"},
		{"insert", `{"card":"4111111111111111"}`, 404, "emulator.no_card"},
		{"insert", `{"card":"wallet"}`, 422, "emulator.gesture"},
		{"insert", `{"car":"cb"}`, 422, "emulator.argument_unknown"},
		{"insert", `{"card":["cb"]}`, 422, "emulator.argument"},
		{"insert", `{"card":"` + strings.Repeat("c", 100) + `"}`, 422, "emulator.argument_unknown"},
		{"insert", `{`, 400, "emulator.body"},
		{"insert", `{} {}`, 400, "emulator.body"},
		{"insert", strings.Repeat(" ", 5000), 400, "emulator.body"},
		{"key", `{"key":"*"}`, 422, "emulator.key"},
		{"network", `{"network":"5g"}`, 422, "emulator.network"},
		{"battery", `{"percent":101}`, 422, "emulator.battery"},
		{"battery", `{"percent":"full"}`, 422, "emulator.argument"},
		{"battery", `{"percent":5,"charging":"perhaps"}`, 422, "emulator.argument"},
		{"paper", `{"loaded":"x"}`, 422, "emulator.argument"},
		{"paper", `{"cover_open":"x"}`, 422, "emulator.argument"},
		{"menu", `{"on":"x"}`, 422, "emulator.argument"},
		{"pace", `{"pace_ms":-1}`, 422, "emulator.argument"},
		{"scenario", `{"scenario":"war"}`, 404, "emulator.no_scenario"},
		{"fault", `{"at":"moon","do":"restart"}`, 422, "emulator.argument"},
		{"fault", `{"at":"card","do":"explode"}`, 422, "emulator.argument"},
		{"fault", `{"at":"card","do":"delay_out","for_ms":"1e9"}`, 422, "emulator.argument"},
		{"customer", `{"card":"nobody"}`, 404, "emulator.no_card"},
		{"customer", `{"card":"cb","gesture":"lick"}`, 422, "emulator.gesture"},
		{"pair", `{"code":"000000"}`, 403, "emulator.pairing"},
		{"pay", `{"amount":"5"}`, 409, "emulator.needs_till"},
	} {
		status, code := do(t, server.URL, c.name, c.body)
		if status != c.status || code != c.code {
			t.Errorf("%s %.40s: %d %s, want %d %s", c.name, c.body, status, code, c.status, c.code)
		}
	}
	request, _ := http.NewRequest(http.MethodGet, server.URL+"/", nil)
	request.Host = "evil.example"
	if answer, err := http.DefaultClient.Do(request); err != nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("another's name for this address: %v %v", answer.StatusCode, err)
	}
	request, _ = http.NewRequest(http.MethodPost, server.URL+"/v1/actions/restart", nil)
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	if answer, err := http.DefaultClient.Do(request); err != nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("another site's button: %v %v", answer.StatusCode, err)
	}
}

// TestThePageWorksWithoutScript: every button is a form, and sends back to the page.
func TestThePageWorksWithoutScript(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	_, server := control(t, e)
	for lang, want := range map[string]string{"fr": "Cartes de test", "en": "Test cards"} {
		page := get(t, server.URL+"/?lang="+lang, nil)
		if !strings.Contains(page, want) || !strings.Contains(page, `<html lang="`+lang+`">`) || !strings.Contains(page, "PRET") {
			t.Errorf("%s: %.300s", lang, page)
		}
		if unsaid := regexp.MustCompile(`(emulator|terminal)\.[a-z_]+(\.[a-z_0-9]+)?[^a-z_./"]`).FindAllString(page, -1); len(unsaid) > 0 {
			t.Errorf("%s: words nobody wrote: %v", lang, unsaid)
		}
		if strings.Contains(page, "4970100000000055") {
			t.Error("a whole card number on the page")
		}
		for _, outside := range []string{`src="http`, `href="http`, "@import", "url(http"} {
			if strings.Contains(page, outside) {
				t.Errorf("something from elsewhere: %s", outside)
			}
		}
	}
	for _, asset := range []string{"/page.css", "/page.js"} {
		if text := get(t, server.URL+asset, nil); strings.Contains(text, "http") || len(text) < 500 {
			t.Errorf("%s", asset)
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, _ := http.NewRequest(http.MethodPost, server.URL+"/v1/actions/drawer", strings.NewReader(url.Values{"on": {"true"}}.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Mode", "navigate")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := client.Do(request)
	if err != nil || answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" || !e.State().Printer.Drawer {
		t.Errorf("%v %v", answer, err)
	}
}

// TestEveryWordIsWritten renders every screen, outcome and scenario in both languages.
func TestEveryWordIsWritten(t *testing.T) {
	catalogue, err := i18n.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range emulator.Scenarios() {
		for _, key := range []string{"emulator.scenario." + s.Key, "emulator.group." + s.Group} {
			if !catalogue.Has(key) {
				t.Errorf("%s has no words", key)
			}
		}
	}
	for _, key := range catalogue.Keys() {
		if word, ok := strings.CutPrefix(key, "terminal.screen."); ok && word != "left" && word != "tap" {
			if text := catalogue.Text(i18n.French, key, nil); text != strings.ToUpper(text) {
				t.Errorf("%s: %q: the reader's screen has capitals", key, text)
			}
		}
	}
	for key, want := range map[string]string{
		"insert": "INSERER CARTE", "wait": "PATIENTEZ", "remove": "RETIRER CARTE", "accepted": "PAIEMENT ACCEPTE", "refused": "PAIEMENT REFUSE", "abandoned": "ABANDON",
	} {
		if got := catalogue.Text(i18n.French, "terminal.screen."+key, nil); got != want {
			t.Errorf("%q, and screens.md §6.5 says %q", got, want)
		}
	}
}

// TestLiveUpdates: what changes comes by itself, and only what changed.
func TestLiveUpdates(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	_, server := control(t, e)
	answer, err := http.Get(server.URL + "/v1/events?lang=fr")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewReader(answer.Body)
	next := func() (parts []string, all string) {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				var event struct{ HTML map[string]string }
				if err := json.Unmarshal([]byte(data), &event); err != nil {
					t.Fatal(err)
				}
				for name, html := range event.HTML {
					parts, all = append(parts, name), all+html
				}
				slices.Sort(parts)
				return parts, all
			}
		}
	}
	if parts, _ := next(); len(parts) != 7 {
		t.Errorf("first come %v", parts)
	}
	e.SetDrawer(true)
	if parts, html := next(); !slices.Equal(parts, []string{"paper"}) || !strings.Contains(html, "Tiroir ouvert") {
		t.Errorf("%v %s", parts, html)
	}
}

// FuzzControl sends anything as an action.
func FuzzControl(f *testing.F) {
	e, err := emulator.New(emulator.Options{Clock: clock.NewManual(morning()), Seed: 1})
	if err != nil {
		f.Fatal(err)
	}
	c, _ := control(f, e)
	handler := c.Handler()
	for _, s := range [][2]string{
		{"insert", `{"card":"cb"}`},
		{"key", `{"key":"1"}`},
		{"battery", `{"percent":5,"charging":true}`},
		{"fault", `{"at":"card","do":"restart","for_ms":1}`},
		{"customer", "card=cb&gesture=tap"},
		{"pace", "pace_ms=0"},
		{"scenario", `{"scenario":"asleep"}`},
	} {
		f.Add(s[0], s[1], strings.HasPrefix(s[1], "{"))
	}
	f.Fuzz(func(t *testing.T, name, body string, isJSON bool) {
		r := httptest.NewRequest(http.MethodPost, "/v1/actions/"+url.PathEscape(name), strings.NewReader(body))
		r.Host = "127.0.0.1"
		kind := "application/x-www-form-urlencoded"
		if isJSON {
			kind = "application/json"
		}
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError && w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s %q: %d %s", name, body, w.Code, w.Body)
		}
		e.State()
	})
}
