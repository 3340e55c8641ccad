package iso8583

import "encaisse/acquirer"

// Response codes (DE39) that the profile treats in a way of its own.
const (
	codeApproved     = "00"
	codeNoRecord     = "25" // of a reversal: the host never knew the original
	codeNotAccepted  = "57" // not permitted: DE44 says what is missing
	codeDuplicate    = "94" // something else was said under the same key
	codeOutOfBalance = "95"
)

// approvals are the codes that approve the whole amount: 08 after a look at the
// holder's papers, 11 for an honoured guest. 10 approves a part, which is not
// what was asked: see [Connector.Authorise].
var approvals = map[string]bool{codeApproved: true, "08": true, "11": true}

// partial approves less than was asked.
const partial = "10"

// affiliationWord begins DE44 of a refusal for want of an affiliation number.
const affiliationWord = "AFFILIATION"

// declines sort the codes by what can be done about them. What is not here is
// DeclineTechnical when its first digit is 9, else DeclineIssuer: the issuer need
// give no reason.
var declines = map[string]acquirer.Decline{
	"01": acquirer.DeclineReferral,
	"02": acquirer.DeclineReferral,
	"60": acquirer.DeclineReferral,

	"03": acquirer.DeclineTechnical, // the acceptor is not known: the contract is wrong
	"12": acquirer.DeclineTechnical,
	"13": acquirer.DeclineTechnical,
	"20": acquirer.DeclineTechnical,
	"30": acquirer.DeclineTechnical,
	"31": acquirer.DeclineTechnical,
	"40": acquirer.DeclineTechnical,
	"58": acquirer.DeclineTechnical, // the terminal is not in the contract

	"04": acquirer.DeclineStolen, // keep the card
	"07": acquirer.DeclineStolen,
	"34": acquirer.DeclineStolen,
	"41": acquirer.DeclineStolen,
	"43": acquirer.DeclineStolen,

	"33": acquirer.DeclineExpired,
	"38": acquirer.DeclineExpired, // as French acquirers read it
	"54": acquirer.DeclineExpired,

	"55": acquirer.DeclinePIN,
	"75": acquirer.DeclinePINTries,

	"51": acquirer.DeclineFunds,
	"61": acquirer.DeclineLimit,

	"57": acquirer.DeclineScheme,

	"1A": acquirer.DeclineInsert, // strong authentication is asked for
	"65": acquirer.DeclineInsert,
	"80": acquirer.DeclineInsert,
	"81": acquirer.DeclineInsert,
	"A0": acquirer.DeclineInsert,
	"A1": acquirer.DeclineInsert,

	"19": acquirer.DeclineLater,
	"68": acquirer.DeclineLater,
	"90": acquirer.DeclineLater,
	"91": acquirer.DeclineLater,
	"97": acquirer.DeclineLater,
	"98": acquirer.DeclineLater,
}

// declineOf sorts a refusal.
func declineOf(answer *Message) acquirer.Decline {
	code := answer.Get(39)
	if code == codeNotAccepted && len(answer.Get(44)) >= len(affiliationWord) && answer.Get(44)[:len(affiliationWord)] == affiliationWord {
		return acquirer.DeclineAffiliation
	}
	if decline, known := declines[code]; known {
		return decline
	}
	if code != "" && code[0] == '9' {
		return acquirer.DeclineTechnical
	}
	return acquirer.DeclineIssuer
}
