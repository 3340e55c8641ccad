package emulator

import (
	"strconv"

	"encaisse/base/problem"
)

// Present is a card presented to the reader. Problems: emulator.no_card for a
// name that is not in the rack, emulator.gesture, emulator.card_inside where
// another card is in the reader.
func (e *Emulator) Present(name string, g Gesture) error {
	p := e.rack.find(name)
	if p == nil {
		return problem.New(problem.NotFound, "emulator.no_card").At("card")
	}
	if g != Insert && g != Tap && g != Swipe {
		return problem.New(problem.Invalid, "emulator.gesture").At("gesture")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.slot.card != nil {
		return problem.New(problem.Conflict, "emulator.card_inside")
	}
	if g == Insert && p.device {
		return problem.New(problem.Invalid, "emulator.gesture").At("gesture") // a phone does not fit
	}
	if g == Insert {
		e.slot = slot{card: p}
	}
	if e.current != nil {
		e.current.events.push(input{what: inCard, plastic: p, gesture: g})
	}
	e.touchLocked()
	e.notify()
	return nil
}

// Remove takes the card out of the reader; nothing happens where there is none.
func (e *Emulator) Remove() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.slot.card == nil {
		return
	}
	e.slot = slot{}
	if e.current != nil {
		e.current.events.push(input{what: inRemoved})
	}
	if last := e.result; last != nil {
		e.result = nil
		e.showFor(*last)
	}
	e.touchLocked()
	e.notify()
}

// Press is a key. Problem emulator.key for one the reader has not.
func (e *Emulator) Press(k Key) error {
	if !k.known() {
		return problem.New(problem.Invalid, "emulator.key").At("key")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.device.on {
		return nil
	}
	e.wake()
	if e.current != nil {
		e.current.events.push(input{what: inKey, key: k})
	}
	if e.menu && k == KeyCancel {
		e.menu = false
	}
	e.touchLocked()
	e.notify()
	return nil
}

// Hand has somebody act in every dialogue from now on; a nil hand has nobody.
func (e *Emulator) Hand(h *Hand) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.always = h != nil
	if h != nil {
		e.standing = *h
	}
}

// Next has somebody act in the dialogue that waits for a card, or else in the
// next one, and in that alone.
func (e *Emulator) Next(h Hand) {
	e.mu.Lock()
	d, s := e.current, e.screen
	waits := d != nil && s.Show == ShowInsert
	if waits {
		d.hand.Store(&h)
	} else {
		e.next = &h
	}
	e.notify()
	e.mu.Unlock()
	if waits {
		e.handActs(d, s)
	}
}

// handActs does what the hand of a dialogue does when it sees a screen.
func (e *Emulator) handActs(d *dialogue, s Screen) {
	h := d.hand.Load()
	if h == nil {
		return
	}
	e.mu.Lock()
	typed := e.typed
	if s.Show == ShowCode || s.Show == ShowWrongCode {
		e.typed++
	}
	e.mu.Unlock()
	acts := h.acts(s, e.rack.find(h.Card), typed)
	if len(acts) == 0 || !e.patient(acts) {
		return
	}
	do := func() {
		for _, a := range acts {
			e.do(d, a)
		}
	}
	if h.Pace <= 0 {
		do()
		return
	}
	e.clock.AfterFunc(h.Pace, do)
}

// maxPresented is how often a hand presents its card in one dialogue: one that
// cannot be read in its way would otherwise go on for ever.
const maxPresented = 8

// patient tells whether the hand tries once more.
func (e *Emulator) patient(acts []act) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if acts[len(acts)-1].card != "" {
		e.presented++
	}
	return e.presented <= maxPresented
}

// do is one act of a hand, while its dialogue lasts.
func (e *Emulator) do(d *dialogue, a act) {
	e.mu.Lock()
	over := e.current != d
	e.mu.Unlock()
	switch {
	case over:
	case a.remove:
		e.Remove()
	case a.key != "":
		_ = e.Press(a.key) // a hand presses keys that are there
	default:
		_ = e.Present(a.card, a.gesture) // a card of the rack; another one inside is the person's own fault
	}
}

// setScreen shows what a dialogue says, while it lasts.
func (e *Emulator) setScreen(d *dialogue, s Screen) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != d {
		return
	}
	stopTimer(e.clearing)
	e.screen = s
	e.notify()
}

// slotResult is what will be shown when the card is out. The caller holds the lock.
func (e *Emulator) slotResult(s Screen) { e.result = &s }

// showFor shows a result for some seconds. The caller holds the lock.
func (e *Emulator) showFor(s Screen) {
	stopTimer(e.clearing)
	e.screen = s
	e.clearing = e.clock.AfterFunc(showResult, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.current == nil && e.slot.card == nil {
			e.screen = Screen{}
			e.notify()
		}
	})
}

// Screen is what the holder sees.
func (e *Emulator) Screen() Screen {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.screenLocked()
}

// screenLocked fills an empty screen with what an idle reader shows.
func (e *Emulator) screenLocked() Screen {
	switch {
	case !e.device.on:
		return Screen{Show: ShowOff}
	case e.current == nil && e.device.asleep:
		return Screen{Show: ShowAsleep}
	case e.screen.Show != "":
		return e.screen
	case e.menu:
		return Screen{Show: ShowBusy}
	case e.slot.card != nil && e.slot.used:
		return Screen{Show: ShowRemove}
	case e.memory.identity.Hub != "" && e.memory.identity.Credential == "":
		return Screen{Show: ShowUnpaired}
	case e.memory.identity.Hub != "" && !e.link.up():
		return Screen{Show: ShowOffline}
	}
	return Screen{Show: ShowReady}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
