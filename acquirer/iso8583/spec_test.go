package iso8583_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"encaisse/acquirer/iso8583"
	"encaisse/base/problem"
)

// TestFixtures holds both ways against bytes written by hand from the standard
// and from what others were seen to do.
func TestFixtures(t *testing.T) {
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Fact, Packing, MTI, Hex, Text string
		Extended                      bool
		Fields, Binary                map[string]string
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	all := packings()
	for _, v := range vectors {
		t.Run(v.Fact, func(t *testing.T) {
			packing, known := all[v.Packing]
			if !known {
				t.Fatalf("no packing %q", v.Packing)
			}
			m := iso8583.NewMessage(v.MTI)
			m.Extended = v.Extended
			for n, text := range v.Fields {
				m.Set(number(t, n), text)
			}
			for n, text := range v.Binary {
				m.SetBytes(number(t, n), unhex(t, text))
			}
			want := []byte(v.Text)
			if v.Hex != "" {
				want = unhex(t, v.Hex)
			}
			s := iso8583.V1987(packing)
			got, err := s.Pack(m)
			if err != nil || string(got) != string(want) {
				t.Fatalf("packed %x %v\n  want %x", got, err, want)
			}
			back, err := s.Unpack(want)
			if err != nil {
				t.Fatal(err)
			}
			same(t, back, m)
			if back.Extended != v.Extended {
				t.Errorf("extended is %v", back.Extended)
			}
		})
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestUnpackRefuses: what cannot be right is named by field and offset.
func TestUnpackRefuses(t *testing.T) {
	for _, c := range []struct {
		name, packing, hex string
		field, offset      int
	}{
		{"nothing", "bcd", "", 0, 0},
		{"half a message type", "bcd", "01", 0, 0},
		{"a message type that is not digits", "bcd", "0A00 0000000000000000", 0, 0},
		{"half a bitmap", "bcd", "0100 00000000", 1, 2},
		{"a bitmap that is not hex", "ascii", "30313030 3030303030303030303030303030303G", 1, 4},
		{"no second bitmap", "bcd", "0100 8000000000000000", 1, 10},
		{"a field of no table", "bcd", "0100 0000000000000100", 56, 10},
		{"a third bitmap", "bcd", "0100 8000000000000000 8000000000000000", 65, 18},
		{"a field after good ones", "bcd", "0100 0020000000000100 000001", 56, 13},
		{"a field that is too short", "bcd", "0100 0020000000000000 0001", 11, 10},
		{"a nibble that is no digit", "bcd", "0100 0020000000000000 00000A", 11, 10},
		{"a leading nibble that is not zero", "bcd", "0100 0000040000000000 1051", 22, 10},
		{"a length over the greatest", "bcd", "0100 4000000000000000 20 41111111111111111111", 2, 10},
		{"a length that is not digits", "bcd", "0100 4000000000000000 1A 41111111111111111111", 2, 10},
		{"a length that the rest does not have", "bcd", "0100 4000000000000000 16 411111", 2, 11},
		{"no filler where one belongs", "bcd", "0100 0000000100000000 05 300040", 32, 11},
		{"a zero beside the length that is none", "bcd", "0110 0000000000010000 1006 424E30323132", 48, 10},
		{"no sign", "bcd", "0500 8000000000000000 0000000080000000 58 0000000000001250", 97, 18},
		{"a month 13", "bcd", "0800 0200000000000000 1302150405", 7, 10},
		{"a minute 60", "bcd", "0800 0200000000000000 0102156005", 7, 10},
		{"a control character", "ascii", "30313130 30303030303030303032303030303030 300A", 39, 20},
		{"more after the end", "bcd", "0800 0020000000000000 000001 00", 0, 13},
		{"both separators", "ascii, raw chip data, D in track 2", "30313030 30303030303030303230303030303030 3033 313D44", 35, 22},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.ReplaceAll(c.hex, "3G", "47") // G is no hex digit
			_, err := iso8583.V1987(packings()[c.packing]).Unpack(unhex(t, text))
			p := problem.As(err)
			if p == nil || p.Code != "iso8583.malformed" || p.Kind != problem.Malformed || p.Args["field"] != c.field || p.Args["offset"] != c.offset {
				t.Errorf("got %v, want field %d at %d", err, c.field, c.offset)
			}
		})
	}
}

// TestPackRefuses: a value that does not fit is named by field, never shown.
func TestPackRefuses(t *testing.T) {
	for _, c := range []struct {
		name, packing, mti, text string
		field                    int
	}{
		{"no message type", "bcd", "", "", 0},
		{"a message type of letters", "bcd", "01A0", "", 0},
		{"field 0", "bcd", "0100", "1", 0},
		{"field 1", "bcd", "0100", "1", 1},
		{"a field of no table", "bcd", "0100", "1", 56},
		{"a field that no standard has", "bcd", "0100", "1", 129},
		{"a negative field", "bcd", "0100", "1", -1},
		{"too short", "bcd", "0100", "12345", 11},
		{"too long", "bcd", "0100", "1234567", 11},
		{"over the greatest", "bcd", "0100", "41111111111111111111", 2},
		{"letters for digits", "bcd", "0100", "4111X", 2},
		{"no sign", "bcd", "0500", "00000000000001250", 97},
		{"a sign alone", "bcd", "0500", "C", 97},
		{"an accent", "bcd", "0100", "Café    ", 41},
		{"not a date", "bcd", "0100", "0231", 14},
		{"too few bytes", "bcd", "0100", "1234567", 52},
		{"the filler as a character", "bcd", "0100", "41F", 35},
		{"an odd number that bytes cannot tell", "bcd, lengths count bytes, filler 0", "0100", "30004", 32},
	} {
		t.Run(c.name, func(t *testing.T) {
			packing := packings()[c.packing]
			if strings.HasSuffix(c.packing, "filler 0") {
				packing = iso8583.BCD()
				packing.CountBytes, packing.Filler = true, 0
			}
			m := iso8583.NewMessage(c.mti)
			if c.text != "" {
				m.Set(c.field, c.text)
			}
			_, err := iso8583.V1987(packing).Pack(m)
			p := problem.As(err)
			if p == nil || p.Code != "iso8583.value" || p.Args["field"] != c.field {
				t.Fatalf("got %v, want iso8583.value of field %d", err, c.field)
			}
			if len(c.text) > 2 && strings.Contains(err.Error(), c.text) {
				t.Errorf("the problem shows the value: %v", err)
			}
		})
	}
}

// TestSpecRefuses: a table or a packing without meaning is a mistake of the program.
func TestSpecRefuses(t *testing.T) {
	for name, form := range map[string]string{
		"nothing": "", "letters": "q 4", "no size": "n ", "no bytes": "b 7", "zero": "n 0", "prefix too small": "n..100", "date of another size": "n 6; MMDD",
		"one dot": "n.5",
	} {
		if _, err := iso8583.NewSpec(map[int]iso8583.Field{3: {Form: form}}, iso8583.BCD()); err == nil {
			t.Errorf("%s: form %q is taken", name, form)
		}
	}
	for _, n := range []int{-1, 0, 1, 65, 129} {
		if _, err := iso8583.NewSpec(map[int]iso8583.Field{n: {Form: "n 6"}}, iso8583.BCD()); err == nil {
			t.Errorf("field %d is taken", n)
		}
	}
	for name, change := range map[string]func(*iso8583.Packing){
		"bitmap in BCD": func(p *iso8583.Packing) { p.Bitmap = iso8583.InBCD }, "text in BCD": func(p *iso8583.Packing) { p.Text = iso8583.InBCD },
		"no MTI": func(p *iso8583.Packing) { p.MTI = 0 }, "filler 5": func(p *iso8583.Packing) { p.Filler = 5 },
		"separator X": func(p *iso8583.Packing) { p.Separator = 'X' }, "lengths in EBCDIC hex": func(p *iso8583.Packing) { p.Length = iso8583.InEBCDICHex },
	} {
		p := iso8583.BCD()
		change(&p)
		if _, err := iso8583.NewSpec(nil, p); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("V1987 takes a packing without meaning")
		}
	}()
	iso8583.V1987(iso8583.Packing{})
}

func TestMessage(t *testing.T) {
	m := iso8583.NewMessage("0100")
	for _, n := range []int{11, 3, 49, 4, 3} {
		m.Set(n, strconv.Itoa(n))
	}
	m.Set(3, "again")
	m.Set(4, "")
	m.Remove(49)
	m.Remove(48)
	if got := m.Fields(); len(got) != 3 || got[0] != 3 || got[1] != 4 || got[2] != 11 {
		t.Errorf("fields %v", got)
	}
	if m.Get(3) != "again" || m.Has(49) || !m.Has(4) || m.Get(5) != "" || m.Bytes(5) != nil || m.Bytes(4) == nil {
		t.Errorf("%+v", m)
	}
	for mti, want := range map[string]string{
		"0100": "0110", "0101": "0110", "0420": "0430", "0421": "0430", "0500": "0510", "0800": "0810", "0110": "", "0430": "", "01": "", "01X0": "",
	} {
		if got := iso8583.AnswerTo(mti); got != want {
			t.Errorf("%s is answered by %q, want %q", mti, got, want)
		}
	}
	if got := iso8583.Repeat("0420"); got != "0421" {
		t.Errorf("0420 is repeated as %q", got)
	}
}

// TestEBCDIC holds the table against some of the facts everybody knows of it.
func TestEBCDIC(t *testing.T) {
	s := iso8583.V1987(iso8583.EBCDIC())
	for text, want := range map[string]string{
		"AIJRSZ09": "C1C9D1D9E2E9F0F9", "airjszii": "81899991A2A98989", ".,-/ ()&": "4B6B6061404D5D50",
	} {
		m := iso8583.NewMessage("0100")
		m.Set(41, text)
		b, err := s.Pack(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ToUpper(hex.EncodeToString(b[12:])); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestElements(t *testing.T) {
	all := iso8583.Elements{{Type: "BN", Value: "12"}, {Type: "RR", Value: "4021"}, {Type: "AF", Value: ""}}
	text := all.String()
	if text != "BN0212RR044021AF00" {
		t.Errorf("%q", text)
	}
	got, err := iso8583.ParseElements(text)
	if err != nil || len(got) != 3 || got.Get("RR") != "4021" || got.Get("XX") != "" {
		t.Errorf("%v %v", got, err)
	}
	for text, offset := range map[string]int{"B": 0, "BN": 0, "BNX2": 0, "BN05123": 0, "BN0212R": 6} {
		_, err := iso8583.ParseElements(text)
		if p := problem.As(err); p == nil || p.Args["field"] != 48 || p.Args["offset"] != offset {
			t.Errorf("%q: %v", text, err)
		}
	}
	if long := (iso8583.Elements{{Type: "OP", Value: strings.Repeat("x", 150)}}).String(); len(long) != 4+99 {
		t.Errorf("%d characters", len(long))
	}
}
