package payment

import (
	"context"
	"errors"
	"sync"
	"time"

	"encaisse/base/db"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// The resolver's pace (screens §6.5: 2, 4, 8… up to 60 s).
const (
	firstDelay = 2 * time.Second
	lastDelay  = 60 * time.Second
	manyTries  = 20 // then nobody stands and waits: it is tried on without haste
	longDelay  = 10 * time.Minute
	restless   = time.Second // how long it rests when nothing is due, unless woken
	maxDue     = 100         // rows taken in one pass
	maxAtOnce  = 8           // of them under way at the same time
	pruneEvery = time.Hour
	pruneChunk = 500
)

// delay is how long something in doubt waits after so many tries: 2, 4, 8 … 60 s,
// and ten minutes when it has been tried for a quarter of an hour.
func delay(tries int64) time.Duration {
	if tries >= manyTries {
		return longDelay
	}
	wait := firstDelay
	for ; tries > 0 && wait < lastDelay; tries-- {
		wait *= 2
	}
	return min(wait, lastDelay)
}

// Wake makes the resolver look for due work now. It never blocks.
func (p *Payments) Wake() {
	select {
	case p.wake <- struct{}{}:
	default: // it is awake
	}
}

// Run resolves what is in doubt until ctx ends, then waits for what is under
// way. Any number of nodes may run it on one database.
func (p *Payments) Run(ctx context.Context) error {
	defer p.work.Wait()
	prune := p.Clock.Now()
	for ctx.Err() == nil {
		if now := p.Clock.Now(); !now.Before(prune) {
			prune = now.Add(pruneEvery)
			p.pruneKeys(ctx)
		}
		n, err := p.pass(ctx, maxAtOnce)
		if err != nil && ctx.Err() == nil {
			p.Log.Warn("what is in doubt cannot be looked at", "error", err)
		}
		if n == maxDue && err == nil {
			continue
		}
		p.rest(ctx)
	}
	return nil
}

// Wait returns when what Start and Reverse began in this process is handed over.
func (p *Payments) Wait() { p.work.Wait() }

// RunDue resolves what is due now, one after the other, and tells how much that
// was. It is Run for those who drive the clock themselves.
func (p *Payments) RunDue(ctx context.Context) (int, error) { return p.pass(ctx, 1) }

func (p *Payments) pass(ctx context.Context, atOnce int) (int, error) {
	var due []ticket
	err := p.DB.Read(ctx, func(tx *db.Tx) (err error) {
		due, err = readDue(tx, p.Clock.Now(), maxDue)
		return err
	})
	if err != nil {
		return 0, err
	}
	var work sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	for _, t := range due {
		turns <- struct{}{}
		work.Go(func() {
			defer func() { <-turns }()
			if err := p.resolve(ctx, t, false); err != nil && ctx.Err() == nil {
				p.Log.Warn("a try failed; another follows", "merchant", t.merchant, "attempt", t.attempt, "operation", t.operation, "error", err)
			}
		})
	}
	work.Wait()
	return len(due), nil
}

func (p *Payments) rest(ctx context.Context) {
	passed := make(chan struct{})
	timer := p.Clock.AfterFunc(restless, func() { close(passed) })
	defer timer.Stop()
	select {
	case <-p.wake:
	case <-passed:
	case <-ctx.Done():
	}
}

// resolve takes one try. With now it does not wait for its time.
func (p *Payments) resolve(ctx context.Context, t ticket, now bool) error {
	if t.operation != "" {
		return p.resolveOperation(ctx, t, now)
	}
	var claimed Attempt
	err := p.act(ctx, t.merchant, SourceResolver, system, func(a *act) (err error) {
		claimed, err = claimAttempt(a.tx, t.merchant, t.attempt, t.due, a.now.Add(claimLease))
		return err
	})
	if errors.Is(err, db.ErrNone) {
		return nil // somebody else has it, or it is over
	}
	if err != nil {
		return err
	}
	switch claimed.State {
	case Prepared:
		return p.restart(ctx, claimed)
	case Sent:
		return p.poll(ctx, claimed)
	}
	return p.enquire(ctx, claimed)
}

// restart hands over an attempt whose process died before it did, unless the
// reader's time is as good as over: then nobody waits for it any more.
func (p *Payments) restart(ctx context.Context, t Attempt) error {
	if p.Clock.Now().Sub(t.AskedAt) <= 2*startGrace {
		return p.start(ctx, t.Merchant, t.ID)
	}
	return p.fail(ctx, t.Merchant, t.ID, CauseNotReached, SourceResolver)
}

// poll asks for an attempt of which nothing was heard. Once the reader's time is
// over, and a margin, it is told to give it up, and the attempt is in doubt: that
// it has expired only the reader says.
func (p *Payments) poll(ctx context.Context, t Attempt) error {
	if p.Clock.Now().Before(t.deadline().Add(margin)) {
		return p.enquire(ctx, t)
	}
	if err := p.Readers.Abort(ctx, t.Merchant, t.ID); err != nil {
		p.Log.Info("a reader whose time is over could not be told", "merchant", t.Merchant, "attempt", t.ID, "error", reasonOf(err))
	}
	if err := p.doubt(ctx, t.Merchant, t.ID, problem.New(problem.Internal, "payment.deadline")); err != nil {
		return err
	}
	return p.enquire(ctx, t)
}

// enquire asks the reader what became of an attempt and takes its word.
func (p *Payments) enquire(ctx context.Context, t Attempt) error {
	status, word, failure := p.Readers.Ask(ctx, t.Merchant, t.ID)
	if failure == nil && status == terminal.StatusInProgress && t.State != Sent && p.Clock.Now().After(t.deadline().Add(margin)) {
		failure = p.Readers.Abort(ctx, t.Merchant, t.ID) // its own clock has failed it, or the first word was lost
	}
	return p.act(context.WithoutCancel(ctx), t.Merchant, SourceResolver, system, func(a *act) error {
		known, err := lockAttempt(a.tx, t.Merchant, t.ID)
		if err != nil {
			return err
		}
		if known.NextTryAt == nil { // its word came meanwhile
			return nil
		}
		a.note(Entry{Payment: known.Payment, Attempt: known.ID, Subject: SubjectAttempt, Event: asked, From: known.State, To: known.State},
			detail{"try": known.Tries + 1, "answer": status, "why": reasonOf(failure)})
		switch {
		case failure != nil:
			return a.unanswered(&known, failure)
		case status == terminal.StatusConcluded && word != nil:
			return a.hear(&known, *word)
		case status == terminal.StatusNotFound:
			return a.notFound(&known)
		}
		return a.underWay(&known)
	})
}

// asked is an entry of history, and no step of a graph.
const asked Event = "ask"

// unanswered leaves an attempt whose reader does not answer for its next try.
func (a *act) unanswered(t *Attempt, why error) error {
	t.NotFoundAt = nil
	if t.State == Sent {
		return a.doubted(t, why)
	}
	if t.State == Succeeded || t.State == Failed {
		return a.tidied(t)
	}
	if t.State == Abandoned && replaced(why) {
		return a.failed(t, CauseAbandoned, "") // an approval was undone when it was abandoned
	}
	return a.tryAgain(t, delay(t.Tries+1))
}

// replaced tells whether a reader can never be asked again: another one stands
// in its place, or none.
func replaced(why error) bool {
	return problem.Is(why, "terminal.other_device") || problem.Is(why, "terminal.deactivated") || problem.Is(why, "terminal.dialogue_not_found")
}

// underWay leaves an attempt that the reader is still at.
func (a *act) underWay(t *Attempt) error {
	t.NotFoundAt = nil
	if t.State == Sent {
		return a.tryAgain(t, pollEvery)
	}
	if t.State == Succeeded || t.State == Failed {
		return a.tidied(t)
	}
	return a.tryAgain(t, delay(t.Tries+1))
}

// notFound takes a reader's word that it knows nothing of an attempt. Said twice,
// further apart than the request could have been on its way, it is true.
func (a *act) notFound(t *Attempt) error {
	switch {
	case t.State == Succeeded || t.State == Failed:
		return a.tidied(t)
	case t.NotFoundAt == nil:
		t.NotFoundAt = &a.now
	case a.now.Sub(*t.NotFoundAt) >= Budget+margin:
		return a.failed(t, CauseNotReached, "")
	}
	if t.State == Sent {
		if err := a.doubted(t, problem.New(problem.Internal, "payment.not_found_there")); err != nil {
			return err
		}
	}
	return a.tryAgain(t, delay(t.Tries+1))
}

// tryAgain counts a try and leaves the next one. After some it asks for
// somebody's eye, and goes on.
func (a *act) tryAgain(t *Attempt, wait time.Duration) error {
	again := a.now.Add(wait)
	t.Tries, t.NextTryAt = t.Tries+1, &again
	if t.State != Sent && t.Tries >= maxTries && !t.Manual {
		t.Manual = true
		a.alarm("nobody knows what became of an attempt: its reader is asked on, and somebody has to look", "payment", t.Payment, "attempt", t.ID, "tries", t.Tries)
	}
	_, err := updateAttempt(a.tx, *t, t.State)
	return err
}

// tidied ends the asking about an attempt that was settled without its reader's
// word, once the reader's time is over, and frees the reader.
func (a *act) tidied(t *Attempt) error {
	if a.now.Before(t.deadline().Add(margin)) {
		return a.tryAgain(t, pollEvery)
	}
	t.NextTryAt = nil
	if _, err := updateAttempt(a.tx, *t, t.State); err != nil {
		return err
	}
	return a.Readers.Close(a.tx, a.merchant, t.ID)
}

// resolveOperation sends a reversal, or ends an authorisation whose process is
// gone: before it was sent it was not performed, after that nobody knows, and it
// is reversed.
func (p *Payments) resolveOperation(ctx context.Context, t ticket, now bool) error {
	reversal := false
	err := p.act(ctx, t.merchant, SourceResolver, system, func(a *act) error {
		at, err := lockAttempt(a.tx, t.merchant, t.attempt)
		if err != nil {
			return err
		}
		o, err := readOperation(a.tx, t.merchant, t.operation)
		if err != nil {
			return err
		}
		reversal = o.Kind == SubjectReversal
		if reversal || o.NextTryAt == nil || o.NextTryAt.After(a.now) {
			return nil
		}
		if o.State == Prepared {
			o.Cause, o.Code, o.card, o.NextTryAt = terminal.CauseHost, codeNoHost, nil, nil
			_, err = a.moveOperation(&o, Miss, detail{"why": "process_gone"})
			return err
		}
		_, err = a.hostSaid(&at, o, silence())
		return err
	})
	if err != nil || !reversal {
		return err
	}
	_, err = p.reverse(ctx, t.merchant, t.operation, now)
	return err
}

// pruneKeys forgets idempotency keys that nobody repeats any more.
func (p *Payments) pruneKeys(ctx context.Context) {
	before := p.Clock.Now().Add(-keepKeys)
	for ctx.Err() == nil {
		var n int64
		err := p.DB.Write(ctx, func(tx *db.Tx) (err error) {
			n, err = pruneRequests(tx, before, pruneChunk)
			return err
		})
		if err != nil && ctx.Err() == nil {
			p.Log.Warn("old idempotency keys cannot be deleted", "error", err)
		}
		if err != nil || n < pruneChunk {
			return
		}
	}
}
