package simulator

import (
	"bytes"
	"encoding/hex"
	"strings"
	"time"

	"encaisse/acquirer/iso8583"
	"encaisse/base/emv"
)

// outcome is what the host makes of a message.
type outcome struct {
	code       string
	why        string // for those who look after the link
	rrn        string
	approval   string
	additional string // field 44
	balance    string // field 66
	issuer     emv.List
	account    string
	settled    bool // it will never be answered otherwise: repeats get the same
}

// order is what a scenario wants of a message, beside what becomes of its answer.
type order struct {
	code         string // instead of deciding
	outOfBalance bool
}

// act is the host: what it makes of a message that was read (terminals §5.4).
func (h *host) act(r request, o order, now time.Time, seed uint64) outcome {
	contract, refused := h.underContract(r)
	if refused.code != "" {
		refused.settled = r.class == '1'
		return refused
	}
	switch r.class {
	case '1':
		return h.authorise(r, contract, o, now, seed)
	case '4':
		return h.reverse(r, o, now)
	case '2':
		return h.present(r, contract, o, now)
	}
	return h.reconcile(r, contract, o, now)
}

// underContract finds the contract of a message, or says why it is refused.
func (h *host) underContract(r request) (*Contract, outcome) {
	c := h.contracts[r.acceptor]
	switch {
	case c == nil:
		return nil, outcome{code: codeAcceptor, why: "unknown acceptor"}
	case !c.knows(r.terminal):
		return nil, outcome{code: codeTerminal, why: "the terminal is not in the contract"}
	case r.class != '5' && r.amount.Currency != c.Currency,
		r.class == '5' && r.Has(fieldSettlement) && currencyOf(r.Get(fieldSettlement)) != c.Currency:
		return nil, outcome{code: codeInvalid, why: "the currency is not the contract's"}
	}
	return c, outcome{}
}

// known finds what was answered to the same message before. A different message
// under the same key is refused (terminals §5.4-7).
func (h *host) known(r request) (reply []byte, code string) {
	before, known := h.answers.get(r.key)
	switch {
	case !known:
		return nil, ""
	case !bytes.Equal(before.Content, r.content[:]):
		return nil, codeDuplicate
	}
	return before.Reply, ""
}

// reply writes an answer.
func reply(m *iso8583.Message, o outcome) *iso8583.Message {
	out := iso8583.NewMessage(iso8583.AnswerTo(m.MTI))
	for _, field := range echoed {
		if m.Has(field) {
			out.Set(field, m.Get(field))
		}
	}
	out.Set(fieldCode, o.code)
	for field, text := range map[int]string{fieldRRN: o.rrn, fieldApproval: o.approval, fieldAdditional: o.additional, fieldBalance: o.balance} {
		if text != "" {
			out.Set(field, text)
		}
	}
	if len(o.issuer) > 0 {
		out.SetBytes(fieldChip, o.issuer.Bytes())
	}
	return out
}

// network codes (field 70).
const (
	signOn  = "001"
	signOff = "002"
	echo    = "301"
)

// manage answers a network message; signed is what the link is afterwards.
func manage(m *iso8583.Message, signed bool) (o outcome, now bool) {
	switch m.Get(fieldNetwork) {
	case signOn:
		return outcome{code: codeApproved, why: "sign-on"}, true
	case signOff:
		return outcome{code: codeApproved, why: "sign-off"}, false
	case echo:
		return outcome{code: codeApproved, why: "echo"}, signed
	}
	return outcome{code: codeInvalid, why: "unknown network code"}, signed
}

func hexUpper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
