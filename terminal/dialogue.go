package terminal

import (
	"context"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// Open begins a dialogue in the caller's transaction; [Hub.Send] lets the
// reader know after the commit. The row keeps a second dialogue of the terminal
// out until [Hub.Close]. The same attempt again is the same dialogue. Problems
// terminal.not_found, terminal.deactivated, terminal.not_paired, and
// terminal.busy with the attempt it is busy with.
func (h *Hub) Open(tx *db.Tx, d Dialogue) error {
	number, err := drawNumbers(tx, d.Merchant, d.Terminal, 1)
	if none(err) {
		if _, err := In(tx, d.Merchant, d.Terminal); err != nil {
			return err
		}
		return deactivated()
	}
	if err != nil {
		return err
	}
	opened, err := insertDialogue(tx, d, serviceID(number))
	if err != nil || opened {
		return err
	}
	return keptOut(tx, d)
}

// keptOut says why a dialogue could not be opened; nil: it is open already.
func keptOut(tx *db.Tx, d Dialogue) error {
	if _, err := liveDevice(tx, d.Merchant, d.Terminal); none(err) {
		return problem.New(problem.Conflict, "terminal.not_paired")
	} else if err != nil {
		return err
	}
	with, err := openAttempt(tx, d.Merchant, d.Terminal)
	switch {
	case none(err): // the attempt is that of a dialogue that is closed
		return problem.New(problem.Conflict, "terminal.dialogue_closed")
	case err != nil:
		return err
	case with != d.Attempt:
		return problem.New(problem.Conflict, "terminal.busy", "attempt", string(with))
	}
	return nil
}

// Close ends a dialogue in the caller's transaction: the terminal is free for
// the next one. Closing it again changes nothing.
func (h *Hub) Close(tx *db.Tx, m id.Merchant, attempt id.Attempt) error {
	closeDialogue(tx, m, attempt, h.clock.Now())
	return nil
}

// Send hands a dialogue to its reader. A problem means that it was certainly
// not handed over: terminal.dialogue_not_found, terminal.dialogue_closed,
// terminal.deactivated, terminal.other_device, terminal.offline,
// terminal.asleep, or the database's. Any other error means that nobody knows,
// [ErrUnknown] among them: ask. A reader that has another dialogue of its own
// says so as its final word (CauseBusy).
func (h *Hub) Send(ctx context.Context, m id.Merchant, attempt id.Attempt) error {
	d, err := h.dialogue(ctx, m, attempt)
	if err != nil {
		return err
	}
	if !d.open {
		return problem.New(problem.Conflict, "terminal.dialogue_closed")
	}
	return h.toReader(ctx, d, Message{Service: d.service, Kind: d.Kind, Perform: &d.Dialogue})
}

// Abort asks the reader to end a dialogue. The answer is its final word: it may
// have been approved meanwhile. Errors are those of Send.
func (h *Hub) Abort(ctx context.Context, m id.Merchant, attempt id.Attempt) error {
	d, err := h.dialogue(ctx, m, attempt)
	if err != nil {
		return err
	}
	return h.toReader(ctx, d, Message{Abort: &Reference{Service: d.service, Kind: d.Kind}})
}

func (h *Hub) toReader(ctx context.Context, d held, m Message) error {
	_, err := h.hand(ctx, From{d.Merchant, d.Terminal}, d.presence, d.nodeSeen, m, 0)
	return err
}

// Ask asks the reader what became of a dialogue. The final word comes with
// StatusConcluded. An error means that there is no answer now: terminal.offline,
// terminal.asleep, terminal.no_answer, [ErrUnknown]; and for ever where the
// reader was replaced, terminal.other_device, since the new one knows nothing.
func (h *Hub) Ask(ctx context.Context, m id.Merchant, attempt id.Attempt) (Status, *Conclusion, error) {
	d, err := h.dialogue(ctx, m, attempt)
	if err != nil {
		return "", nil, err
	}
	of := Reference{Service: d.service, Kind: d.Kind}
	got, err := h.hand(ctx, From{d.Merchant, d.Terminal}, d.presence, d.nodeSeen, Message{Ask: &of}, answerWithin)
	if err != nil {
		return "", nil, err
	}
	if got.Told == nil || got.Told.Of.Service != "" && got.Told.Of.Service != d.service ||
		got.Told.Status == StatusConcluded && (got.Told.Conclusion == nil || got.Told.Conclusion.Attempt != attempt) {
		return "", nil, problem.New(problem.Unavailable, "terminal.no_answer")
	}
	if got.Told.Status != StatusConcluded {
		return got.Told.Status, nil, nil
	}
	c := withoutEnvelopes(*got.Told.Conclusion)
	c.Repeated = true
	return StatusConcluded, &c, nil
}

// dialogue reads a dialogue whose reader may still be spoken to.
func (h *Hub) dialogue(ctx context.Context, m id.Merchant, attempt id.Attempt) (d held, err error) {
	err = h.db.Read(ctx, func(tx *db.Tx) (err error) {
		d, err = readHeld(tx, m, attempt)
		return err
	})
	switch {
	case none(err):
		return d, problem.New(problem.NotFound, "terminal.dialogue_not_found")
	case err != nil:
		return d, err
	case d.deactivated:
		return d, deactivated()
	case d.now == nil || *d.now != d.on:
		return d, problem.New(problem.Conflict, "terminal.other_device")
	}
	return d, nil
}

// Print prints lines on a reader's roll. Problems terminal.not_found,
// terminal.deactivated, terminal.offline, terminal.asleep, terminal.no_answer,
// and terminal.not_printed with the state of the printer.
func (h *Hub) Print(ctx context.Context, m id.Merchant, terminal id.Terminal, lines []string) error {
	got, err := h.request(ctx, From{m, terminal}, Message{Print: &Page{lines}}, printWithin)
	switch {
	case err != nil:
		return err
	case got.Printed == nil:
		return problem.New(problem.Unavailable, "terminal.no_answer")
	case !got.Printed.Done:
		return problem.New(problem.Conflict, "terminal.not_printed", "printer", string(got.Printed.Printer))
	}
	return nil
}

// Diagnose asks a reader how it is, and wakes it where it sleeps on its link.
// Problems as Print's.
func (h *Hub) Diagnose(ctx context.Context, m id.Merchant, terminal id.Terminal) (Health, error) {
	got, err := h.request(ctx, From{m, terminal}, Message{Diagnose: &Diagnosis{}}, answerWithin)
	if err != nil {
		return Health{}, err
	}
	if got.Health == nil {
		return Health{}, problem.New(problem.Unavailable, "terminal.no_answer")
	}
	return *got.Health, nil
}

// request is for what is no dialogue.
func (h *Hub) request(ctx context.Context, f From, m Message, await time.Duration) (Message, error) {
	var found []presented
	err := h.db.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = readTerminals(tx, f.Merchant, f.Terminal)
		return err
	})
	if err != nil {
		return Message{}, err
	}
	if len(found) == 0 || f.Terminal == "" {
		return Message{}, notFound()
	}
	if found[0].State != Active {
		return Message{}, deactivated()
	}
	return h.hand(ctx, f, found[0].row, found[0].nodeSeen, m, await)
}

// hand gives a message to the reader wherever it is connected.
func (h *Hub) hand(ctx context.Context, f From, p presenceRow, nodeSeen *time.Time, m Message, await time.Duration) (Message, error) {
	state := h.effective(p, nodeSeen)
	switch {
	case p.node == h.node:
		if l := h.current(f, p.connection); l != nil {
			return l.hand(ctx, m, await)
		}
	case p.node != "" && state != Offline:
		return h.handElsewhere(ctx, f, p.node, m, await)
	}
	if state == Asleep {
		return Message{}, asleepProblem()
	}
	return Message{}, offline()
}
