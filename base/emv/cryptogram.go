package emv

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// IssuerKey is the issuer's master key for application cryptograms: two DES keys.
type IssuerKey [16]byte

// CardKey is the key of one card, derived from the issuer's.
type CardKey [16]byte

// Cryptogram is an application cryptogram (tag 9F26).
type Cryptogram [8]byte

// CardKey derives the key of a card (EMV Book 2 annex A1.4.1, option A).
// sequence is the card sequence number, two digits, empty for 00.
func (k IssuerKey) CardKey(pan, sequence string) CardKey {
	if sequence == "" {
		sequence = "00"
	}
	digits := pan + sequence
	if len(digits) > 16 {
		digits = digits[len(digits)-16:]
	}
	digits = strings.Repeat("0", 16-len(digits)) + digits
	x, err := hex.DecodeString(digits)
	if err != nil {
		panic("emv: a card number that is not digits")
	}
	block := tripleDES(k[:])
	var key CardKey
	block.Encrypt(key[:8], x)
	for i := range x {
		x[i] ^= 0xFF
	}
	block.Encrypt(key[8:], x)
	oddParity(key[:])
	return key
}

// session derives the key of one transaction (EMV Book 2 annex A1.3.1, common session key).
func (k CardKey) session(atc []byte) CardKey {
	block := tripleDES(k[:])
	var r, session [16]byte
	copy(r[:], atc)
	copy(r[8:], atc)
	r[2], r[10] = 0xF0, 0x0F
	block.Encrypt(session[:8], r[:8])
	block.Encrypt(session[8:], r[8:])
	key := CardKey(session)
	oddParity(key[:])
	return key
}

// cryptogramTags are the objects an application cryptogram covers, in order
// (EMV Book 2 table 27, recommended minimum).
var cryptogramTags = [...]Tag{
	TagAmount, TagAmountOther, TagTerminalCountry, TagTVR, TagCurrency, TagDate, TagType, TagUnpredictable, TagAIP, TagATC, TagIAD,
}

// Cryptogram computes the application cryptogram over the data of a transaction.
func (k CardKey) Cryptogram(data List) Cryptogram {
	var covered []byte
	for _, tag := range cryptogramTags {
		covered = append(covered, data.Get(tag)...)
	}
	return retailMAC(k.session(data.Get(TagATC)), covered)
}

// Proves tells whether the data carries the cryptogram its card makes.
func (k CardKey) Proves(data List) bool {
	made := k.Cryptogram(data)
	return subtle.ConstantTimeCompare(made[:], data.Get(TagCryptogram)) == 1
}

// Answer is the issuer's answer to a cryptogram with its response code, two
// characters (EMV Book 2 §8.2.1, method 1): the first 8 bytes of tag 91.
func (k CardKey) Answer(atc []byte, made Cryptogram, arc string) Cryptogram {
	for i := 0; i < len(arc) && i < 2; i++ {
		made[i] ^= arc[i]
	}
	session := k.session(atc)
	var answer Cryptogram
	tripleDES(session[:]).Encrypt(answer[:], made[:])
	return answer
}

// retailMAC is ISO/IEC 9797-1 algorithm 3 with padding method 2.
func retailMAC(key CardKey, data []byte) (mac Cryptogram) {
	padded := append(append([]byte(nil), data...), 0x80)
	for len(padded)%8 != 0 {
		padded = append(padded, 0)
	}
	left, right := singleDES(key[:8]), singleDES(key[8:])
	for ; len(padded) > 0; padded = padded[8:] {
		for i := range mac {
			mac[i] ^= padded[i]
		}
		left.Encrypt(mac[:], mac[:])
	}
	right.Decrypt(mac[:], mac[:])
	left.Encrypt(mac[:], mac[:])
	return mac
}

func singleDES(key []byte) cipher.Block {
	block, err := des.NewCipher(key)
	if err != nil {
		panic("emv: " + err.Error()) // the length is fixed by the type
	}
	return block
}

// tripleDES is two-key triple DES.
func tripleDES(key []byte) cipher.Block {
	block, err := des.NewTripleDESCipher(append(append([]byte(nil), key[:16]...), key[:8]...))
	if err != nil {
		panic("emv: " + err.Error())
	}
	return block
}

// oddParity sets the lowest bit of every byte so that it holds an odd number of ones.
func oddParity(key []byte) {
	for i, b := range key {
		ones := 0
		for v := b >> 1; v != 0; v &= v - 1 {
			ones++
		}
		key[i] = b &^ 1
		if ones%2 == 0 {
			key[i] |= 1
		}
	}
}
