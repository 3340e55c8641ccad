package emulator

import (
	"strings"

	"encaisse/base/card"
	"encaisse/base/emv"
)

// present describes the card as read, sealing what is secret: everything for one
// authorisation, number and expiry alone to be kept. Both envelopes are bound to
// the attempt.
func (t *transaction) present(attempt string) (card.Presented, error) {
	p, err := t.shown()
	if err != nil {
		return card.Presented{}, err
	}
	key, err := card.ParsePublicKey(t.with.PublicKey)
	if err != nil {
		return card.Presented{}, err
	}
	data := card.Data{PAN: t.plastic.Number, Expiry: t.plastic.Expiry, Sequence: t.plastic.Sequence, Track2: t.plastic.track2()}
	if t.code != "" {
		data.PINBlock = emv.PINBlock(t.code, t.plastic.Number)
	}
	if p.Envelope, err = key.Seal(data, attempt); err != nil {
		return card.Presented{}, err
	}
	p.Kept, err = key.Seal(data.Kept(), attempt)
	p.EMV = t.issuerData()
	return p, err
}

// shown is what may be told of the card without any envelope.
func (t *transaction) shown() (card.Presented, error) {
	pan, err := card.ParsePAN(t.plastic.Number)
	if err != nil {
		return card.Presented{}, err
	}
	return card.Presented{
		Masked: pan.Masked(), Fingerprint: card.Fingerprint(t.with.FingerprintKey, pan), PAR: t.plastic.PAR,
		Scheme: t.app.Scheme, AID: t.aid(), Label: t.app.Label, Entry: t.entry, Verified: t.verified,
	}, nil
}

func (t *transaction) aid() string {
	if t.chip == nil {
		return ""
	}
	return t.app.AID
}

// track2 is the stripe's, or the chip's equivalent of it (tag 57).
func (p *plastic) track2() string {
	return p.Number + "D" + p.Expiry + p.Service + strings.Repeat("0", 5)
}

// tracks of the stripe: a chip card's is refused where its chip can be read.
func (p *plastic) hasChip() bool {
	return strings.HasPrefix(p.Service, "2") || strings.HasPrefix(p.Service, "6")
}

// masked is a number as a receipt may show it.
func masked(number string) string {
	pan, err := card.ParsePAN(number)
	if err != nil {
		return ""
	}
	return pan.Masked()
}
