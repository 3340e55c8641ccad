package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// Limits of the control.
const (
	maxActionBody = 4 << 10
	maxArgument   = 64
	maxPace       = 10 * time.Second
	maxFault      = 10 * time.Minute

	controlSale = "control" // the till that a person in front of the page is
)

// arguments are what an action is told, from a form or a JSON object alike.
type arguments map[string]string

// action is something a person can do to the reader.
type action struct {
	name string
	args []string
	do   func(ctx context.Context, e *Emulator, a arguments) error
}

// actions are all of them: POST /v1/actions/{action}.
func actions() []action {
	gesture := func(g Gesture) func(context.Context, *Emulator, arguments) error {
		return func(_ context.Context, e *Emulator, a arguments) error { return e.Present(a["card"], g) }
	}
	plainly := func(f func(e *Emulator)) func(context.Context, *Emulator, arguments) error {
		return func(_ context.Context, e *Emulator, _ arguments) error { f(e); return nil }
	}
	switched := func(f func(e *Emulator, on bool)) func(context.Context, *Emulator, arguments) error {
		return func(_ context.Context, e *Emulator, a arguments) error {
			on, err := a.flag("on")
			if err == nil {
				f(e, on)
			}
			return err
		}
	}
	return []action{
		{"insert", []string{"card"}, gesture(Insert)},
		{"tap", []string{"card"}, gesture(Tap)},
		{"swipe", []string{"card"}, gesture(Swipe)},
		{"remove", nil, plainly((*Emulator).Remove)},
		{"key", []string{"key"}, func(_ context.Context, e *Emulator, a arguments) error { return e.Press(Key(a["key"])) }},
		{"network", []string{"network"}, func(_ context.Context, e *Emulator, a arguments) error { return e.SetNetwork(Network(a["network"])) }},
		{"battery", []string{"percent", "charging"}, setBattery},
		{"optimised", []string{"on"}, switched((*Emulator).SetOptimised)},
		{"sleep", nil, plainly((*Emulator).Sleep)},
		{"wake", nil, plainly((*Emulator).Wake)},
		{"restart", nil, plainly((*Emulator).Restart)},
		{"menu", []string{"on"}, switched((*Emulator).SetMenu)},
		{"paper", []string{"loaded", "cover_open"}, setPaper},
		{"wide", []string{"on"}, switched((*Emulator).SetColumns)},
		{"drawer", []string{"on"}, switched((*Emulator).SetDrawer)},
		{"duplicate", nil, plainly(func(e *Emulator) { e.Duplicate() })},
		{"unblock", nil, plainly(func(e *Emulator) { e.rack.Reset() })},
		{"scenario", []string{"scenario"}, func(_ context.Context, e *Emulator, a arguments) error { return e.Play(a["scenario"]) }},
		{"random", nil, plainly(func(e *Emulator) { e.PlayAny() })},
		{"pace", []string{"pace_ms"}, setPace},
		{"fault", []string{"at", "do", "for_ms"}, planFault},
		{"customer", []string{"card", "gesture"}, setCustomer},
		{"pay", []string{"amount"}, pay},
		{"pair", []string{"code"}, func(ctx context.Context, e *Emulator, a arguments) error { return e.Pair(ctx, a["code"]) }},
	}
}

func wrongArgument(name string) error {
	return problem.New(problem.Invalid, "emulator.argument", "argument", name).At(name)
}

func (a arguments) flag(name string) (bool, error) {
	switch a[name] {
	case "true", "on":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, wrongArgument(name)
}

func (a arguments) millis(name string, most time.Duration) (time.Duration, error) {
	if a[name] == "" {
		return 0, nil
	}
	ms, err := strconv.ParseInt(a[name], 10, 32)
	if d := time.Duration(ms) * time.Millisecond; err == nil && d >= 0 && d <= most {
		return d, nil
	}
	return 0, wrongArgument(name)
}

func setBattery(_ context.Context, e *Emulator, a arguments) error {
	charging, err := a.flag("charging")
	if err != nil {
		return err
	}
	percent, err := strconv.ParseInt(a["percent"], 10, 16)
	if err != nil {
		return wrongArgument("percent")
	}
	return e.SetBattery(percent, charging)
}

func setPaper(_ context.Context, e *Emulator, a arguments) error {
	loaded, err := a.flag("loaded")
	if err != nil {
		return err
	}
	open, err := a.flag("cover_open")
	if err == nil {
		e.SetPaper(loaded, open)
	}
	return err
}

func setPace(_ context.Context, e *Emulator, a arguments) error {
	pace, err := a.millis("pace_ms", maxPace)
	if err == nil {
		e.SetPace(pace)
	}
	return err
}

func planFault(_ context.Context, e *Emulator, a arguments) error {
	f := Fault{At: Point(a["at"]), Do: Action(a["do"])}
	if !slices.Contains(Points(), f.At) {
		return wrongArgument("at")
	}
	if !slices.Contains(Actions(), f.Do) {
		return wrongArgument("do")
	}
	var err error
	if f.For, err = a.millis("for_ms", maxFault); err == nil {
		e.Plan(f)
	}
	return err
}

// pay begins a payment without a till, on a reader that stands alone: the amount
// is in major units, as a person types it.
func pay(_ context.Context, e *Emulator, a arguments) error {
	p, known := e.Parameters()
	if e.authoriser == nil || !known {
		return problem.New(problem.Conflict, "emulator.needs_till")
	}
	amount, err := money.ParseDecimal(a["amount"], p.Currency)
	if err != nil || amount.Minor <= 0 {
		return wrongArgument("amount")
	}
	now := e.clock.Now()
	attempt := id.New[id.Attempt](now)
	_, err = e.perform(order{
		key:   memoryKey{Sale: controlSale, Service: string(attempt)},
		task:  terminal.Dialogue{Attempt: attempt, Kind: terminal.Payment, Amount: amount, At: now, PrintSlip: true},
		judge: e.authoriser,
	})
	return err
}

// setCustomer has somebody with a card at hand in every payment, or nobody.
func setCustomer(_ context.Context, e *Emulator, a arguments) error {
	if a["card"] == "" {
		e.Hand(nil)
		return nil
	}
	if e.rack.find(a["card"]) == nil {
		return problem.New(problem.NotFound, "emulator.no_card").At("card")
	}
	e.mu.Lock()
	h := Hand{Card: a["card"], Gesture: Gesture(a["gesture"]), Pace: e.pace}
	e.mu.Unlock()
	if h.Gesture != "" && h.Gesture != Insert && h.Gesture != Tap && h.Gesture != Swipe {
		return problem.New(problem.Invalid, "emulator.gesture").At("gesture")
	}
	e.Hand(&h)
	return nil
}

// readArguments takes a form or a JSON object of texts, numbers and booleans.
// Arguments that the action does not have are refused.
func readArguments(r *http.Request, known []string) (arguments, error) {
	out := arguments{}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/x-www-form-urlencoded" {
		if err := r.ParseForm(); err != nil {
			return nil, problem.New(problem.Malformed, "emulator.body").Because(err)
		}
		for name, values := range r.PostForm {
			out[name] = values[0]
		}
		return out, out.check(known)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxActionBody+1))
	if err != nil || len(body) > maxActionBody {
		return nil, problem.New(problem.Malformed, "emulator.body").Because(err)
	}
	if len(body) == 0 {
		return out, nil
	}
	from := json.NewDecoder(bytes.NewReader(body))
	from.UseNumber()
	var object map[string]any
	if err := from.Decode(&object); err != nil || from.More() {
		return nil, problem.New(problem.Malformed, "emulator.body") // the error of encoding/json may quote what it read
	}
	for name, value := range object {
		switch v := value.(type) {
		case string:
			out[name] = v
		case bool:
			out[name] = strconv.FormatBool(v)
		case json.Number:
			out[name] = v.String()
		default:
			return nil, wrongArgument(name)
		}
	}
	return out, out.check(known)
}

func (a arguments) check(known []string) error {
	for name, value := range a {
		if !slices.Contains(known, name) || len(value) > maxArgument {
			return problem.New(problem.Invalid, "emulator.argument_unknown")
		}
	}
	return nil
}
