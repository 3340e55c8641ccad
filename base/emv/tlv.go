// Package emv holds what EMV Books 1 to 4 say about the data of a chip card:
// BER-TLV objects, the bits of the terminal's verification results, and the
// cryptograms by which card and issuer know each other.
package emv

import (
	"encoding/hex"
	"fmt"
	"strings"

	"encaisse/base/problem"
)

// Limits of what is read.
const (
	MaxBytes = 4096 // of a list of objects
	maxDepth = 8    // templates inside templates
)

// Tag names a data object, its bytes as a number: 0x9F26.
type Tag uint32

// Tags of EMV Book 3 annex A that Encaisse reads or writes.
const (
	TagAID             Tag = 0x4F
	TagLabel           Tag = 0x50
	TagTrack2          Tag = 0x57
	TagPAN             Tag = 0x5A
	TagExpiry          Tag = 0x5F24 // YYMMDD
	TagSequence        Tag = 0x5F34
	TagCurrency        Tag = 0x5F2A
	TagScript1         Tag = 0x71 // commands for the card before the last cryptogram
	TagScript2         Tag = 0x72 // and after it
	TagAIP             Tag = 0x82
	TagDFName          Tag = 0x84
	TagARC             Tag = 0x8A // authorisation response code
	TagCVMList         Tag = 0x8E
	TagIssuerAuth      Tag = 0x91
	TagTVR             Tag = 0x95
	TagDate            Tag = 0x9A // YYMMDD
	TagTSI             Tag = 0x9B
	TagType            Tag = 0x9C // 00 purchase, 20 refund
	TagAmount          Tag = 0x9F02
	TagAmountOther     Tag = 0x9F03
	TagTerminalAID     Tag = 0x9F06
	TagVersion         Tag = 0x9F09
	TagIACDefault      Tag = 0x9F0D // issuer action codes
	TagIACDenial       Tag = 0x9F0E
	TagIACOnline       Tag = 0x9F0F
	TagIAD             Tag = 0x9F10 // issuer application data
	TagPreferredName   Tag = 0x9F12
	TagTerminalCountry Tag = 0x9F1A
	TagSerial          Tag = 0x9F1E
	TagPAR             Tag = 0x9F24 // payment account reference
	TagPINTries        Tag = 0x9F17
	TagTime            Tag = 0x9F21 // HHMMSS
	TagCryptogram      Tag = 0x9F26
	TagCID             Tag = 0x9F27 // cryptogram information data
	TagCapabilities    Tag = 0x9F33
	TagCVMResult       Tag = 0x9F34
	TagTerminalType    Tag = 0x9F35
	TagATC             Tag = 0x9F36 // application transaction counter
	TagUnpredictable   Tag = 0x9F37
	TagCounter         Tag = 0x9F41 // transaction sequence counter
	TagTTQ             Tag = 0x9F66
	TagCTQ             Tag = 0x9F6C
	TagFormFactor      Tag = 0x9F6E
)

// String is the tag in hex, as receipts and traces write it.
func (t Tag) String() string { return strings.ToUpper(hex.EncodeToString(t.bytes())) }

func (t Tag) bytes() []byte {
	var b []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if v := byte(t >> shift); v != 0 || len(b) > 0 {
			b = append(b, v)
		}
	}
	return b
}

// constructed tells whether the value is itself a list of objects.
func (t Tag) constructed() bool { return t.bytes()[0]&0x20 != 0 }

// Object is one data object. A template has Children, the others a Value.
type Object struct {
	Tag      Tag
	Value    []byte
	Children List
}

// List is data objects in their order.
type List []Object

// Get is the value of the first object with the tag at this level, nil where there is none.
func (l List) Get(t Tag) []byte {
	for i := range l {
		if l[i].Tag == t {
			return l[i].Value
		}
	}
	return nil
}

// Add puts an object at the end.
func (l *List) Add(t Tag, value []byte) { *l = append(*l, Object{Tag: t, Value: value}) }

// Bytes encodes the list (EMV Book 3 annex B).
func (l List) Bytes() []byte {
	var out []byte
	for _, o := range l {
		value := o.Value
		if o.Children != nil {
			value = o.Children.Bytes()
		}
		out = append(out, o.Tag.bytes()...)
		out = appendLength(out, len(value))
		out = append(out, value...)
	}
	return out
}

func appendLength(out []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(out, byte(n))
	case n < 0x100:
		return append(out, 0x81, byte(n))
	default:
		return append(out, 0x82, byte(n>>8), byte(n))
	}
}

// Parse reads a list of objects. Zero bytes between objects are padding.
// Problem emv.malformed names the offset and never the content.
func Parse(b []byte) (List, error) {
	if len(b) > MaxBytes {
		return nil, malformed(MaxBytes, "too long")
	}
	list, err := parse(b, 0, 0)
	return list, err
}

func malformed(offset int, why string) error {
	return problem.New(problem.Invalid, "emv.malformed", "offset", offset, "why", why)
}

func parse(b []byte, base, depth int) (List, error) {
	if depth > maxDepth {
		return nil, malformed(base, "nested too deeply")
	}
	var list List
	for at := 0; at < len(b); {
		if b[at] == 0 {
			at++
			continue
		}
		tag, n, err := parseTag(b[at:], base+at)
		if err != nil {
			return nil, err
		}
		at += n
		length, n, err := parseLength(b[at:], base+at)
		if err != nil {
			return nil, err
		}
		at += n
		if length > len(b)-at {
			return nil, malformed(base+at, fmt.Sprintf("tag %s says %d bytes, %d are left", tag, length, len(b)-at))
		}
		o := Object{Tag: tag, Value: b[at : at+length]}
		if tag.constructed() {
			if o.Children, err = parse(o.Value, base+at, depth+1); err != nil {
				return nil, err
			}
			o.Value = nil
		}
		list = append(list, o)
		at += length
	}
	return list, nil
}

func parseTag(b []byte, offset int) (Tag, int, error) {
	tag := Tag(b[0])
	if b[0]&0x1F != 0x1F {
		return tag, 1, nil
	}
	for i := 1; i < len(b) && i < 4; i++ {
		tag = tag<<8 | Tag(b[i])
		if b[i]&0x80 == 0 {
			return tag, i + 1, nil
		}
	}
	return 0, 0, malformed(offset, "tag without end")
}

func parseLength(b []byte, offset int) (length, n int, err error) {
	switch {
	case len(b) == 0:
		return 0, 0, malformed(offset, "no length")
	case b[0] < 0x80:
		return int(b[0]), 1, nil
	case b[0] == 0x81 && len(b) >= 2:
		return int(b[1]), 2, nil
	case b[0] == 0x82 && len(b) >= 3:
		return int(b[1])<<8 | int(b[2]), 3, nil
	}
	return 0, 0, malformed(offset, "length form")
}
