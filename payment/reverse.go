package payment

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"encaisse/access"
	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/batch"
	"encaisse/terminal"

	"encaisse/event"
)

// Auto lets the batch decide between a void and a refund.
const Auto terminal.Kind = "auto"

// ReversalRequest asks to give back what a payment took.
type ReversalRequest struct {
	Payment   id.Payment
	Key       string        // the caller's, kept before the first try: the same again is the same reversal
	Kind      terminal.Kind // Auto, Void or Refund
	Amount    *money.Amount // nil: all that is left
	Reason    string
	Remark    string      // nothing is done with it (SRC-034)
	Code      string      // the person's six digits (UPM-082)
	Terminal  id.Terminal // where the card is shown; empty: where it paid
	PrintSlip bool
}

// Reverse begins a void or a refund, as the batch decides: void while it is
// open, refund once it is closed (UPM-079…081). The amount is reserved on the
// payment's row before anything goes out, whoever comes at the same time. The
// card has to be shown again: what comes of it is events.
//
// Problems: access.forbidden, access.not_a_person, access.code_shape,
// access.code_wrong, access.locked; payment.not_found; payment.key,
// payment.kind, payment.reason, payment.text, payment.amount; payment.key_reused,
// payment.void_too_late, payment.refund_too_early (each names the kind that
// fits), payment.void_partial, payment.not_captured, payment.exceeds (with what
// is left), payment.other_contract (conflict); those of the reader's dialogue.
func (p *Payments) Reverse(ctx context.Context, pr access.Principal, r ReversalRequest) (Reversal, error) {
	if err := allowed(pr, r.Kind); err != nil {
		return Reversal{}, err
	}
	if err := r.check(); err != nil {
		return Reversal{}, err
	}
	if err := p.checkCode(ctx, pr, r.Code); err != nil {
		return Reversal{}, err
	}
	var made Reversal
	err := p.act(ctx, pr.Merchant, SourceTill, pr.Actor(), func(a *act) (err error) {
		made, err = a.reserve(pr, r)
		return err
	})
	if err != nil {
		return Reversal{}, err
	}
	if made.Created {
		p.work.Go(func() {
			if err := p.start(context.WithoutCancel(ctx), pr.Merchant, made.ID); err != nil {
				p.Log.Warn("a reversal could not be handed to its reader: the resolver will", "merchant", pr.Merchant, "attempt", made.ID, "error", err)
			}
		})
	}
	return made, nil
}

// allowed asks for the permission of a kind; what the batch decides, for either.
func allowed(pr access.Principal, kind terminal.Kind) error {
	switch kind {
	case terminal.Void:
		return access.Allow(pr, access.PaymentVoid)
	case terminal.Refund:
		return access.Allow(pr, access.PaymentRefund)
	case Auto:
		if access.Allow(pr, access.PaymentVoid) == nil {
			return nil
		}
		return access.Allow(pr, access.PaymentRefund)
	}
	return problem.New(problem.Invalid, "payment.kind").At("kind")
}

// checkCode asks for the code of the person who gives money back (UPM-082).
// What the installation does by itself has none.
func (p *Payments) checkCode(ctx context.Context, pr access.Principal, code string) error {
	if pr.Actor() == system {
		return nil
	}
	return p.Gate.CheckCode(ctx, pr, code)
}

func (r *ReversalRequest) check() error {
	r.Reason, r.Remark = strings.TrimSpace(r.Reason), strings.TrimSpace(r.Remark)
	switch {
	case r.Key == "" || len(r.Key) > maxKey:
		return problem.New(problem.Invalid, "payment.key", "limit", maxKey).At("idempotency_key")
	case !written(r.Reason):
		return problem.New(problem.Invalid, "payment.text", "limit", maxReason).At("reason")
	case r.Reason == "":
		return problem.New(problem.Invalid, "payment.reason").At("reason")
	case !written(r.Remark):
		return problem.New(problem.Invalid, "payment.text", "limit", maxReason).At("comment")
	case r.Amount != nil && r.Amount.Minor <= 0:
		return problem.New(problem.Invalid, "payment.amount").At("amount")
	}
	return nil
}

// written tells whether a text can be kept and printed.
func written(s string) bool {
	return utf8.RuneCountInString(s) <= maxReason && clean(s, len(s)) == s
}

// hash is what tells a request from another under the same key. The code is no part of it.
func (r ReversalRequest) hash() []byte {
	r.Key, r.Code = "", ""
	text, err := json.Marshal(r)
	if err != nil {
		return nil // strings and numbers: cannot be
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// reserve sets the amount aside and asks the reader for the card.
func (a *act) reserve(pr access.Principal, r ReversalRequest) (Reversal, error) {
	key := sha256.Sum256([]byte(r.Key))
	t := Attempt{
		Merchant: a.merchant, ID: id.New[id.Attempt](a.now), Payment: r.Payment, State: Prepared, Operator: pr.Operator, Actor: a.actor,
		Reason: r.Reason, Remark: r.Remark, PrintSlip: r.PrintSlip,
	}
	fresh, err := insertRequest(a.tx, a.merchant, key[:], r.hash(), t.ID, a.now)
	if err != nil {
		return Reversal{}, err
	}
	if !fresh {
		return a.sameRequest(pr, key[:], r)
	}
	p, err := lockPayment(a.tx, a.merchant, r.Payment)
	if errors.Is(err, db.ErrNone) || err == nil && !mayRead(pr, p) {
		return Reversal{}, notFound()
	}
	if err != nil {
		return Reversal{}, err
	}
	if p.State != Succeeded {
		return Reversal{}, problem.New(problem.Conflict, "payment.not_captured", "state", p.State)
	}
	if err := whole(a.tx, &p); err != nil {
		return Reversal{}, err
	}
	if t.Kind, err = a.choose(pr, p, r); err != nil {
		return Reversal{}, err
	}
	if t.Amount, err = amountOf(p, r, t.Kind); err != nil {
		return Reversal{}, err
	}
	if t.Terminal = r.Terminal; t.Terminal == "" {
		t.Terminal = p.Terminal
	}
	if err := a.locate(&t); err != nil {
		return Reversal{}, err
	}
	if t.Contract != p.Contract {
		return Reversal{}, problem.New(problem.Conflict, "payment.other_contract").At("terminal_id")
	}
	return a.giveBack(p, t)
}

// sameRequest answers a key that was used before.
func (a *act) sameRequest(pr access.Principal, key []byte, r ReversalRequest) (Reversal, error) {
	body, attempt, err := readRequest(a.tx, a.merchant, key)
	if err != nil {
		return Reversal{}, err
	}
	if p, err := readPayment(a.tx, a.merchant, r.Payment); err != nil || !mayRead(pr, p) {
		return Reversal{}, notFound()
	}
	if !bytes.Equal(body, r.hash()) {
		return Reversal{}, problem.New(problem.Conflict, "payment.key_reused").At("idempotency_key")
	}
	known, err := readAttempt(a.tx, a.merchant, attempt)
	return Reversal{Attempt: known}, err
}

// choose lets the batch decide, and refuses a kind that does not fit: it says which does.
func (a *act) choose(pr access.Principal, p Payment, r ReversalRequest) (terminal.Kind, error) {
	fitting, err := a.fitting(a.tx, p)
	switch {
	case err != nil:
		return "", err
	case r.Kind == terminal.Void && fitting == terminal.Refund:
		return "", problem.New(problem.Conflict, "payment.void_too_late", "kind", fitting).At("kind")
	case r.Kind == terminal.Refund && fitting == terminal.Void:
		return "", problem.New(problem.Conflict, "payment.refund_too_early", "kind", fitting).At("kind")
	}
	return fitting, allowed(pr, fitting)
}

// fitting is what the batch of a payment's capture allows today.
func (p *Payments) fitting(tx *db.Tx, of Payment) (terminal.Kind, error) {
	operations, err := readOperationsOf(tx, of.Merchant, of.Attempt)
	if err != nil {
		return "", err
	}
	for _, o := range operations {
		if o.Kind != SubjectCapture {
			continue
		}
		if state, _, err := p.Batches.StateOf(tx, of.Merchant, o.ID); err != nil || state == batch.Open {
			return terminal.Void, err
		}
	}
	return terminal.Refund, nil
}

// Offered is which of void and refund a payment may have now: exactly one, or
// none (UPM-081). Problem payment.not_found.
func (p *Payments) Offered(ctx context.Context, pr access.Principal, payment id.Payment) (kind terminal.Kind, err error) {
	err = p.readOf(ctx, pr, payment, func(tx *db.Tx) error {
		kind = ""
		known, err := In(tx, pr.Merchant, payment)
		if err != nil || known.State != Succeeded || known.Refundable() <= 0 {
			return err
		}
		kind, err = p.fitting(tx, known)
		return err
	})
	return kind, err
}

// amountOf is what is given back: of a void the whole, since a line leaves the
// batch or stays in it.
func amountOf(p Payment, r ReversalRequest, kind terminal.Kind) (money.Amount, error) {
	left := money.Amount{Minor: p.Refundable(), Currency: p.Amount.Currency}
	amount := left
	if r.Amount != nil {
		amount = *r.Amount
	}
	switch {
	case amount.Currency != left.Currency:
		return amount, problem.New(problem.Invalid, "payment.currency", "currency", left.Currency).At("amount")
	case amount.Minor > left.Minor || amount.Minor <= 0:
		return amount, exceeds(left)
	case kind == terminal.Void && amount.Minor != p.Captured:
		return amount, problem.New(problem.Conflict, "payment.void_partial", "amount", money.Amount{Minor: p.Captured, Currency: left.Currency}).At("amount")
	}
	return amount, nil
}

func exceeds(left money.Amount) error {
	return problem.New(problem.Conflict, "payment.exceeds", "left", left).At("amount")
}

// giveBack reserves, and opens the reader's dialogue.
func (a *act) giveBack(p Payment, t Attempt) (Reversal, error) {
	reserved, err := reserve(a.tx, p, t.Amount.Minor, t.Kind == terminal.Void, a.now)
	if errors.Is(err, db.ErrNone) {
		return Reversal{}, exceeds(money.Amount{Minor: p.Refundable(), Currency: p.Amount.Currency})
	}
	if err != nil {
		return Reversal{}, err
	}
	p.Pending, p.UpdatedAt = reserved.Pending, reserved.UpdatedAt
	original := &terminal.Original{Attempt: p.Attempt, Transaction: p.Number, At: p.CreatedAt, Masked: p.masked()}
	if p.Card != nil {
		original.Fingerprint, original.PAR = p.Card.Fingerprint, p.Card.PAR
	}
	if p.At != nil {
		original.At = *p.At
	}
	if err := a.ask(&p, &t, original); err != nil {
		return Reversal{}, err
	}
	a.emit(event.ReversalRequested, p.ID, about(p, t))
	return Reversal{Attempt: t, Created: true}, nil
}

// void takes a payment out of the open batch, now that its card was shown: in
// one commit the line leaves, the ledger has it, the host is owed a reversal and
// the owner makes its return. From then on it is done, whatever the reader says.
// A cause says why it is not.
func (a *act) void(t *Attempt, r terminal.Request) (*terminal.Answer, terminal.Cause, error) {
	if a.refusal != nil {
		return nil, CauseOwner, nil
	}
	p, err := lockPayment(a.tx, a.merchant, t.Payment)
	if err != nil {
		return nil, "", err
	}
	if err := whole(a.tx, &p); err != nil {
		return nil, "", err
	}
	capture, authorised, err := a.captureOf(p)
	if err != nil {
		return nil, "", err
	}
	original, err := a.Batches.Original(a.tx, a.merchant, capture.ID) // the very card that paid, where its wallet is shown now
	if err != nil {
		return nil, "", err
	}
	removed, err := a.Batches.Remove(a.tx, a.merchant, capture.ID, a.now)
	if err != nil {
		return nil, "", err
	}
	if !removed {
		return nil, CauseBatchClosed, nil
	}
	void := Operation{
		Merchant: a.merchant, ID: id.New[id.Operation](a.now), Attempt: t.ID, Payment: t.Payment, Kind: SubjectVoid, State: Approved,
		Original: capture.ID, Exchange: r.Exchange, Terminal: capture.Terminal, Contract: capture.Contract, Connector: capture.Connector,
		Acceptor: capture.Acceptor, Zone: capture.Zone, Amount: t.Amount, TraceAt: a.now, Code: codeApproved, Approval: authorised.Approval,
		Batch: capture.Batch, BatchNumber: capture.BatchNumber, CreatedAt: a.now, SettledAt: &a.now,
	}
	insertOperation(a.tx, void)
	a.book(void)
	a.begin(Entry{Payment: t.Payment, Attempt: t.ID, Operation: void.ID, Subject: SubjectVoid, To: Approved},
		detail{"amount": t.Amount, "batch_id": capture.Batch})
	sealed, err := a.sealCard(authorised.ID, original.Card, original.About)
	if err != nil {
		return nil, "", err
	}
	keepCard(a.tx, a.merchant, authorised.ID, sealed)
	if err := a.undo(&authorised, acquirer.ReasonVoid); err != nil {
		return nil, "", err
	}
	tidy := a.now.Add(firstPoll)
	t.Card, t.Code, t.Approval, t.NextTryAt = shown(r.Card), codeApproved, authorised.Approval, &tidy
	if moved, err := a.moveAttempt(t, Succeed, nil); err != nil || !moved {
		return nil, "", errors.Join(err, errMoved())
	}
	if moved, err := a.movePayment(&p, Cancel, "", sums{voided: t.Amount.Minor, pending: -t.Amount.Minor}, nil); err != nil || !moved {
		return nil, "", errors.Join(err, errMoved())
	}
	answer := answerOf(void)
	return &answer, "", a.gave(p, t, detail{"batch_id": capture.Batch})
}

// captureOf reads the capture of a payment and the authorisation it came from.
func (a *act) captureOf(p Payment) (capture, authorised Operation, err error) {
	operations, err := readOperationsOf(a.tx, a.merchant, p.Attempt)
	if err != nil {
		return capture, authorised, err
	}
	for _, o := range operations {
		if o.Kind == SubjectCapture {
			capture = o
		}
	}
	for _, o := range operations {
		if o.ID == capture.Original {
			authorised = o
		}
	}
	if capture.ID == "" || authorised.ID == "" {
		return capture, authorised, problem.New(problem.Internal, "payment.no_capture")
	}
	return capture, authorised, nil
}
