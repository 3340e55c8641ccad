package iso8583_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"encaisse/acquirer/iso8583"

	"pgregory.net/rapid"
)

// alphabets are characters that the contents of fields allow, in few enough that
// everybody's notion of "special" has them.
var alphabets = map[string]string{
	"n": "0123456789", "x+n": "0123456789", "an": "0123456789ABCXYZabcxyz", "ans": "0123456789ABCabc .,-/", "z": "0123456789=", "b": "",
}

var formParts = regexp.MustCompile(`^([a-z+]+)(\.* ?)([0-9]+)(?:; (\w+))?$`)

// dates are the least and greatest of each part of a date.
var dates = map[string][2]int{"MM": {1, 12}, "DD": {1, 31}, "YY": {0, 99}, "hh": {0, 23}, "mm": {0, 59}, "ss": {0, 59}}

// drawValue makes a value that fits a form.
func drawValue(t *rapid.T, field int, form string, least int) string {
	part := formParts.FindStringSubmatch(form)
	size, _ := strconv.Atoi(part[3])
	label := fmt.Sprintf("field %d", field)
	if part[4] != "" {
		var b strings.Builder
		for at := 0; at < size; at += 2 {
			r := dates[part[4][at:at+2]]
			fmt.Fprintf(&b, "%02d", rapid.IntRange(r[0], r[1]).Draw(t, label))
		}
		return b.String()
	}
	fixed := part[2] == " "
	if part[1] == "b" {
		if fixed {
			size /= 8
			least = size
		}
		return string(rapid.SliceOfN(rapid.Byte(), least, size).Draw(t, label))
	}
	if fixed {
		least = size
	}
	sign := ""
	if part[1] == "x+n" {
		sign = rapid.SampledFrom([]string{"C", "D"}).Draw(t, label)
	}
	return sign + rapid.StringOfN(rapid.RuneFrom([]rune(alphabets[part[1]])), least, min(size, 60), -1).Draw(t, label)
}

// drawMessage makes a message of the fields of a table, none in left.
func drawMessage(t *rapid.T, table map[int]iso8583.Field, least int, left ...int) *iso8583.Message {
	m := iso8583.NewMessage(rapid.SampledFrom([]string{"0100", "0110", "0220", "0421", "0500", "0510", "0800", "0810"}).Draw(t, "MTI"))
	numbers := slices.DeleteFunc(slices.Sorted(maps.Keys(table)), func(n int) bool { return slices.Contains(left, n) })
	for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom(numbers), 1, 20, rapid.ID).Draw(t, "fields") {
		m.Set(n, drawValue(t, n, table[n].Form, least))
	}
	return m
}

// packings are all that the properties are held in.
func packings() map[string]iso8583.Packing {
	all := map[string]iso8583.Packing{"ascii": iso8583.ASCII(), "bcd": iso8583.BCD(), "ebcdic": iso8583.EBCDIC()}
	vary := func(name string, p iso8583.Packing, change func(*iso8583.Packing)) {
		change(&p)
		all[name] = p
	}
	vary("ascii, raw chip data, D in track 2", iso8583.ASCII(), func(p *iso8583.Packing) { p.Chip, p.Separator = iso8583.InBytes, 'D' })
	vary("ascii, lengths in hex digits", iso8583.ASCII(), func(p *iso8583.Packing) { p.Length = iso8583.InHex })
	vary("ascii, lengths count characters", iso8583.ASCII(), func(p *iso8583.Packing) { p.CountBytes = true })
	vary("bcd, filler 0 on the left", iso8583.BCD(), func(p *iso8583.Packing) { p.FillRight, p.Filler = false, 0 })
	vary("bcd, filler 0 on the right", iso8583.BCD(), func(p *iso8583.Packing) { p.Filler, p.LengthRight = 0, true })
	vary("bcd, filler F on the left", iso8583.BCD(), func(p *iso8583.Packing) { p.FillRight = false })
	vary("bcd, lengths count bytes", iso8583.BCD(), func(p *iso8583.Packing) { p.CountBytes = true })
	vary("bcd, binary lengths", iso8583.BCD(), func(p *iso8583.Packing) { p.Length = iso8583.InBytes })
	vary("ebcdic, hex in ebcdic", iso8583.EBCDIC(), func(p *iso8583.Packing) {
		p.Bitmap, p.Binary = iso8583.InEBCDICHex, iso8583.InEBCDICHex
	})
	return all
}

// TestPackUnpack: what was packed is what is unpacked, in every packing.
func TestPackUnpack(t *testing.T) {
	for name, packing := range packings() {
		t.Run(name, func(t *testing.T) {
			s := iso8583.V1987(packing)
			rapid.Check(t, func(t *rapid.T) {
				m := drawMessage(t, iso8583.Fields1987(), 0)
				m.Extended = rapid.Bool().Draw(t, "extended")
				b, err := s.Pack(m)
				if err != nil {
					t.Fatal(err)
				}
				got, err := s.Unpack(b)
				if err != nil {
					t.Fatalf("%x: %v", b, err)
				}
				same(t, got, m)
			})
		})
	}
}

type fatal interface{ Fatalf(string, ...any) }

// same fails where two messages differ.
func same(t fatal, got, want *iso8583.Message) {
	if got.MTI != want.MTI || !slices.Equal(got.Fields(), want.Fields()) {
		t.Fatalf("%s %v, want %s %v", got.MTI, got.Fields(), want.MTI, want.Fields())
	}
	for _, n := range want.Fields() {
		if got.Get(n) != want.Get(n) {
			t.Fatalf("field %d is %q, want %q", n, got.Get(n), want.Get(n))
		}
	}
}

// TestEveryPrefixIsRefused: no part of a message is a message.
func TestEveryPrefixIsRefused(t *testing.T) {
	for name, packing := range packings() {
		t.Run(name, func(t *testing.T) {
			s := iso8583.V1987(packing)
			rapid.Check(t, func(t *rapid.T) {
				b, err := s.Pack(drawMessage(t, iso8583.Fields1987(), 1))
				if err != nil {
					t.Fatal(err)
				}
				for n := range b {
					if _, err := s.Unpack(b[:n]); err == nil {
						t.Fatalf("the first %d of %d bytes are taken for a message: %x", n, len(b), b)
					}
				}
				if _, err := s.Unpack(append(b, 0)); err == nil {
					t.Fatal("a byte too many is not found")
				}
			})
		})
	}
}
