package emulator

import (
	"time"

	"encaisse/base/problem"
	"encaisse/terminal"
)

// order is a request to begin a dialogue, from the hub or a local till.
type order struct {
	key   memoryKey
	task  terminal.Dialogue
	judge Authoriser // nil: the hub
}

// begun is what became of an order.
type begun struct {
	dialogue *dialogue            // it is under way, with the same order before or now
	word     *terminal.Conclusion // it was concluded before: the same word again
	busy     memoryKey            // another one is under way
}

// perform begins a dialogue. The same request again is the same dialogue, and so
// is the same attempt under another number. Problems: emulator.busy,
// emulator.unable where it has no parameters or cannot remember.
func (e *Emulator) perform(o order) (begun, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.memory.dialogues[o.key]
	if known == nil {
		known = e.memory.attemptKnown(o.task.Attempt)
	}
	switch {
	case known != nil && known.Conclusion != nil:
		return begun{word: known.Conclusion}, nil
	case known != nil && e.current != nil && e.current.place == known.Key:
		return begun{dialogue: e.current}, nil
	case known != nil:
		return begun{}, problem.New(problem.Unavailable, "emulator.unable") // begun before a restart that is not over
	case e.current != nil:
		return begun{busy: e.current.place}, problem.New(problem.Conflict, "emulator.busy")
	case e.menu:
		return begun{}, problem.New(problem.Conflict, "emulator.busy")
	case e.memory.parameters == nil || !e.device.on || e.closed:
		return begun{}, problem.New(problem.Unavailable, "emulator.unable")
	}
	d := &dialogue{
		reader: e, place: o.key, task: o.task, with: *e.memory.parameters, number: e.memory.next(), judge: o.judge,
		began: e.clock.Now(), events: newQueue(),
	}
	kept := &remembered{Key: o.key, Task: o.task, Number: d.number, Began: d.began}
	if len(e.memory.order) >= maxEntries {
		e.memory.prune(d.began)
	}
	if err := e.memory.keep(line{Number: d.number, Dialogue: kept}); err != nil {
		e.log.Error("dialogue not kept", "error", err)
		return begun{}, problem.New(problem.Unavailable, "emulator.unable")
	}
	if h := e.takeHand(); h != nil {
		d.hand.Store(h)
	}
	e.wake()
	e.current, e.typed, e.presented, e.result = d, 0, 0, nil
	stopTimer(e.clearing)
	if e.slot.card != nil && !e.slot.used {
		d.events.push(input{what: inCard, plastic: e.slot.card, gesture: Insert}) // it was put in before the amount
	}
	e.work.Go(d.run)
	return begun{dialogue: d}, nil
}

// takeHand is whoever acts in the next dialogue. The caller holds the lock.
func (e *Emulator) takeHand() *Hand {
	if h := e.next; h != nil {
		e.next = nil
		return h
	}
	if e.always {
		h := e.standing
		return &h
	}
	return nil
}

// keepApproval remembers a yes before anything is made of it.
func (d *dialogue) keepApproval(a terminal.Answer) error {
	e := d.reader
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != d {
		return errDead
	}
	kept := *e.memory.dialogues[d.place]
	kept.Approval = &approval{Code: a.Code, Approval: a.Approval}
	defer e.notify()
	return e.memory.keep(line{Dialogue: &kept})
}

// conclude remembers the end of a dialogue, then tells it.
func (e *Emulator) conclude(d *dialogue, c terminal.Conclusion) {
	c.Printed = e.printSlips(d, &c)
	if !e.settle(d, c) {
		return
	}
	if d.reach(PointDecided) != nil {
		return
	}
	if d.judge == nil {
		e.say(d.place, d.task.Kind, c)
	}
	d.reach(PointTold)
}

// settle puts the end into the memory and frees the reader. It tells whether
// the reader was still on.
func (e *Emulator) settle(d *dialogue, c terminal.Conclusion) bool {
	inside := c.Success && e.cardIn()
	if inside { // the holder is asked for the card before the till learns of the success (UPM-020)
		d.progress(terminal.StageRemoveCard)
		d.show(Screen{Show: ShowRemove})
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != d {
		return false
	}
	kept := *e.memory.dialogues[d.place]
	kept.Conclusion, kept.Told = &c, d.judge != nil
	if err := e.memory.keep(line{Dialogue: &kept, Chips: e.rack.states()}); err != nil {
		e.log.Error("final word not kept", "error", err)
	}
	e.current, e.pending, e.scenario = nil, nil, ""
	e.slot.used = e.slot.card != nil
	e.after(lastScreen(d.task.Kind, c), d.hand.Load())
	return true
}

// slotUsed tells whether the card of an earlier dialogue is still in the reader.
func (e *Emulator) slotUsed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.slot.card != nil && e.slot.used
}

func (e *Emulator) cardIn() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.slot.card != nil
}

// after shows how a dialogue ended: at once, or when the card is out. The caller
// holds the lock.
func (e *Emulator) after(last Screen, h *Hand) {
	if e.slot.card != nil {
		e.screen = Screen{Show: ShowRemove, Kind: last.Kind, Amount: last.Amount}
		e.slotResult(last)
		if h != nil {
			e.later(h.Pace, e.Remove)
		}
	} else {
		e.showFor(last)
	}
	e.notify()
	e.touchLocked()
}

// recover ends what a reader that was switched off had not finished: failed, and
// where the issuer had said yes, saying so, that it be reversed.
func (e *Emulator) recover() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.boot()
}

// boot is recover for whoever holds the lock. Whatever was under way is over.
func (e *Emulator) boot() {
	if e.current != nil {
		e.current.events.push(input{what: inDead})
	}
	e.current, e.pending, e.menu, e.result = nil, nil, false, nil
	e.device.asleep = false
	for _, unfinished := range e.memory.unfinished() {
		kept := *unfinished
		c := terminal.Conclusion{
			Attempt: kept.Task.Attempt, Cause: terminal.CauseDevice, Amount: kept.Task.Amount,
			Transaction: padded(itoa(kept.Number), 6), At: e.clock.Now(),
		}
		if kept.Approval != nil {
			c.Approval, c.Code = kept.Approval.Approval, kept.Approval.Code
		}
		kept.Conclusion, kept.Told = &c, kept.Key.Sale != ""
		if err := e.memory.keep(line{Dialogue: &kept}); err != nil {
			e.log.Error("final word not kept", "error", err)
		}
	}
	e.screen = Screen{}
	e.notify()
}

// abort is the till's wish to end a dialogue. Nothing answers it but the real
// outcome.
func (e *Emulator) abort(key memoryKey) (found bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil || e.current.place != key {
		return e.memory.dialogues[key] != nil
	}
	e.current.events.push(input{what: inAbort})
	return true
}

// status is what the reader knows of a dialogue.
func (e *Emulator) status(key memoryKey) (terminal.Status, *remembered) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.memory.dialogues[key]
	switch {
	case known == nil:
		return terminal.StatusNotFound, nil
	case known.Conclusion == nil:
		return terminal.StatusInProgress, known
	}
	copied := *known
	return terminal.StatusConcluded, &copied
}

// Restart switches the reader off and on.
func (e *Emulator) Restart() {
	e.recover()
	e.link.cut()
	e.touch()
}

// later calls f after a pace, at once where there is none.
func (e *Emulator) later(pace time.Duration, f func()) {
	if pace <= 0 {
		go f()
		return
	}
	e.clock.AfterFunc(pace, f)
}
