package emulator

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/money"
	"encaisse/terminal"
)

const (
	// onlineWait is how long a reader waits for an answer before it ends the
	// payment itself, refused (Z3). It lies inside the 60 s.
	onlineWait = 35 * time.Second
	// defaultBudget is the time a payment has where nobody says otherwise (SRC-031).
	defaultBudget = 60 * time.Second
)

// dialogue is one payment, void or refund on this reader. Its goroutine owns the
// fields; others only push into its queue.
type dialogue struct {
	reader *Emulator
	place  memoryKey // in the memory
	task   terminal.Dialogue
	with   terminal.Parameters
	number int64
	judge  Authoriser           // who authorises; nil: the hub
	hand   atomic.Pointer[Hand] // who acts; somebody may come while it is under way
	began  time.Time
	events *queue

	plastic     *plastic
	entry       card.Entry
	cardIn      bool // a card is being worked on: the till cannot cancel any more
	contactOnly bool
	wantsChoice bool
	chosen      application

	chipFailures int
	codeTries    int
	wrong        bool // the last code, as the issuer judged
	exchanges    int
	tx           *transaction
	answer       *terminal.Answer
	signed       bool
}

// run lives the dialogue and leaves its final word. A reader switched off leaves
// none: what it will say is decided when it starts again.
func (d *dialogue) run() {
	expiry := d.reader.clock.AfterFunc(d.budget(), func() { d.events.push(input{what: inExpired}) })
	defer expiry.Stop()
	err := d.steps()
	if errors.Is(err, errDead) {
		return
	}
	c := d.conclusion(err)
	d.reader.conclude(d, c)
}

func (d *dialogue) budget() time.Duration {
	switch {
	case d.task.Budget > 0:
		return d.task.Budget
	case d.with.BudgetSeconds > 0:
		return time.Duration(d.with.BudgetSeconds) * time.Second
	}
	return defaultBudget
}

// await is the next input of one of the kinds wanted. Those that end a dialogue
// are taken whatever is wanted; the others, unwanted, are lost, as a key pressed
// at the wrong moment is.
func (d *dialogue) await(wanted ...inputKind) (input, error) {
	mask := inputKind(0)
	for _, k := range wanted {
		mask |= k
	}
	for {
		in := d.events.pop()
		switch in.what {
		case inDead:
			return in, errDead
		case inExpired:
			if !d.hand.Load().overruns() {
				return in, ends(terminal.CauseExpired)
			}
		case inAbort:
			if !d.cardIn { // with a card in, the till is told the real outcome
				return in, ends(terminal.CauseAborted)
			}
		case inRemoved:
			if d.cardIn && d.entry == card.Chip {
				return in, ends(terminal.CauseCardRemoved)
			}
		case inKey:
			switch {
			case in.key == KeyApplication && mask&inKey == 0:
				d.wantsChoice = true
			case in.key == KeyCancel && !d.cardIn:
				return in, ends(terminal.CauseCancelled)
			}
		}
		if in.what&mask != 0 {
			return in, nil
		}
	}
}

// reach marks a point of the dialogue: hands act there and faults strike.
func (d *dialogue) reach(p Point) error {
	if d.hand.Load().pulls(p) {
		d.reader.Remove()
	}
	if d.reader.strike(d, p) {
		return errDead
	}
	if d.events.has(inDead) {
		return errDead
	}
	if d.cardIn && d.entry == card.Chip && d.events.take(inRemoved) {
		return ends(terminal.CauseCardRemoved)
	}
	return nil
}

// hold keeps an answer back for as long as the hand says: a reader on a slow day.
func (d *dialogue) hold() error {
	at := d.hand.Load().answersAt()
	wait := at - d.reader.clock.Now().Sub(d.began)
	if at == 0 || wait <= 0 {
		return nil
	}
	timer := d.reader.clock.AfterFunc(wait, func() { d.events.push(input{what: inHeld}) })
	defer timer.Stop()
	_, err := d.await(inHeld)
	return err
}

// ask hands a request to whoever authorises, again where no answer comes, and
// gives up after onlineWait. The timer it returns stops both.
func (d *dialogue) ask(r terminal.Request) clock.Timer {
	if d.judge != nil {
		go func() {
			a, err := d.judge.Authorise(d.reader.ctx, r)
			if err != nil {
				a = terminal.Answer{Code: arcUnableOnline, Cause: terminal.CauseHost}
			}
			d.events.push(input{what: inAnswer, exchange: r.Exchange, answer: a})
		}()
	} else {
		d.reader.request(d, r)
	}
	return d.reader.clock.AfterFunc(onlineWait, func() { d.events.push(input{what: inUnanswered}) })
}

// transaction begins one pass of the kernel.
func (d *dialogue) transaction(app application) *transaction {
	return &transaction{
		with: d.with, plastic: d.plastic, entry: d.entry, app: app, kind: d.task.Kind, amount: d.task.Amount,
		at: d.reader.localNow(d.with), number: d.number, serial: d.reader.serial, chance: d.reader.chance(),
	}
}

func (d *dialogue) holderChooses() bool {
	return d.wantsChoice || d.hand.Load().chooses() && d.chosen == (application{})
}

// progress tells the hub what the reader is doing.
func (d *dialogue) progress(stage terminal.Stage) {
	if d.judge == nil {
		d.reader.tell(terminal.Message{Progress: &terminal.Progress{Attempt: d.task.Attempt, Stage: stage}})
	}
}

// prompt shows something and lets the hand do what a person would. Digits typed
// before it are nobody's answer to it.
func (d *dialogue) prompt(s Screen) {
	d.events.forgetDigits()
	d.show(s)
	d.reader.handActs(d, d.filled(s))
}

func (d *dialogue) show(s Screen) { d.reader.setScreen(d, d.filled(s)) }

func (d *dialogue) filled(s Screen) Screen {
	s.Kind, s.Amount = d.task.Kind, &money.Amount{Minor: d.task.Amount.Minor, Currency: d.task.Amount.Currency}
	return s
}

// conclusion is the final word.
func (d *dialogue) conclusion(err error) terminal.Conclusion {
	c := terminal.Conclusion{
		Attempt: d.task.Attempt, Success: err == nil, Cause: causeOf(err), Amount: d.task.Amount,
		Transaction: fmt.Sprintf("%06d", d.number), At: d.reader.localNow(d.with), Signed: d.signed,
	}
	if d.answer != nil && d.answer.Approved {
		c.Approval = d.answer.Approval
	}
	t := d.tx
	if t == nil {
		return c
	}
	if shown, err := t.shown(); err == nil {
		c.Card = &shown
	}
	if c.Code = t.arc; c.Code == "" && d.answer != nil {
		c.Code = d.answer.Code
	}
	c.Chip = t.section()
	return c
}

// causeOf sorts what is no ending of a dialogue under a reader out of order.
func causeOf(err error) terminal.Cause {
	var e *ending
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.cause
	}
	return terminal.CauseDevice
}
