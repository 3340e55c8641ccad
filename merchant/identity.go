package merchant

import (
	"strings"

	"encaisse/base/problem"
)

const (
	sirenLength = 9
	siretLength = 14

	// laPoste is the one SIREN whose establishments ran out of numbers that pass
	// Luhn: INSEE accepts them when the sum of their digits is a multiple of 5.
	laPoste        = "356000000"
	laPosteDivisor = 5
)

// ParseSIREN reads the number of a French company, spaces allowed: nine digits
// that pass Luhn. Problem merchant.siren.
func ParseSIREN(s string) (string, error) {
	digits, ok := digitsOf(s, sirenLength)
	if !ok || !luhn(digits) {
		return "", problem.New(problem.Invalid, "merchant.siren")
	}
	return digits, nil
}

// ParseSIRET reads the number of an establishment, spaces allowed: fourteen
// digits of which the first nine are a SIREN, and which together pass Luhn, or
// La Poste's rule for those of La Poste. Problem merchant.siret.
func ParseSIRET(s string) (string, error) {
	digits, ok := digitsOf(s, siretLength)
	if !ok || !luhn(digits[:sirenLength]) {
		return "", problem.New(problem.Invalid, "merchant.siret")
	}
	if luhn(digits) || strings.HasPrefix(digits, laPoste) && digitSum(digits)%laPosteDivisor == 0 {
		return digits, nil
	}
	return "", problem.New(problem.Invalid, "merchant.siret")
}

// siretOf reads the SIRET of an establishment of the company siren. Problems
// merchant.siret, merchant.siret_of_other.
func siretOf(siren, s string) (string, error) {
	siret, err := ParseSIRET(s)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(siret, siren) {
		return "", problem.New(problem.Invalid, "merchant.siret_of_other")
	}
	return siret, nil
}

// digitsOf takes the spaces out, no-break ones too, and wants length digits.
func digitsOf(s string, length int) (string, bool) {
	s = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "").Replace(s)
	if len(s) != length {
		return "", false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return "", false
		}
	}
	return s, true
}

func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func digitSum(digits string) (sum int) {
	for i := range len(digits) {
		sum += int(digits[i] - '0')
	}
	return sum
}
