// Package card holds what a bank card is: its number, which prints masked, its
// schemes, and the envelope in which its data travels from the reader to the
// one connector that may open it.
//
// A card number is never stored in clear, never logged and never put into a
// message that is not an envelope. Track 2, PIN block and security code are not
// stored at all (PCI DSS 3.3): they live in the envelope of one authorisation.
package card

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"unique"

	"encaisse/base/problem"
)

// Limits of a card number (ISO/IEC 7812-1).
const (
	MinDigits = 12
	MaxDigits = 19
)

// PAN is a card number. It prints, logs and marshals masked: only [PAN.Digits]
// shows it. The digits are behind a handle, which is compared by what it stands
// for and printed as an address: fmt calls no method of an unexported field, and
// would show a plain string.
type PAN struct{ digits unique.Handle[string] }

// ParsePAN reads a card number: digits alone, 12 to 19, with a right check digit.
// Problems: card.pan_format, card.pan_check. Neither repeats the number.
func ParsePAN(s string) (PAN, error) {
	if len(s) < MinDigits || len(s) > MaxDigits || strings.Trim(s, "0123456789") != "" {
		return PAN{}, problem.New(problem.Invalid, "card.pan_format")
	}
	if !luhn(s) {
		return PAN{}, problem.New(problem.Invalid, "card.pan_check")
	}
	return PAN{unique.Make(s)}, nil
}

// luhn tells whether the last digit checks the others (ISO/IEC 7812-1 annex B).
func luhn(s string) bool {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return sum%10 == 0
}

// Digits is the number in clear.
func (p PAN) Digits() string {
	if p.IsZero() {
		return ""
	}
	return p.digits.Value()
}

// IsZero tells whether there is no number.
func (p PAN) IsZero() bool { return p == PAN{} }

// Masked shows the first six and the last four digits at most.
func (p PAN) Masked() string {
	digits := p.Digits()
	if len(digits) < MinDigits {
		return ""
	}
	return digits[:6] + strings.Repeat("*", len(digits)-10) + digits[len(digits)-4:]
}

// String is Masked.
func (p PAN) String() string { return p.Masked() }

// GoString is Masked.
func (p PAN) GoString() string { return p.Masked() }

// MarshalText is Masked.
func (p PAN) MarshalText() ([]byte, error) { return []byte(p.Masked()), nil }

// LogValue is Masked.
func (p PAN) LogValue() slog.Value { return slog.StringValue(p.Masked()) }

// Last4 is what a cardholder's copy shows of a masked number.
func Last4(masked string) string {
	if len(masked) < 4 {
		return ""
	}
	return masked[len(masked)-4:]
}

// fingerprintBytes is the length of a fingerprint: 128 bits, out of reach of chance.
const fingerprintBytes = 16

// Fingerprint is how a merchant knows a card again without knowing its number:
// a keyed hash, made by the reader, different at every merchant (DRV-09).
func Fingerprint(key []byte, p PAN) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("encaisse card fingerprint v1\x00"))
	mac.Write([]byte(p.Digits()))
	return hex.EncodeToString(mac.Sum(nil)[:fingerprintBytes])
}
