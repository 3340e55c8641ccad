package nexo

import (
	"strings"

	"encaisse/base/card"
	"encaisse/base/emv"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// Limits of a request for authorisation.
const (
	maxExchange = 64
	maxText     = 64  // of a label, a scheme, a token
	maxAID      = 32  // hex digits
	maxDigits   = 10  // that a masked number shows
	maxICC      = 512 // bytes of chip data a host takes (ISO 8583 field 55 has 255, its answer as many)
)

func authorisationRequest(reader string, r terminal.Request) *AuthorisationRequest {
	return &AuthorisationRequest{
		POIID: reader, Exchange: r.Exchange, Attempt: string(r.Attempt), Kind: string(r.Kind),
		Amount: r.Amount.Minor, Currency: string(r.Amount.Currency), At: formatTime(r.At),
		Envelope: r.Card.Envelope, Kept: r.Card.Kept, Masked: r.Card.Masked, Fingerprint: r.Card.Fingerprint, PAR: r.Card.PAR,
		Scheme: string(r.Card.Scheme), AID: r.Card.AID, Label: r.Card.Label,
		Entry: string(r.Card.Entry), CVM: string(r.Card.Verified), EMV: r.Card.EMV,
	}
}

func (a *AuthorisationRequest) request() (*terminal.Request, error) {
	fault := func(field string) error {
		return problem.New(problem.Invalid, "nexo.member").At("AcceptorAuthorisationRequest." + field)
	}
	attempt, err := id.Parse[id.Attempt](a.Attempt)
	if err != nil {
		return nil, identity("AcceptorAuthorisationRequest.transaction_id")
	}
	currency, err := money.ParseCurrency(a.Currency)
	if err != nil {
		return nil, fault("currency")
	}
	at, err := parseTime(a.At, "AcceptorAuthorisationRequest.transaction_time")
	if err != nil {
		return nil, err
	}
	switch {
	case !validParty(a.POIID):
		return nil, fault("poi_id")
	case !validParty(a.Exchange) || len(a.Exchange) > maxExchange:
		return nil, fault("exchange_id")
	case !oneOf(a.Kind, []string{string(terminal.Payment), string(terminal.Void), string(terminal.Refund)}):
		return nil, fault("transaction_type")
	case a.Amount <= 0:
		return nil, fault("amount_minor")
	case len(a.Envelope) > card.MaxEnvelope:
		return nil, fault("protected_card_data")
	case len(a.Kept) > card.MaxEnvelope:
		return nil, fault("protected_card_reference")
	}
	r := &terminal.Request{
		Attempt: attempt, Exchange: a.Exchange, Kind: terminal.Kind(a.Kind), Amount: money.Amount{Minor: a.Amount, Currency: currency}, At: at,
		Card: card.Presented{
			Envelope: a.Envelope, Kept: a.Kept, Masked: a.Masked, Fingerprint: a.Fingerprint, PAR: a.PAR, Scheme: card.Scheme(a.Scheme),
			AID: a.AID, Label: a.Label, Entry: card.Entry(a.Entry), Verified: card.CVM(a.CVM), EMV: a.EMV,
		},
	}
	return r, checkCard(r.Card)
}

func authorisationResponse(a terminal.Answered) *AuthorisationResponse {
	return &AuthorisationResponse{
		Exchange: a.Exchange, Attempt: string(a.Attempt), Approved: a.Answer.Approved, Code: a.Answer.Code,
		Cause: string(a.Answer.Cause), Approval: a.Answer.Approval, Issuer: a.Answer.Issuer,
	}
}

func (a *AuthorisationResponse) answered() (*terminal.Answered, error) {
	attempt, err := id.Parse[id.Attempt](a.Attempt)
	if err != nil {
		return nil, identity("AcceptorAuthorisationResponse.transaction_id")
	}
	return &terminal.Answered{Attempt: attempt, Exchange: a.Exchange, Answer: terminal.Answer{
		Approved: a.Approved, Code: a.Code, Cause: terminal.Cause(a.Cause), Approval: a.Approval, Issuer: a.Issuer,
	}}, nil
}

// checkCard refuses a description that shows what only an envelope may hold:
// more digits than a masked number has, or chip objects with number, track or
// name in clear. Problems nexo.clear_card and nexo.member.
func checkCard(p card.Presented) error {
	clear := problem.New(problem.Invalid, "nexo.clear_card")
	switch {
	case digits(p.Masked) > maxDigits:
		return clear.At("masked_pan")
	case longestRun(p.Label) > maxDigits:
		return clear.At("application_label")
	case p.PAR != "" && strings.Trim(p.PAR, "0123456789 -") == "": // a reference has letters
		return clear.At("payment_account_reference")
	case len(p.EMV) > maxICC:
		return problem.New(problem.Invalid, "nexo.member").At("icc_data")
	}
	for field, text := range map[string]string{
		"masked_pan": p.Masked, "card_fingerprint": p.Fingerprint, "payment_account_reference": p.PAR, "scheme": string(p.Scheme),
		"application_label": p.Label, "entry_mode": string(p.Entry), "cardholder_verification": string(p.Verified),
	} {
		if len(text) > maxText || !clean(text) {
			return problem.New(problem.Invalid, "nexo.member").At(field)
		}
	}
	if len(p.AID) > maxAID || strings.Trim(p.AID, "0123456789ABCDEFabcdef") != "" {
		return problem.New(problem.Invalid, "nexo.member").At("aid")
	}
	objects, err := emv.Parse(p.EMV)
	if err != nil {
		return err
	}
	if showsCard(objects) {
		return clear.At("icc_data")
	}
	return nil
}

// inClear are the objects that hold a number, a track or a name.
var inClear = []emv.Tag{emv.TagPAN, emv.TagTrack2, 0x56, 0x5F20, 0x9F0B, 0x9F1F, 0x9F20, 0x9F6B}

func showsCard(objects emv.List) bool {
	for _, o := range objects {
		for _, tag := range inClear {
			if o.Tag == tag {
				return true
			}
		}
		if showsCard(o.Children) {
			return true
		}
	}
	return false
}

func digits(s string) (n int) {
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			n++
		}
	}
	return n
}

// longestRun is how many digits follow one another, spaces and dashes between
// them left out.
func longestRun(s string) (longest int) {
	run := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			run++
			longest = max(longest, run)
		case c != ' ' && c != '-':
			run = 0
		}
	}
	return longest
}
