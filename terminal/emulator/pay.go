package emulator

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"encaisse/base/card"
	"encaisse/base/emv"
	"encaisse/terminal"
)

const (
	// maxChipFailures is how often a chip must fail before its stripe is read.
	maxChipFailures = 3
	maxCodeTries    = 3 // of a code that the issuer judges

	codeWrongPIN = "55" // response code: the code is wrong, another try is left
)

// ending is why a dialogue ends without success.
type ending struct{ cause terminal.Cause }

func (e *ending) Error() string { return string(e.cause) }

func ends(cause terminal.Cause) error { return &ending{cause} }

var (
	// errDead is the end of a dialogue whose reader is off: it leaves no word.
	errDead = errors.New("emulator: switched off")
	// errAgain takes the same card once more, from the choice of its application.
	errAgain = errors.New("emulator: again")
)

// steps is the life of a dialogue. It returns nil where the money moved.
func (d *dialogue) steps() error {
	if err := d.reach(PointAsked); err != nil {
		return err
	}
	for {
		if err := d.waitCard(); err != nil {
			return err
		}
		err := d.card()
		for errors.Is(err, errAgain) {
			err = d.card()
		}
		var e *ending
		if errors.As(err, &e) && e.cause == terminal.CauseInsert && d.waved() && !d.contactOnly {
			d.contactOnly = true // the same payment goes on with the same card, inserted
			continue
		}
		return err
	}
}

// waitCard shows the prompt and waits for a card that can be read in the way it
// is presented.
func (d *dialogue) waitCard() error {
	d.cardIn = false
	d.progress(terminal.StageWaitingCard)
	if err := d.freeSlot(); err != nil {
		return err
	}
	d.prompt(Screen{Show: ShowInsert, Tap: d.mayTap()})
	for {
		in, err := d.await(inCard)
		if err != nil {
			return err
		}
		entry, refusal := d.entryOf(in.plastic, in.gesture)
		if refusal != "" {
			d.prompt(Screen{Show: refusal, Tap: d.mayTap()})
			continue
		}
		d.plastic, d.entry, d.cardIn = in.plastic, entry, true
		d.progress(terminal.StageCardIn)
		return d.reach(PointCard)
	}
}

// freeSlot has the card of the payment before taken out first.
func (d *dialogue) freeSlot() error {
	for d.reader.slotUsed() {
		d.prompt(Screen{Show: ShowRemove})
		if _, err := d.await(inRemoved); err != nil {
			return err
		}
	}
	return nil
}

// entryOf is how a card can be read, or what the holder is told instead.
func (d *dialogue) entryOf(p *plastic, g Gesture) (card.Entry, Show) {
	switch g {
	case Tap:
		switch {
		case !p.contactless && !p.device, d.contactOnly:
			return "", ShowInsert
		case p.device:
			return card.Wallet, ""
		case d.task.Kind == terminal.Payment && d.task.Amount.Minor > d.with.ContactlessMax:
			d.contactOnly = true
			return "", ShowInsert
		}
		return card.Contactless, ""
	case Swipe:
		switch {
		case !p.stripe || p.hasChip() && d.chipFailures < maxChipFailures:
			return "", ShowInsert
		case p.hasChip():
			return card.StripeFallback, ""
		}
		return card.Stripe, ""
	}
	if p.contact && !p.broken {
		return card.Chip, ""
	}
	if d.chipFailures++; p.contact && d.chipFailures < maxChipFailures {
		return "", ShowUnreadable
	}
	d.chipFailures = maxChipFailures
	return "", ShowSwipe
}

// waved tells whether the card is not in the reader while it is authorised.
func (d *dialogue) waved() bool { return d.entry == card.Contactless || d.entry == card.Wallet }

func (d *dialogue) mayTap() bool {
	return !d.contactOnly && (d.with.ContactlessMax >= d.task.Amount.Minor || d.task.Kind != terminal.Payment)
}

// card takes the card in hand through one transaction.
func (d *dialogue) card() error {
	app, err := d.choose()
	if err != nil {
		return err
	}
	t := d.transaction(app)
	d.tx, d.answer = t, nil
	t.begin(d.reader.rack)
	if err := d.sameCard(t); err != nil {
		return err
	}
	if err := d.offline(t); err != nil {
		return err
	}
	if err := d.reach(PointBefore); err != nil {
		return err
	}
	a, err := d.authorise(t)
	if err != nil {
		return err
	}
	return d.finish(t, a)
}

// choose is the application: the merchant's preference, the contract's order,
// unless the holder asked for the choice (EU 2015/751).
func (d *dialogue) choose() (application, error) {
	all := d.plastic.applications
	candidates := slices.DeleteFunc(slices.Clone(all), func(a application) bool {
		_, accepted := d.with.Schemes[a.Scheme]
		return !accepted
	})
	if len(candidates) == 0 {
		candidates = all // the hub says which of its reasons it refuses for
	}
	if len(candidates) == 1 || !d.holderChooses() || d.entry != card.Chip {
		if i := slices.IndexFunc(candidates, func(a application) bool { return a == d.chosen }); i >= 0 {
			return candidates[i], nil
		}
		return candidates[0], nil
	}
	labels := make([]string, len(candidates))
	for i, a := range candidates {
		labels[i] = a.Label
	}
	d.prompt(Screen{Show: ShowChoose, Choices: labels})
	for {
		in, err := d.await(inKey)
		if err != nil {
			return application{}, err
		}
		i := strings.IndexByte("123456789", in.key.digit()) // the zero byte of another key is not there
		switch {
		case in.key == KeyCancel:
			return application{}, ends(terminal.CauseCancelled)
		case in.key == KeyOK:
			i = 0
		}
		if i >= 0 && i < len(candidates) {
			d.chosen, d.wantsChoice = candidates[i], false
			return candidates[i], nil
		}
	}
}

// sameCard refuses a card that is not the one of the payment a void or a refund
// goes back to (UPM-083).
func (d *dialogue) sameCard(t *transaction) error {
	o := d.task.Original
	if o == nil || d.task.Kind == terminal.Payment {
		return nil
	}
	p, err := t.shown()
	if err != nil {
		return err
	}
	if o.Fingerprint == p.Fingerprint || o.PAR != "" && o.PAR == p.PAR {
		return nil
	}
	return ends(terminal.CauseOtherCard)
}

// offline is all that happens before the issuer is asked.
func (d *dialogue) offline(t *transaction) error {
	t.restrict()
	if t.chip == nil && t.expired() && t.kind == terminal.Payment {
		return ends(terminal.CauseCardInvalid)
	}
	if t.kind == terminal.Payment {
		if err := d.verifyHolder(t); err != nil {
			return err
		}
	}
	if t.chip == nil {
		return nil
	}
	t.risk()
	if t.generate() {
		return nil
	}
	if t.tvr.Has(emv.Expired) {
		return ends(terminal.CauseCardInvalid)
	}
	return ends(terminal.CausePIN)
}

// authorise asks, through the hub or whoever stands in for it, and waits.
func (d *dialogue) authorise(t *transaction) (terminal.Answer, error) {
	p, err := t.present(string(d.task.Attempt))
	if err != nil {
		return terminal.Answer{}, err
	}
	d.exchanges++
	t.asked = true
	request := terminal.Request{
		Attempt: d.task.Attempt, Exchange: fmt.Sprintf("%06d-%d", d.number, d.exchanges), Kind: d.task.Kind,
		Amount: d.task.Amount, Card: p, At: t.at,
	}
	d.progress(terminal.StageAuthorising)
	d.prompt(Screen{Show: ShowWait})
	unanswered := d.ask(request)
	defer unanswered.Stop()
	if err := d.reach(PointSent); err != nil {
		return terminal.Answer{}, err
	}
	for {
		in, err := d.await(inAnswer, inUnanswered)
		if err != nil {
			return terminal.Answer{}, err
		}
		if in.what == inUnanswered {
			t.unable()
			if d.judge != nil || d.reader.link.up() {
				return terminal.Answer{}, ends(terminal.CauseHost)
			}
			return terminal.Answer{}, ends(terminal.CauseLink)
		}
		if in.exchange == request.Exchange {
			return in.answer, d.answered(in.answer)
		}
	}
}

// answered keeps an approval before anything is made of it: a reader restarted
// now must still say that there was one.
func (d *dialogue) answered(a terminal.Answer) error {
	d.answer = &a
	if a.Approved {
		if err := d.keepApproval(a); err != nil {
			return err
		}
	}
	if err := d.hold(); err != nil {
		return err
	}
	return d.reach(PointAnswered)
}

// finish lets chip and holder agree to what the issuer said.
func (d *dialogue) finish(t *transaction, a terminal.Answer) error {
	agreed := t.complete(a)
	if !a.Approved {
		return d.refused(t, a)
	}
	if !agreed {
		return ends(terminal.CauseRefused) // the chip has the last word; the hub reverses
	}
	if t.verified == card.Signature && t.kind == terminal.Payment {
		return d.sign()
	}
	return nil
}

func (d *dialogue) refused(t *transaction, a terminal.Answer) error {
	if t.code != "" && a.Code == codeWrongPIN && d.codeTries < maxCodeTries {
		if d.wrong = true; d.waved() {
			return ends(terminal.CauseInsert) // the card has gone
		}
		return errAgain // EMV has no second code: the card begins again
	}
	if a.Cause == "" {
		return ends(terminal.CauseRefused)
	}
	return ends(a.Cause)
}

// sign has the holder sign and the merchant compare (SRC-003). The slip is on
// the roll already.
func (d *dialogue) sign() error {
	d.progress(terminal.StageSignature)
	d.signatureSlip()
	d.prompt(Screen{Show: ShowSign})
	for {
		in, err := d.await(inKey)
		if err != nil {
			return err
		}
		switch in.key {
		case KeyOK:
			d.signed = true
			return nil
		case KeyCancel:
			return ends(terminal.CauseCancelled)
		}
	}
}
