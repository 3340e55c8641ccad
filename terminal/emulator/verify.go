package emulator

import (
	"strings"

	"encaisse/base/card"
	"encaisse/base/emv"
	"encaisse/terminal"
)

// verifyHolder finds out whether the card is in the hands of its holder.
func (d *dialogue) verifyHolder(t *transaction) error {
	switch t.entry {
	case card.Wallet:
		t.verified, t.result = card.DeviceCVM, onDevice(t.app.Scheme)
		return nil
	case card.Contactless:
		return d.verifyContactless(t)
	case card.Stripe, card.StripeFallback:
		return d.verifyStripe(t)
	}
	return d.verifyChip(t)
}

// onDevice is how a phone says that it verified its holder: Mastercard's kernel
// as a code checked by the chip, Visa's in its card transaction qualifiers.
func onDevice(s card.Scheme) emv.CVMResult {
	if s == card.Mastercard || s == card.Maestro {
		return emv.CVMRule{Method: emv.CVMPlainPIN}.Result(emv.OutcomeSuccessful)
	}
	return noCVM()
}

func noCVM() emv.CVMResult {
	return emv.CVMRule{Method: emv.CVMNone, Condition: emv.CVMSupported}.Result(emv.OutcomeSuccessful)
}

// verifyContactless: nothing up to a limit, a code for the issuer above it
// (« sans contact plus »).
func (d *dialogue) verifyContactless(t *transaction) error {
	if t.amount.Minor <= t.with.CVMRequired {
		t.result = noCVM()
		return nil
	}
	return d.onlineCode(t, emv.CVMRule{Method: emv.CVMOnlinePIN})
}

// verifyStripe follows the third digit of the service code (ISO/IEC 7813): a
// code, or a signature.
func (d *dialogue) verifyStripe(t *transaction) error {
	if strings.IndexByte("03567", t.plastic.Service[2]) >= 0 && t.plastic.PIN != "" {
		return d.onlineCode(t, emv.CVMRule{Method: emv.CVMOnlinePIN})
	}
	if !d.canSign() {
		return ends(terminal.CauseDevice)
	}
	t.verified = card.Signature
	return nil
}

// verifyChip goes down the card's own list (EMV Book 3 §10.5).
func (d *dialogue) verifyChip(t *transaction) error {
	list, err := emv.ParseCVMList(unhex(t.plastic.cvmList))
	if err != nil {
		return err
	}
	t.tsi.Set(emv.CVMPerformed)
	for _, rule := range list.Rules {
		if !d.applies(rule, list, t) {
			continue
		}
		done, err := d.try(t, rule)
		if err != nil {
			return err
		}
		if done {
			return nil
		}
		t.result = rule.Result(emv.OutcomeFailed)
		if !rule.NextIfFailed {
			break
		}
	}
	t.tvr.Set(emv.CVMFailed)
	return nil
}

// applies tells whether the condition of a rule holds for this purchase.
func (d *dialogue) applies(rule emv.CVMRule, list emv.CVMList, t *transaction) bool {
	switch rule.Condition {
	case emv.CVMAlways, emv.CVMNoCash:
		return true
	case emv.CVMSupported:
		return rule.Method != emv.CVMSignature || d.canSign()
	case emv.CVMUnderX:
		return t.amount.Minor < int64(list.X)
	case emv.CVMOverX:
		return t.amount.Minor > int64(list.X)
	case emv.CVMUnderY:
		return t.amount.Minor < int64(list.Y)
	case emv.CVMOverY:
		return t.amount.Minor > int64(list.Y)
	}
	return false // cash in its forms, or a condition nobody knows
}

// try is one rule. It tells whether the holder was verified.
func (d *dialogue) try(t *transaction, rule emv.CVMRule) (done bool, err error) {
	switch rule.Method {
	case emv.CVMPlainPIN, emv.CVMEncipheredPIN:
		return d.offlineCode(t, rule)
	case emv.CVMOnlinePIN:
		return true, d.onlineCode(t, rule)
	case emv.CVMSignature:
		t.verified, t.result = card.Signature, rule.Result(emv.OutcomeUnknown)
		return true, nil
	case emv.CVMNone:
		t.verified, t.result = card.NoCVM, rule.Result(emv.OutcomeSuccessful)
		return true, nil
	case emv.CVMFail:
		return false, nil
	}
	t.tvr.Set(emv.UnrecognisedCVM)
	return false, nil
}

// offlineCode has the chip judge codes until one is right or it takes no more.
func (d *dialogue) offlineCode(t *transaction, rule emv.CVMRule) (bool, error) {
	wrong := false
	for left := d.reader.rack.left(t.plastic.Name); left > 0; {
		code, err := d.enterCode(t, wrong, left)
		if err != nil {
			return false, err
		}
		right := false
		if right, left = t.chip.verify(code); right {
			t.verified, t.result = card.OfflinePIN, rule.Result(emv.OutcomeSuccessful)
			return true, nil
		}
		wrong = true
	}
	t.tvr.Set(emv.PINTriesExceeded)
	return false, nil
}

// onlineCode takes a code that the issuer will judge.
func (d *dialogue) onlineCode(t *transaction, rule emv.CVMRule) error {
	code, err := d.enterCode(t, d.wrong, maxCodeTries-d.codeTries)
	if err != nil {
		return err
	}
	d.codeTries++
	t.code, t.verified, t.result = code, card.OnlinePIN, rule.Result(emv.OutcomeUnknown)
	if t.entry == card.Chip {
		t.tvr.Set(emv.OnlinePINEntered)
	}
	return nil
}

// enterCode is the holder at the key pad.
func (d *dialogue) enterCode(t *transaction, wrong bool, left int) (string, error) {
	screen := Screen{Show: ShowCode, Label: t.app.Label}
	if wrong {
		screen.Show, screen.Left = ShowWrongCode, left
	}
	code := ""
	for d.prompt(screen); ; {
		in, err := d.await(inKey)
		if err != nil {
			return "", err
		}
		switch {
		case in.key == KeyCancel:
			return "", ends(terminal.CauseCancelled)
		case in.key == KeyApplication && code == "" && len(t.plastic.applications) > 1:
			d.wantsChoice = true
			return "", errAgain
		case in.key == KeyClear:
			code = ""
		case in.key == KeyOK && len(code) >= emv.MinPIN:
			return code, d.reach(PointCode)
		case in.key.digit() != 0 && len(code) < emv.MaxPIN:
			code += string(in.key)
		}
		screen.Stars = len(code)
		d.show(screen)
	}
}
