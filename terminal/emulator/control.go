package emulator

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"encaisse/base/i18n"
	"encaisse/base/problem"
	"encaisse/base/web"
)

const (
	heartbeat   = 15 * time.Second
	eventStream = "text/event-stream"
)

//go:embed page.html page.css page.js
var assets embed.FS

// fragments are the parts of the page that change by themselves, by the id of
// the element that holds each.
var fragments = []string{"status", "screen", "slot", "prepared", "paper", "device", "recent"}

// Control is the reader's control: its page and its JSON, at one address.
type Control struct {
	reader    *Emulator
	catalogue *i18n.Catalogue
	frame     *web.Frame
	pages     map[i18n.Language]*template.Template
	actions   []action
	scenarios []Scenario
	streams   chan struct{}
}

// maxStreams is how many pages may be open at once.
const maxStreams = 32

// NewControl makes the control of a reader.
func NewControl(e *Emulator, catalogue *i18n.Catalogue) (*Control, error) {
	c := &Control{
		reader: e, catalogue: catalogue, actions: actions(), scenarios: Scenarios(), streams: make(chan struct{}, maxStreams),
		frame: web.New(web.Options{Catalogue: catalogue, Log: e.log, Clock: e.clock}),
	}
	c.pages = map[i18n.Language]*template.Template{}
	for _, lang := range i18n.Languages() {
		page, err := template.New("page.html").Funcs(c.words(lang)).ParseFS(assets, "page.html")
		if err != nil {
			return nil, err
		}
		c.pages[lang] = page
	}
	return c, nil
}

// Server is an http.Server with the limits of the house. The control has no
// password: it belongs on an address that only its user reaches.
func (c *Control) Server() *http.Server { return c.frame.Server(c.Handler()) }

// Handler answers the page and the JSON.
func (c *Control) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.show)
	mux.HandleFunc("GET /page.css", asset("page.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /page.js", asset("page.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, c.reader.State()) })
	mux.HandleFunc("GET /v1/cards", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, c.reader.Rack()) })
	mux.HandleFunc("GET /v1/scenarios", c.listScenarios)
	mux.HandleFunc("GET /v1/faults", c.listFaults)
	mux.HandleFunc("GET /v1/events", c.follow)
	mux.HandleFunc("POST /v1/actions/{action}", c.act)
	return c.frame.Wrap(c.own(mux))
}

// own refuses a name that somebody else's page has made point here (DNS
// rebinding): the control has no password.
func (c *Control) own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ownName(r.Host) {
			c.frame.WriteProblem(w, r, problem.New(problem.Forbidden, "emulator.host"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func asset(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		b, err := assets.ReadFile(name)
		if err != nil { // it is embedded
			panic(err)
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(b)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody to tell
}

// listScenarios answers keys and groups; a page has the sentences.
func (c *Control) listScenarios(w http.ResponseWriter, r *http.Request) {
	lang := c.language(r)
	type scenario struct {
		Key   string `json:"key"`
		Group string `json:"group"`
		Title string `json:"title"`
	}
	out := make([]scenario, len(c.scenarios))
	for i, s := range c.scenarios {
		out[i] = scenario{s.Key, s.Group, c.catalogue.Text(lang, "emulator.scenario."+s.Key, nil)}
	}
	writeJSON(w, out)
}

func (c *Control) listFaults(w http.ResponseWriter, _ *http.Request) {
	type fault struct {
		At    Point  `json:"at"`
		Do    Action `json:"do"`
		Count int    `json:"count,omitempty"`
	}
	out := struct {
		Planned []fault `json:"planned"`
		Struck  []fault `json:"struck"`
	}{[]fault{}, []fault{}}
	for _, f := range c.reader.Planned() {
		out.Planned = append(out.Planned, fault{f.At, f.Do, 0})
	}
	for f, n := range c.reader.Struck() {
		out.Struck = append(out.Struck, fault{f.At, f.Do, n})
	}
	writeJSON(w, out)
}

// act does one action. A form without script is sent back to the page.
func (c *Control) act(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(c.actions, func(a action) bool { return a.name == r.PathValue("action") })
	if i < 0 {
		c.frame.WriteProblem(w, r, problem.New(problem.NotFound, "emulator.no_action"))
		return
	}
	args, err := readArguments(r, c.actions[i].args)
	if err == nil {
		err = c.actions[i].do(r.Context(), c.reader, args)
	}
	switch {
	case err != nil:
		c.frame.WriteProblem(w, r, err)
	case r.Header.Get("Sec-Fetch-Mode") == "navigate":
		http.Redirect(w, r, "/", http.StatusSeeOther)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// follow streams the state and the parts of the page that changed.
func (c *Control) follow(w http.ResponseWriter, r *http.Request) {
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		c.frame.WriteProblem(w, r, problem.New(problem.TooMany, "emulator.streams", "most", maxStreams))
		return
	}
	if err := web.KeepOpen(w); err != nil {
		c.frame.WriteProblem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", eventStream)
	w.WriteHeader(http.StatusOK)
	lang, last := c.language(r), map[string]string{}
	for {
		changed := c.reader.Changed()
		if err := c.sendChanges(w, lang, last); err != nil {
			return
		}
		beat := make(chan struct{})
		timer := c.reader.clock.AfterFunc(heartbeat, func() { close(beat) })
		select {
		case <-r.Context().Done():
		case <-c.reader.ctx.Done():
		case <-changed:
		case <-beat:
			fmt.Fprint(w, ": beat\n\n")
		}
		timer.Stop()
		if r.Context().Err() != nil || c.reader.ctx.Err() != nil {
			return
		}
	}
}

// sendChanges sends the fragments that are not as last says, then flushes.
func (c *Control) sendChanges(w http.ResponseWriter, lang i18n.Language, last map[string]string) error {
	v := c.view(lang)
	parts := map[string]string{}
	for _, name := range fragments {
		html, err := c.render(lang, name, v)
		if err != nil {
			return err
		}
		if last[name] != html {
			parts[name], last[name] = html, html
		}
	}
	if len(parts) > 0 {
		b, err := json.Marshal(struct {
			State State             `json:"state"`
			HTML  map[string]string `json:"html"`
		}{v.State, parts})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "event: state\ndata: %s\n\n", b); err != nil {
			return err
		}
	}
	return http.NewResponseController(w).Flush()
}

// show is the page.
func (c *Control) show(w http.ResponseWriter, r *http.Request) {
	html, err := c.render(c.language(r), "page.html", c.view(c.language(r)))
	if err != nil {
		c.frame.WriteProblem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(html))
}

// render executes one template in a language.
func (c *Control) render(lang i18n.Language, name string, v view) (string, error) {
	var out bytes.Buffer
	err := c.pages[lang].ExecuteTemplate(&out, name, v)
	return out.String(), err
}
