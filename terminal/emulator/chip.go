package emulator

import (
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"

	"encaisse/base/emv"
)

// Issuer application data (tag 9F10) of the test chips, in the form of Visa's
// cryptogram version 18, in which the cryptogram covers all of it: length,
// derivation key index, version, then card verification results.
const (
	iadDerivationKey = 0x01
	iadVersion       = 0x12
	cvrLength        = 0x03

	cvrSecondTC      = 0x40 // byte 2, bits 8-7: second GENERATE AC, 00 is AAC
	cvrSecondNone    = 0x80
	cvrFirstARQC     = 0x20 // bits 6-5: first GENERATE AC, 00 is AAC
	cvrAuthFailed    = 0x08
	cvrPINPerformed  = 0x04
	cvrPINFailed     = 0x02
	cvrPINBlocked    = 0x40 // byte 3
	applicationCount = 0x00 // byte 4: nothing to tell
)

// Application interchange profile (tag 82): DDA, holder verification, terminal
// risk management, issuer authentication, CDA; the second bit of a phone.
const (
	aipCard    = 0x3D
	aipNoODA   = 0x1C
	aipDevice  = 0x02
	aipStripe2 = 0x00
)

// chip is the card's side of one transaction.
type chip struct {
	plastic *plastic
	rack    *Rack
	key     emv.CardKey
	atc     uint16

	pinPerformed, pinFailed bool
	first                   byte           // what the first GENERATE AC gave
	asked                   emv.Cryptogram // its cryptogram
	authFailed              bool
}

// start is GET PROCESSING OPTIONS: the counter moves, whatever comes of it.
func start(p *plastic, r *Rack) *chip {
	return &chip{plastic: p, rack: r, key: emv.TestIssuerKey().CardKey(p.Number, p.Sequence), atc: r.count(p.Name)}
}

func (c *chip) aip() []byte {
	b := byte(aipNoODA)
	if c.plastic.authentic {
		b = aipCard
	}
	if c.plastic.device {
		b |= aipDevice
	}
	return []byte{b, aipStripe2}
}

func (c *chip) counter() []byte { return binary.BigEndian.AppendUint16(nil, c.atc) }

// verify is VERIFY: the chip judges a code and says how many it still takes.
func (c *chip) verify(code string) (right bool, left int) {
	c.pinPerformed = true
	right = c.rack.tryPIN(c.plastic, code)
	c.pinFailed = !right
	return right, c.rack.left(c.plastic.Name)
}

// generate is the first GENERATE AC: a chip asked to approve or to go online goes
// online, one asked to refuse refuses.
func (c *chip) generate(asked byte, data emv.List) (cid byte, made emv.Cryptogram, iad []byte) {
	c.first = emv.ARQC
	if asked == emv.AAC {
		c.first = emv.AAC
	}
	iad = c.iad(cvrSecondNone)
	c.asked = c.key.Cryptogram(append(append(emv.List(nil), data...), c.own(iad)...))
	return c.first, c.asked, iad
}

// own is what the chip itself adds to the data its cryptogram covers.
func (c *chip) own(iad []byte) (list emv.List) {
	list.Add(emv.TagAIP, c.aip())
	list.Add(emv.TagATC, c.counter())
	list.Add(emv.TagIAD, iad)
	return list
}

// authenticate is EXTERNAL AUTHENTICATE: was it the issuer who answered?
func (c *chip) authenticate(proof []byte, arc string) bool {
	expected := c.key.Answer(c.counter(), c.asked, arc)
	c.authFailed = len(proof) < len(expected) || subtle.ConstantTimeCompare(proof[:len(expected)], expected[:]) != 1
	return !c.authFailed
}

// conclude is the second GENERATE AC: TC where the chip agrees.
func (c *chip) conclude(asked byte, data emv.List) (cid byte, made emv.Cryptogram, iad []byte) {
	cid, second := emv.AAC, byte(0)
	if asked == emv.TC && !c.authFailed && !c.plastic.refuses {
		cid, second = emv.TC, cvrSecondTC
	}
	iad = c.iad(second)
	return cid, c.key.Cryptogram(append(append(emv.List(nil), data...), c.own(iad)...)), iad
}

func (c *chip) iad(second byte) []byte {
	results := [3]byte{second, 0, applicationCount}
	if c.first == emv.ARQC {
		results[0] |= cvrFirstARQC
	}
	if c.authFailed {
		results[0] |= cvrAuthFailed
	}
	if c.pinPerformed {
		results[0] |= cvrPINPerformed
	}
	if c.pinFailed {
		results[0] |= cvrPINFailed
	}
	if c.rack.left(c.plastic.Name) == 0 {
		results[1] |= cvrPINBlocked
	}
	return append([]byte{6, iadDerivationKey, iadVersion, cvrLength}, results[:]...)
}

// unhex reads hex that this package wrote itself.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("emulator: " + err.Error())
	}
	return b
}
