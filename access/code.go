package access

import (
	"net/mail"
	"strings"

	"golang.org/x/text/unicode/norm"

	"encaisse/base/problem"
)

const (
	codeLength = 6
	maxEmail   = 254 // RFC 5321 §4.5.3.1, less the brackets
)

// checkShape wants exactly six digits (UPM-016). Problem access.code_shape. It
// is asked before anything else, so the answer tells nothing about the account.
func checkShape(code string) error {
	ok := len(code) == codeLength
	for i := range len(code) {
		ok = ok && code[i] >= '0' && code[i] <= '9'
	}
	if !ok {
		return problem.New(problem.Invalid, "access.code_shape", "digits", codeLength).At("code")
	}
	return nil
}

// checkNewCode also refuses the codes everybody tries first (UPM-075): one
// digit or a short pattern repeated, and digits that follow one another.
// Problems access.code_shape, access.code_trivial.
func checkNewCode(code string) error {
	if err := checkShape(code); err != nil {
		return err
	}
	if repeats(code, 1) || repeats(code, 2) || repeats(code, 3) || steps(code, 1) || steps(code, 9) {
		return problem.New(problem.Invalid, "access.code_trivial").At("code")
	}
	return nil
}

// repeats tells whether code is its first period digits again and again.
func repeats(code string, period int) bool {
	return code[period:] == code[:len(code)-period]
}

// steps tells whether each digit is the one before plus step, 0 following 9.
func steps(code string, step byte) bool {
	for i := 1; i < len(code); i++ {
		if (code[i-1]-'0'+step)%10 != code[i]-'0' {
			return false
		}
	}
	return true
}

// ParseEmail reads an e-mail address as it identifies a person: without spaces
// at its ends and in lower case (UPM-055). Problem access.email.
func ParseEmail(s string) (string, error) {
	s = normalEmail(s)
	bad := problem.New(problem.Invalid, "access.email").At("email")
	if len(s) > maxEmail {
		return "", bad
	}
	a, err := mail.ParseAddress(s)
	// The bare address only, written as it is sent: no "Name <a@b>", no quotes, no comment.
	if err != nil || a.Name != "" || a.Address != s || strings.ContainsAny(s, "\" \t\r\n()<>,;:\\") {
		return "", bad
	}
	return s, nil
}

func normalEmail(s string) string { return norm.NFC.String(strings.ToLower(strings.TrimSpace(s))) }
