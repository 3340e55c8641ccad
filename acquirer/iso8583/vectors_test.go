package iso8583_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"encaisse/acquirer/iso8583"
	"encaisse/base/problem"
)

// The vectors that moov-io publishes with its library, and the table of fields
// they were made with. They are read where they lie, beside the project.
const vectorFolder = "../../../shared/data/vectors/iso8583/moov"

func vector(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorFolder, name))
	if os.IsNotExist(err) {
		if _, missing := os.Stat("../../../shared/data"); missing == nil {
			t.Fatalf("the vectors are gone: %v", err)
		}
		t.Skip("needs ../shared/data/vectors/iso8583")
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// published is the table of specification_ver_1987.json. Its library counts the
// sign of x+n 8 among the eight.
func published(t *testing.T) map[int]iso8583.Field {
	t.Helper()
	var file struct {
		Elements map[string]struct{ Describe, Description string }
	}
	if err := json.Unmarshal(vector(t, "specification_ver_1987.json"), &file); err != nil {
		t.Fatal(err)
	}
	table := map[int]iso8583.Field{}
	for name, element := range file.Elements {
		number, err := strconv.Atoi(name)
		if err != nil {
			t.Fatal(err)
		}
		if number == 1 || number == 65 {
			continue // bitmaps
		}
		table[number] = iso8583.Field{Form: element.Describe, Name: element.Description}
	}
	if len(table) != 126 {
		t.Fatalf("%d fields", len(table))
	}
	return table
}

// moov is "CHAR, HEX, CHAR, CHAR, ASCII, HEX, EBCDIC" of the same file.
func moov() iso8583.Packing {
	p := iso8583.ASCII()
	p.Track = iso8583.InEBCDIC
	return p
}

func spec(t *testing.T, table map[int]iso8583.Field, p iso8583.Packing) *iso8583.Spec {
	t.Helper()
	s, err := iso8583.NewSpec(table, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPublishedVectors unpacks each message, holds some fields against what its
// publisher says of it, and packs it again: the bytes are the same.
func TestPublishedVectors(t *testing.T) {
	with := func(change func(*iso8583.Packing)) iso8583.Packing {
		p := moov()
		change(&p)
		return p
	}
	for _, c := range []struct {
		file    string
		packing iso8583.Packing
		fields  map[int]string
	}{
		{"iso_reversal_message.dat", moov(), reversal},
		{"iso_reversal_message_response.dat", moov(), map[int]string{11: "100331", 39: "00"}},
		{"iso_reversal_repeat_message.dat", moov(), map[int]string{11: "200331"}},
		{"iso_reversal_repeat_message_response.dat", moov(), map[int]string{11: "200331", 39: "00"}},
		{"iso_reversal_message_advice.dat", moov(), map[int]string{2: "", 25: "33", 32: "00011122233"}},
		{"iso_reversal_message_advice_missing_field.dat", moov(), map[int]string{25: "33"}},
		{"iso_reversal_message_advice_unexpected_field.dat", moov(), map[int]string{13: "0909", 14: "0809"}},
		{"financial_transaction_message.dat", moov(), map[int]string{3: "380000", 37: "000000115604", 42: "0800411        "}},
		{"financial_transaction_message_response.dat", moov(), map[int]string{39: "00"}},
		{"network_management_message.dat", moov(), map[int]string{7: "0420090613", 70: "001"}},
		{"network_management_message_response.dat", moov(), map[int]string{39: "00"}},
		{"network_management_message_with_track.dat", moov(), map[int]string{35: "FFF", 70: "001"}},
		{"message_with_character_ebcdic_encoding.dat", with(func(p *iso8583.Packing) { p.Text = iso8583.InEBCDIC }), map[int]string{42: "ABCDEFGHIJKLMNO"}},
		{"message_with_number_bcd_encoding.dat", with(func(p *iso8583.Packing) { p.Number = iso8583.InBCD }), map[int]string{7: "0420090613", 11: "900001", 12: "090613"}},
		{"message_with_hex_length.dat", with(func(p *iso8583.Packing) { p.Length = iso8583.InHex }), map[int]string{32: "00000000000"}},
		{"message_with_hex_bcd.dat", with(func(p *iso8583.Packing) { p.Length, p.LengthRight = iso8583.InBCD, true }), map[int]string{48: "00000000"}},
		{"message_with_hex_rbcd.dat", with(func(p *iso8583.Packing) { p.Length = iso8583.InBCD }), map[int]string{48: "00000000"}},
		{"message_with_indicate_numeric.dat", moov(), map[int]string{28: "C0000000"}},
	} {
		t.Run(strings.TrimSuffix(c.file, ".dat"), func(t *testing.T) {
			bytes := vector(t, c.file)
			table := published(t)
			table[28] = iso8583.Field{Form: "x+n 7", Name: "Amount, transaction fee"}
			s := spec(t, table, c.packing)
			m, err := s.Unpack(bytes)
			if err != nil {
				t.Fatal(err)
			}
			for number, want := range c.fields {
				if got := m.Get(number); got != want || !m.Has(number) {
					t.Errorf("field %d is %q, want %q", number, got, want)
				}
			}
			again, err := s.Pack(m)
			if err != nil {
				t.Fatal(err)
			}
			if string(again) != string(bytes) {
				t.Errorf("packed again:\n%q\nwant\n%q", again, bytes)
			}
		})
	}
}

// reversal is iso_reversal_message.json.
var reversal = map[int]string{
	2: "1111111110000000000", 3: "180000", 4: "000000030000", 7: "0109080646", 11: "100331", 12: "001120", 13: "0909",
	15: "0809", 18: "9601", 32: "", 37: "600020000000", 42: "00003430003948 ", 48: "08110012000004096565733200000003000001",
	49: "360", 55: "003317000394809080646510000000", 63: "132", 90: "020000331609080645190000000020000000000000",
}

// TestPublishedVectorFromFields builds the message from the published JSON alone.
func TestPublishedVectorFromFields(t *testing.T) {
	var file struct {
		MTI      string
		Elements map[string]string
	}
	if err := json.Unmarshal(vector(t, "iso_reversal_message.json"), &file); err != nil {
		t.Fatal(err)
	}
	m := iso8583.NewMessage(file.MTI)
	for name, text := range file.Elements {
		if number, _ := strconv.Atoi(name); number > 1 {
			m.Set(number, text)
		}
	}
	got, err := spec(t, published(t), moov()).Pack(m)
	if err != nil {
		t.Fatal(err)
	}
	if want := vector(t, "iso_reversal_message.dat"); string(got) != string(want) {
		t.Errorf("packed\n%q\nwant\n%q", got, want)
	}
}

// TestPublishedErrors: what its publisher calls an error is one here, and the
// problem says where.
func TestPublishedErrors(t *testing.T) {
	for _, c := range []struct {
		file  string
		field int
	}{
		{"error_message.dat", 55},
		{"iso_reversal_message_error_date.dat", 13},
		{"network_management_message_with_error_track.dat", 35},
		{"message_with_error_indicate_numeric.dat", 28},
	} {
		t.Run(c.file, func(t *testing.T) {
			table := published(t)
			table[28] = iso8583.Field{Form: "x+n 7", Name: "Amount, transaction fee"}
			_, err := spec(t, table, moov()).Unpack(vector(t, c.file))
			p := problem.As(err)
			if p == nil || p.Code != "iso8583.malformed" || p.Args["field"] != c.field {
				t.Errorf("got %v, want iso8583.malformed at field %d", err, c.field)
			}
		})
	}
}

// TestTableAgainstPublished holds our table of 1987 against the published one.
func TestTableAgainstPublished(t *testing.T) {
	// Where ours differs, and why.
	differs := map[int]string{
		44: "ans..25",   // hosts answer sentences
		45: "ans..76",   // track 1 has ^ and /
		47: "ans...999", // as 48
		48: "ans...999", // elements of any characters
		54: "ans...120", // as 48
		55: "b...255",   // EMV objects are bytes
	}
	theirs := published(t)
	for number, ours := range iso8583.Fields1987() {
		want := theirs[number].Form
		if differs[number] != "" {
			want = differs[number]
		}
		if ours.Form != want {
			t.Errorf("field %d is %q, published as %q", number, ours.Form, want)
		}
	}
}
