package emv

import (
	"encoding/hex"
	"strings"
)

// TVR is the terminal verification results (EMV Book 3 annex C5): what the
// terminal found, one bit a finding.
type TVR [5]byte

// Bit is a byte, counted from 1, and a bit of it, 8 the highest.
type Bit struct{ Byte, Bit int }

// Findings of the terminal.
var (
	ODANotPerformed        = Bit{1, 8}
	SDAFailed              = Bit{1, 7}
	ICCDataMissing         = Bit{1, 6}
	OnExceptionFile        = Bit{1, 5}
	DDAFailed              = Bit{1, 4}
	CDAFailed              = Bit{1, 3}
	DifferentVersions      = Bit{2, 8}
	Expired                = Bit{2, 7}
	NotYetEffective        = Bit{2, 6}
	ServiceNotAllowed      = Bit{2, 5}
	NewCard                = Bit{2, 4}
	CVMFailed              = Bit{3, 8}
	UnrecognisedCVM        = Bit{3, 7}
	PINTriesExceeded       = Bit{3, 6}
	PINPadMissing          = Bit{3, 5}
	PINNotEntered          = Bit{3, 4}
	OnlinePINEntered       = Bit{3, 3}
	FloorLimitExceeded     = Bit{4, 8}
	LowerOfflineExceeded   = Bit{4, 7}
	UpperOfflineExceeded   = Bit{4, 6}
	RandomOnline           = Bit{4, 5}
	MerchantForcedOnline   = Bit{4, 4}
	DefaultTDOL            = Bit{5, 8}
	IssuerAuthFailed       = Bit{5, 7}
	ScriptFailedBeforeLast = Bit{5, 6}
	ScriptFailedAfterLast  = Bit{5, 5}
)

// Set notes a finding.
func (v *TVR) Set(b Bit) { v[b.Byte-1] |= 1 << (b.Bit - 1) }

// Has tells whether a finding was noted.
func (v TVR) Has(b Bit) bool { return v[b.Byte-1]&(1<<(b.Bit-1)) != 0 }

// Matches tells whether an action code asks for its action: any common bit.
func (v TVR) Matches(action TVR) bool {
	for i := range v {
		if v[i]&action[i] != 0 {
			return true
		}
	}
	return false
}

// String is the ten hex digits a receipt shows.
func (v TVR) String() string { return strings.ToUpper(hex.EncodeToString(v[:])) }

// TSI is the transaction status information (EMV Book 3 annex C6): what the terminal did.
type TSI [2]byte

// Functions performed.
var (
	ODAPerformed          = Bit{1, 8}
	CVMPerformed          = Bit{1, 7}
	CardRiskPerformed     = Bit{1, 6}
	IssuerAuthPerformed   = Bit{1, 5}
	TerminalRiskPerformed = Bit{1, 4}
	ScriptsProcessed      = Bit{1, 3}
)

// Set notes a function that was performed.
func (s *TSI) Set(b Bit) { s[b.Byte-1] |= 1 << (b.Bit - 1) }

// Has tells whether a function was performed.
func (s TSI) Has(b Bit) bool { return s[b.Byte-1]&(1<<(b.Bit-1)) != 0 }

// String is the four hex digits a receipt shows.
func (s TSI) String() string { return strings.ToUpper(hex.EncodeToString(s[:])) }

// Cryptogram information data (tag 9F27).
const (
	AAC  byte = 0x00 // declined
	TC   byte = 0x40 // approved
	ARQC byte = 0x80 // to be authorised online
)

// BCD writes digits right-aligned into n bytes, two a byte, as amounts and dates are carried.
func BCD(digits string, n int) []byte {
	padded := strings.Repeat("0", max(0, 2*n-len(digits))) + digits
	out, err := hex.DecodeString(padded[len(padded)-2*n:])
	if err != nil {
		panic("emv: BCD of something else than digits")
	}
	return out
}
