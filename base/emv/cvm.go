package emv

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// CVMMethod is how a holder may be verified (EMV Book 3 annex C3).
type CVMMethod byte

// Methods.
const (
	CVMFail             CVMMethod = 0x00
	CVMPlainPIN         CVMMethod = 0x01 // checked by the chip
	CVMOnlinePIN        CVMMethod = 0x02 // checked by the issuer
	CVMPlainPINSign     CVMMethod = 0x03
	CVMEncipheredPIN    CVMMethod = 0x04 // checked by the chip
	CVMEncipheredSign   CVMMethod = 0x05
	CVMSignature        CVMMethod = 0x1E
	CVMNone             CVMMethod = 0x1F // no verification required
	CVMNotPerformed     CVMMethod = 0x3F // of results: none was performed
	cvmMethodBits       byte      = 0x3F
	cvmNextIfFailed     byte      = 0x40
	cvmAmountBytes                = 8 // amounts X and Y
	cvmRuleBytes                  = 2
	maxCVMRules                   = 122
	cvmListMinimumBytes           = cvmAmountBytes + cvmRuleBytes
)

// CVMCondition is when a rule applies.
type CVMCondition byte

// Conditions.
const (
	CVMAlways       CVMCondition = 0x00
	CVMCashUnmanned CVMCondition = 0x01
	CVMNoCash       CVMCondition = 0x02
	CVMSupported    CVMCondition = 0x03 // the terminal can
	CVMCashManual   CVMCondition = 0x04
	CVMCashback     CVMCondition = 0x05
	CVMUnderX       CVMCondition = 0x06
	CVMOverX        CVMCondition = 0x07
	CVMUnderY       CVMCondition = 0x08
	CVMOverY        CVMCondition = 0x09
)

// CVMRule is one line of a card's list.
type CVMRule struct {
	Method       CVMMethod
	Condition    CVMCondition
	NextIfFailed bool // otherwise a failure ends the verification
}

// CVMList is how a card wants its holder verified (tag 8E).
type CVMList struct {
	X, Y  uint32 // minor units of the application's currency
	Rules []CVMRule
}

// ParseCVMList reads a list. Problem emv.malformed names the offset.
func ParseCVMList(b []byte) (CVMList, error) {
	if len(b) < cvmListMinimumBytes || len(b)%cvmRuleBytes != 0 || len(b) > cvmAmountBytes+maxCVMRules*cvmRuleBytes {
		return CVMList{}, malformed(0, "length of a CVM list")
	}
	list := CVMList{X: binary.BigEndian.Uint32(b), Y: binary.BigEndian.Uint32(b[4:])}
	for rule := b[cvmAmountBytes:]; len(rule) > 0; rule = rule[cvmRuleBytes:] {
		list.Rules = append(list.Rules, CVMRule{
			Method: CVMMethod(rule[0] & cvmMethodBits), Condition: CVMCondition(rule[1]), NextIfFailed: rule[0]&cvmNextIfFailed != 0,
		})
	}
	return list, nil
}

// Code is the first byte of the rule, as CVM results repeat it.
func (r CVMRule) Code() byte {
	if r.NextIfFailed {
		return byte(r.Method) | cvmNextIfFailed
	}
	return byte(r.Method)
}

// CVMOutcome is the last byte of CVM results.
type CVMOutcome byte

// Outcomes.
const (
	OutcomeUnknown    CVMOutcome = 0 // only the issuer, or paper, will tell
	OutcomeFailed     CVMOutcome = 1
	OutcomeSuccessful CVMOutcome = 2
)

// CVMResult is what was done (tag 9F34): a rule's two bytes and its outcome.
type CVMResult [3]byte

// NoCVMResult is the result where no rule was tried.
func NoCVMResult() CVMResult { return CVMResult{byte(CVMNotPerformed), 0, byte(OutcomeUnknown)} }

// Result is that of a rule.
func (r CVMRule) Result(o CVMOutcome) CVMResult {
	return CVMResult{r.Code(), byte(r.Condition), byte(o)}
}

// String is the six hex digits a receipt shows.
func (r CVMResult) String() string { return strings.ToUpper(hex.EncodeToString(r[:])) }
