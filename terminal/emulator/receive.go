package emulator

import (
	"encaisse/base/problem"
	"encaisse/terminal"
)

// receive does what the hub says.
func (e *Emulator) receive(m terminal.Message) {
	switch {
	case m.Greet != nil:
		e.greeted(m)
	case m.Configure != nil:
		e.configure(*m.Configure)
	case m.Perform != nil:
		e.performFor(m)
	case m.Abort != nil:
		e.abort(memoryKey{Service: m.Abort.Service})
	case m.Ask != nil:
		e.toldFor(m)
	case m.Print != nil:
		p := e.print(m.Print.Lines)
		e.reply(m, terminal.Message{Printed: &p})
	case m.Diagnose != nil:
		e.Wake()
		e.mu.Lock()
		h := e.health()
		e.mu.Unlock()
		e.reply(m, terminal.Message{Health: &h})
	case m.Answered != nil:
		e.answered(*m.Answered)
	case m.Taken != nil:
		e.taken(*m.Taken)
	case m.Refused != nil:
		e.refusedByHub(m)
	}
}

// reply answers a request under its own number.
func (e *Emulator) reply(to, m terminal.Message) {
	m.Service, m.Serial = to.Service, to.Serial
	_ = e.link.send(m) // a link that is gone: the hub asks again
}

// tell says something that has no answer.
func (e *Emulator) tell(m terminal.Message) {
	e.mu.Lock()
	m.Serial = e.serialNumber()
	e.mu.Unlock()
	_ = e.link.send(m) // a link that is gone: nobody waits for it
}

// greeted says who the reader is, then all that nobody has acknowledged.
func (e *Emulator) greeted(m terminal.Message) {
	e.mu.Lock()
	h := e.health()
	e.mu.Unlock()
	e.reply(m, terminal.Message{Greeted: &terminal.Greeted{Model: e.model, Serial: e.serial, Software: Software, Health: h}})
	e.link.greet()
	e.sayUntold()
	e.requestAgain()
}

func (e *Emulator) performFor(m terminal.Message) {
	key := memoryKey{Service: m.Service}
	b, err := e.perform(order{key: key, task: *m.Perform})
	switch {
	case b.word != nil:
		e.say(key, m.Perform.Kind, *b.word)
	case err == nil:
	case problem.Is(err, "emulator.busy"):
		e.say(key, m.Perform.Kind, terminal.Conclusion{
			Attempt: m.Perform.Attempt, Cause: terminal.CauseBusy, Amount: m.Perform.Amount, At: e.clock.Now(), BusyWith: b.busy.Service,
		})
	default:
		e.say(key, m.Perform.Kind, terminal.Conclusion{
			Attempt: m.Perform.Attempt, Cause: terminal.CauseDevice, Amount: m.Perform.Amount, At: e.clock.Now(),
		})
	}
}

// say tells a final word under the number of the request it answers.
func (e *Emulator) say(key memoryKey, kind terminal.Kind, c terminal.Conclusion) {
	_ = e.link.send(terminal.Message{Service: key.Service, Kind: kind, Concluded: &c}) // said again until it is taken
}

// sayUntold says every final word that nobody acknowledged.
func (e *Emulator) sayUntold() {
	e.mu.Lock()
	untold := e.memory.untold()
	e.mu.Unlock()
	for _, d := range untold {
		e.say(d.Key, d.Task.Kind, *d.Conclusion)
	}
}

// repeatWords says them again and again.
func (e *Emulator) repeatWords() {
	for e.ctx.Err() == nil {
		over := make(chan struct{})
		timer := e.clock.AfterFunc(sayAgain, func() { close(over) })
		select {
		case <-e.ctx.Done():
			timer.Stop()
			return
		case <-over:
		}
		if e.link.up() {
			e.sayUntold()
			e.requestAgain()
		}
	}
}

func (e *Emulator) toldFor(m terminal.Message) {
	status, known := e.status(memoryKey{Service: m.Ask.Service})
	told := terminal.Message{Kind: m.Ask.Kind, Told: &terminal.Told{Status: status}}
	if status == terminal.StatusConcluded {
		c := *known.Conclusion
		c.Repeated = true
		told.Told.Conclusion, told.Kind = &c, known.Task.Kind
	}
	e.reply(m, told)
}

// request asks the hub for an authorisation; it is asked again on every new
// connection and after some time, until it is answered.
func (e *Emulator) request(d *dialogue, r terminal.Request) {
	m := terminal.Message{Authorise: &r}
	e.mu.Lock()
	if e.current == d {
		e.pending = &m
	}
	e.mu.Unlock()
	_ = e.link.send(m)
}

func (e *Emulator) requestAgain() {
	e.mu.Lock()
	m := e.pending
	e.mu.Unlock()
	if m != nil {
		_ = e.link.send(*m)
	}
}

// answered hands an answer to the dialogue that waits for it; another is late,
// and nobody's.
func (e *Emulator) answered(a terminal.Answered) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil || e.current.task.Attempt != a.Attempt {
		return
	}
	if e.pending != nil && e.pending.Authorise.Exchange == a.Exchange {
		e.pending = nil
	}
	e.current.events.push(input{what: inAnswer, exchange: a.Exchange, answer: a.Answer})
}

// taken notes that a final word is in safe hands.
func (e *Emulator) taken(t terminal.Taken) {
	e.mu.Lock()
	known := e.memory.attemptKnown(t.Attempt)
	if known == nil || known.Conclusion == nil || known.Told {
		e.mu.Unlock()
		return
	}
	e.acknowledge(known)
	e.mu.Unlock()
	e.strike(nil, PointEnded)
}

// acknowledge keeps that a final word need not be said again. The caller holds
// the lock.
func (e *Emulator) acknowledge(known *remembered) {
	kept := *known
	kept.Told = true
	if err := e.memory.keep(line{Dialogue: &kept}); err != nil {
		e.log.Error("acknowledgement not kept", "error", err)
	}
	e.notify()
}

// refusedByHub ends what the hub will not hear again: a final word it rejects is
// kept but not repeated, a request it rejects counts as unanswerable.
func (e *Emulator) refusedByHub(m terminal.Message) {
	e.log.Warn("the hub refused a message", "condition", string(m.Refused.Condition), "code", m.Refused.Code, "field", m.Refused.Field)
	if m.Refused.Condition == terminal.ConditionBusy {
		return // again, later
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if known := e.memory.dialogues[memoryKey{Service: m.Service}]; known != nil && known.Conclusion != nil && !known.Told {
		e.acknowledge(known)
		return
	}
	if p := e.pending; p != nil && e.current != nil && (m.Service == "" || m.Service == "0") {
		e.pending = nil
		e.current.events.push(input{
			what: inAnswer, exchange: p.Authorise.Exchange, answer: terminal.Answer{Code: arcUnableOnline, Cause: terminal.CauseHost},
		})
	}
}

// linkChanged shows whether there is a link.
func (e *Emulator) linkChanged() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notify()
}
