package simulator

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"encaisse/base/i18n"
	"encaisse/base/money"
)

//go:embed page.html
var pageTemplate string

// maxShown is how many messages the page shows.
const maxShown = 25

// button is a scenario that one press plays.
type button struct {
	Name string // of its words in the catalogue
	Step Step
}

// authorisations and so on are what the buttons of the page are for: what a
// shop meets at the counter, and what a network does.
const (
	authorisations = "01"
	lateMS         = 65_000 // over the 60 s of a reader
)

func buttons() []button {
	onAuthorisation := func(name string, s Step) button {
		s.Match.MTI = authorisations
		if s.Do == "" {
			s.Do = DoAnswer
		}
		return button{name, s}
	}
	return []button{
		onAuthorisation("refused", Step{Code: codeRefused}),
		onAuthorisation("funds", Step{Code: codeFunds}),
		onAuthorisation("expired", Step{Code: codeExpired}),
		onAuthorisation("stolen", Step{Code: codeStolen}),
		onAuthorisation("pin", Step{Code: codePIN}),
		onAuthorisation("referral", Step{Code: codeReferral}),
		onAuthorisation("insert", Step{Code: codeInsertFrance}),
		onAuthorisation("silent", Step{Do: DoSilent}),
		onAuthorisation("lost", Step{Do: DoLost}),
		onAuthorisation("late", Step{DelayMS: lateMS}),
		onAuthorisation("twice", Step{Do: DoTwice}),
		onAuthorisation("close_before", Step{Do: DoCloseBefore}),
		onAuthorisation("close_after", Step{Do: DoCloseAfter}),
		onAuthorisation("garbage", Step{Do: DoGarbage}),
		onAuthorisation("slow", Step{Do: DoSlow}),
		{"refuse_batch", Step{Do: DoRefuseBatch, Code: codeMalfunction}},
		{"off_balance", Step{Do: DoOffBalance}},
	}
}

// JSON is the body that the button posts.
func (b button) JSON() (string, error) {
	text, err := json.Marshal(Scenario{Steps: []Step{b.Step}})
	return string(text), err
}

// view is what the page shows.
type view struct {
	Lang     i18n.Language
	Other    i18n.Language
	Status   Status
	Buttons  []button
	Waiting  []Step
	Accounts []Account
	States   []AccountState
	Batches  []Batch
	Log      []LogEntry
}

func (s *Simulator) page(w http.ResponseWriter, r *http.Request) {
	lang := i18n.Match(r.Header.Get("Accept-Language"))
	if asked := i18n.Language(r.URL.Query().Get("lang")); slices.Contains(i18n.Languages(), asked) {
		lang = asked
	}
	v := view{
		Lang: lang, Other: i18n.English, Status: s.Status(), Buttons: buttons(), Waiting: s.Waiting(), Accounts: s.Accounts(),
		States:  []AccountState{Active, Refused, Restricted, Referral, Lost, Stolen, Expired},
		Batches: s.Batches(), Log: s.Log(maxShown, false),
	}
	if lang == i18n.English {
		v.Other = i18n.French
	}
	slices.Reverse(v.Batches)
	v.Batches = v.Batches[:min(len(v.Batches), maxShown)]
	out, err := s.render(v)
	if err != nil {
		s.frame.WriteProblem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(out) // the reader is gone: nobody to tell
}

func (s *Simulator) render(v view) ([]byte, error) {
	say := func(key string) string { return s.catalogue.Text(v.Lang, "simulator."+key, nil) }
	t, err := template.New("page").Funcs(template.FuncMap{
		"say": say,
		// said is for words that only some values have: a behaviour, a state.
		"said": func(group string, value any) string {
			name := fmt.Sprint(value)
			if key := "simulator." + group + "." + name; s.catalogue.Has(key) {
				return s.catalogue.Text(v.Lang, key, nil)
			}
			if group == "code" {
				return "" // the code stands beside it
			}
			return name
		},
		"money": func(minor int64, c money.Currency) string {
			return money.Amount{Minor: minor, Currency: c}.Format(string(v.Lang))
		},
		"wait":  spoken,
		"minus": func(a, b int64) int64 { return a - b },
		"clock": func(t time.Time) string { return t.Format("15:04:05.000") },
	}).Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, v)
	return out.Bytes(), err
}

// spoken is a delay as a person says it.
func spoken(ms int64) string {
	if ms%1000 == 0 {
		return digits(ms/1000) + "\u00a0s"
	}
	return digits(ms) + "\u00a0ms"
}
