package terminal

import (
	"context"
	"slices"

	"encaisse/base/card"
	"encaisse/base/problem"
)

// maxGreetings is how many messages a reader may send before it says who it is.
const maxGreetings = 16

// serve is the life of a link: who are you, parameters, then whatever comes
// until it ends.
func (h *Hub) serve(ctx context.Context, l *link) {
	ctx = context.WithoutCancel(ctx) // what a reader said is finished whatever becomes of its link
	h.mu.Lock()
	h.serving[l] = true
	stopping := h.stopping
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.serving, l)
		h.mu.Unlock()
		l.close(silence, "")
	}()
	if stopping {
		l.close(leaving, "the hub stops")
		return
	}
	h.running.Go(func() { l.heartbeat(ctx) })
	greeted, ok := l.greet(ctx)
	if !ok {
		return
	}
	if err := h.attach(ctx, l, greeted); err != nil {
		h.log.Warn("terminals: link refused", "terminal", l.Terminal, "error", err)
		l.close(policy, codeOf(err))
		return
	}
	h.log.Info("terminals: online", "merchant", l.Merchant, "terminal", l.Terminal, "reader", l.reader, "software", greeted.Software)
	handled := make(chan struct{})
	h.running.Go(func() {
		defer close(handled)
		for m := range l.work {
			l.handle(ctx, m)
		}
	})
	l.listen(ctx)
	l.close(silence, "")
	close(l.work)
	<-handled
	h.detach(ctx, l)
}

func codeOf(err error) string {
	if e := problem.As(err); e != nil {
		return e.Code
	}
	return "internal"
}

// greet asks the reader who it is and waits for the answer. The credential was
// given to one device: another one with it is refused.
func (l *link) greet(ctx context.Context) (Greeted, bool) {
	late := l.hub.clock.AfterFunc(greetWithin, func() { l.close(policy, "terminal.no_answer") })
	defer late.Stop()
	first, err := l.hub.drawBlock(ctx, l.From)
	if err != nil {
		l.hub.log.Error("terminals: greet", "terminal", l.Terminal, "error", err)
		return Greeted{}, false
	}
	l.next, l.end = first+1, first+numberBlock
	service := serviceID(first)
	if err := l.write(ctx, Message{Service: service, Greet: &Greeting{}}); err != nil {
		return Greeted{}, false
	}
	for range maxGreetings {
		m, err, ok := l.receive(ctx)
		switch {
		case !ok:
			return Greeted{}, false
		case err != nil:
			l.refuse(ctx, m, err)
		case m.Greeted == nil || m.Service != service:
			l.refuse(ctx, m, problem.New(problem.Forbidden, "terminal.not_greeted"))
		case m.Greeted.Serial != l.serial || m.Greeted.Model != l.model:
			l.hub.log.Warn("terminals: another device's credential", "merchant", l.Merchant, "terminal", l.Terminal)
			l.close(policy, "terminal.other_device")
			return Greeted{}, false
		default:
			return *m.Greeted, true
		}
	}
	l.close(policy, "terminal.not_greeted")
	return Greeted{}, false
}

// listen reads until the link ends. It stays fast: what takes time is handled
// beside, so that heartbeats go on.
func (l *link) listen(ctx context.Context) {
	for {
		m, err, ok := l.receive(ctx)
		if !ok {
			return
		}
		if err == nil {
			err = l.take(ctx, m)
		}
		if err != nil {
			l.refuse(ctx, m, err)
		}
	}
}

// take sends a message where it is handled. Problems: it is no word of a
// reader's, nobody asked for it, it was heard before, or too much is under way.
func (l *link) take(ctx context.Context, m Message) error {
	switch {
	case m.Authorise != nil:
		return l.authorise(ctx, m)
	case m.Told != nil, m.Printed != nil, m.Health != nil:
		if l.answered(m) {
			return nil
		}
		if m.Told != nil && m.Told.Conclusion != nil {
			// Nobody waits for it any more, and it is a final word all the same.
			return l.enqueue(Message{Service: m.Told.Of.Service, Kind: m.Told.Of.Kind, Concluded: m.Told.Conclusion})
		}
		return problem.New(problem.NotFound, "terminal.unexpected")
	case m.Refused != nil:
		if !l.answered(m) {
			l.hub.log.Warn("terminals: a reader refused a message", "terminal", l.Terminal, "code", m.Refused.Code, "field", m.Refused.Field)
		}
		return nil
	case m.Concluded != nil:
		return l.enqueue(m)
	case m.Progress != nil, m.Notice != nil:
		if err := l.fresh(m); err != nil {
			return err
		}
		return l.enqueue(m)
	}
	return problem.New(problem.Forbidden, "terminal.direction")
}

func (l *link) enqueue(m Message) error {
	select {
	case l.work <- m:
		return nil
	default:
		return tooFast()
	}
}

func tooFast() error { return problem.New(problem.TooMany, "terminal.too_fast") }

// fresh refuses a message that was heard before, and a stage that is older
// than the one the till shows. Problems terminal.replayed, terminal.order.
func (l *link) fresh(m Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.Serial != "" {
		if slices.Contains(l.serials, m.Serial) {
			return problem.New(problem.Conflict, "terminal.replayed")
		}
		l.serials = append(l.serials, m.Serial)
		if len(l.serials) > maxSerials {
			l.serials = slices.Delete(l.serials, 0, 1)
		}
	}
	if p := m.Progress; p != nil {
		if p.Attempt == l.stage.Attempt && m.At.Before(l.stageAt) {
			return problem.New(problem.Conflict, "terminal.order")
		}
		l.stage, l.stageAt = *p, m.At
	}
	return nil
}

// authorise asks payment, beside: a host may take half a minute.
func (l *link) authorise(ctx context.Context, m Message) error {
	select {
	case l.asking <- struct{}{}:
	default:
		return tooFast()
	}
	l.hub.running.Go(func() {
		defer func() { <-l.asking }()
		answer, err := l.payments.Authorise(ctx, l.From, *m.Authorise)
		if err != nil {
			l.hub.log.Warn("terminals: authorisation not taken", "terminal", l.Terminal, "attempt", m.Authorise.Attempt, "error", err)
			if !final(err) {
				return // the reader asks again
			}
			answer = Answer{Code: unableOnline, Cause: CauseHost}
		}
		_ = l.write(ctx, Message{Answered: &Answered{m.Authorise.Attempt, m.Authorise.Exchange, answer}}) // or the reader asks again
	})
	return nil
}

// unableOnline is the response code of a request that could not be asked
// (EMV: unable to go online, declined).
const unableOnline = "Z3"

// final tells a refusal that will be the same next time.
func final(err error) bool {
	e := problem.As(err)
	if e == nil {
		return false
	}
	switch e.Kind {
	case problem.Invalid, problem.Malformed, problem.Forbidden, problem.NotFound, problem.Conflict:
		return true
	}
	return false
}

// handle does what a message asks for; one after the other.
func (l *link) handle(ctx context.Context, m Message) {
	switch {
	case m.Progress != nil:
		if m.Progress.Stage == "" {
			return
		}
		if err := l.payments.Progressed(ctx, l.From, m.Progress.Attempt, m.Progress.Stage); err != nil {
			l.hub.log.Warn("terminals: progress not taken", "terminal", l.Terminal, "attempt", m.Progress.Attempt, "error", err)
		}
	case m.Concluded != nil:
		l.conclude(ctx, m)
	case m.Notice != nil:
		l.notice(ctx, *m.Notice)
	}
}

// conclude hands a final word on and acknowledges it once it is kept. What was
// not taken for a passing reason is not answered: the reader says it again.
func (l *link) conclude(ctx context.Context, m Message) {
	c := withoutEnvelopes(*m.Concluded)
	err := l.payments.Concluded(ctx, l.From, c)
	switch {
	case err == nil:
		_ = l.write(ctx, Message{Service: m.Service, Taken: &Taken{c.Attempt}}) // or the reader says it again
	case final(err):
		l.refuse(ctx, m, err)
	default:
		l.hub.log.Error("terminals: final word not taken yet", "terminal", l.Terminal, "attempt", c.Attempt, "error", err)
	}
}

// withoutEnvelopes is the final word without card data, sealed as it may be.
func withoutEnvelopes(c Conclusion) Conclusion {
	if c.Card != nil {
		shown := *c.Card
		shown.Envelope, shown.Kept = nil, nil
		c.Card = (*card.Presented)(&shown)
	}
	return c
}

func (l *link) notice(ctx context.Context, n Notice) {
	switch n.News {
	case NewsSleep:
		l.hub.tell(ctx, l, Asleep, n.Health)
	case NewsWake:
		l.hub.tell(ctx, l, Online, n.Health)
	case NewsLeave:
		l.hub.log.Info("terminals: switched off", "terminal", l.Terminal)
	case NewsHealth:
		state := Online
		if n.Health != nil && n.Health.Asleep {
			state = Asleep
		}
		l.hub.tell(ctx, l, state, n.Health)
	}
}
