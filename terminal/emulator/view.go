package emulator

import (
	"html/template"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"encaisse/base/card"
	"encaisse/base/i18n"
	"encaisse/base/money"
)

// view is what the page is made from.
type view struct {
	State
	Lang      i18n.Language
	Holder    i18n.Language // of the reader's own screen
	Cards     []RackCard
	Groups    []scenarioGroup
	Zone      *time.Location
	CardLabel string // of the card in the reader
	Faults    int    // planned
	Alone     bool   // no till: the page begins payments itself
	Keys      []Key
}

type scenarioGroup struct {
	Key       string
	Scenarios []Scenario
}

// keyPad is the order of the digits on the reader.
var keyPad = []Key{"1", "2", "3", "4", "5", "6", "7", "8", "9"}

func (c *Control) view(lang i18n.Language) view {
	v := view{
		State: c.reader.State(), Lang: lang, Holder: i18n.French, Cards: c.reader.Rack(), Zone: time.UTC,
		Faults: len(c.reader.Planned()), Keys: keyPad, Alone: c.reader.authoriser != nil,
	}
	if p, ok := c.reader.Parameters(); ok {
		if l := i18n.Language(p.Language); slices.Contains(i18n.Languages(), l) {
			v.Holder = l
		}
		if zone, err := time.LoadLocation(p.Zone); err == nil {
			v.Zone = zone
		}
	}
	for _, c := range v.Cards {
		if c.Name == v.Card {
			v.CardLabel = c.Label
		}
	}
	for _, s := range c.scenarios {
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Key != s.Group {
			v.Groups = append(v.Groups, scenarioGroup{Key: s.Group})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Scenarios = append(g.Scenarios, s)
	}
	return v
}

// Clock is a time of the day on the reader.
func (v view) Clock(t time.Time) string { return t.In(v.Zone).Format("15:04:05") }

// Last4 is the end of a masked number.
func (v view) Last4(masked string) string { return "…" + card.Last4(masked) }

// Outcome is how a screen's word ends a payment: good, bad, or empty.
func (v view) Outcome() string {
	switch v.Screen.Show {
	case ShowAccepted, ShowRefunded, ShowVoided:
		return "good"
	case ShowRefused, ShowAbandoned, ShowExpired, ShowTorn, ShowOtherCard, ShowInvalid, ShowNotAccepted, ShowBlocked, ShowNoLink, ShowBroken:
		return "bad"
	}
	return ""
}

// Dark tells whether the reader's screen is off.
func (v view) Dark() bool { return v.Screen.Show == ShowOff || v.Screen.Show == ShowAsleep }

// Stars is what is shown of a code.
func (v view) Stars() string { return strings.Repeat("*", v.Screen.Stars) }

// words are the functions of the page in a language.
func (c *Control) words(lang i18n.Language) template.FuncMap {
	return template.FuncMap{
		"t": func(key string, args ...any) string { return c.catalogue.Text(lang, "emulator."+key, named(args)) },
		// holder says a word of the reader's own screen, in its own language.
		"holder": func(v view, key string, args ...any) string {
			return c.catalogue.Text(v.Holder, "terminal.screen."+key, named(args))
		},
		"show":  func(s Show) string { return string(s) },
		"money": func(a money.Amount) string { return a.Format(string(lang)) },
		"holderMoney": func(v view, a *money.Amount) string {
			if a == nil {
				return ""
			}
			return a.Format(string(v.Holder))
		},
		"add": func(a, b int) int { return a + b },
	}
}

// named makes a map of name, value, name, value…
func named(args []any) map[string]any {
	out := make(map[string]any, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		if name, ok := args[i].(string); ok {
			out[name] = args[i+1]
		}
	}
	return out
}

// language is the page's: ?lang=en before what the browser prefers.
func (c *Control) language(r *http.Request) i18n.Language {
	if l := i18n.Language(r.URL.Query().Get("lang")); slices.Contains(i18n.Languages(), l) {
		return l
	}
	return i18n.Match(r.Header.Get("Accept-Language"))
}

// ownName tells whether a request names this machine by its address, or as localhost.
func ownName(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return name == "localhost" || net.ParseIP(strings.Trim(name, "[]")) != nil
}
