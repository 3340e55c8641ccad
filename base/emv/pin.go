package emv

import (
	"encoding/hex"
	"strings"
)

// Limits of a holder's code (ISO 9564-1).
const (
	MinPIN = 4
	MaxPIN = 12

	pinDigitsOfPAN = 12 // of the card number, its check digit left out
)

// PINBlock is a code bound to its card (ISO 9564-1 format 0), in clear: whoever
// makes one seals or enciphers it at once. It panics where pin is not 4 to 12
// digits or pan not 13 digits or more: a reader's own fault.
func PINBlock(pin, pan string) string {
	if len(pin) < MinPIN || len(pin) > MaxPIN || len(pan) <= pinDigitsOfPAN || strings.Trim(pin+pan, "0123456789") != "" {
		panic("emv: no code, or no card to bind it to")
	}
	block := unhex("0" + "0123456789ABC"[len(pin):len(pin)+1] + pin + strings.Repeat("F", 14-len(pin)))
	for i, b := range unhex("0000" + pan[len(pan)-1-pinDigitsOfPAN:len(pan)-1]) {
		block[i] ^= b
	}
	return strings.ToUpper(hex.EncodeToString(block))
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("emv: " + err.Error())
	}
	return b
}
