package iso8583_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"encaisse/acquirer/iso8583"
	"encaisse/base/problem"

	"pgregory.net/rapid"
)

func framings() map[string]iso8583.Framing {
	address := &iso8583.TPDU{To: [2]byte{0x00, 0x03}, From: [2]byte{0x12, 0x34}}
	return map[string]iso8583.Framing{
		"two bytes":             {Header: iso8583.TwoBytes},
		"two bytes, little":     {Header: iso8583.TwoBytesLittle},
		"four digits":           {Header: iso8583.FourDigits},
		"four bytes":            {Header: iso8583.FourBytes},
		"two bytes, addresses":  {Header: iso8583.TwoBytes, TPDU: address},
		"four bytes, addresses": {Header: iso8583.FourBytes, TPDU: address},
	}
}

// TestFrameBytes: what stands before a message of three bytes.
func TestFrameBytes(t *testing.T) {
	for name, want := range map[string]string{
		"two bytes": "0003", "two bytes, little": "0300", "four digits": "30303033", "four bytes": "00000003",
		"two bytes, addresses": "0008 6000031234",
	} {
		var b bytes.Buffer
		if err := framings()[name].WriteFrame(&b, []byte("abc")); err != nil {
			t.Fatal(err)
		}
		if got := b.Bytes(); !bytes.Equal(got, append(unhex(t, want), "abc"...)) {
			t.Errorf("%s: %x", name, got)
		}
	}
}

// TestFrames: messages come out as they went in, however TCP cut or joined them.
func TestFrames(t *testing.T) {
	for name, framing := range framings() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				bodies := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 700), 1, 5).Draw(t, "messages")
				var stream bytes.Buffer
				for _, b := range bodies {
					if err := framing.WriteFrame(&stream, b); err != nil {
						t.Fatal(err)
					}
				}
				whole := stream.Bytes()
				for how, in := range map[string]io.Reader{
					"at once": bytes.NewReader(whole), "byte by byte": iotest.OneByteReader(bytes.NewReader(whole)),
					"in halves": iotest.HalfReader(bytes.NewReader(whole)), "end with data": iotest.DataErrReader(bytes.NewReader(whole)),
				} {
					r := bufio.NewReaderSize(in, 16)
					for i, want := range bodies {
						got, err := framing.Other().ReadFrame(r)
						if err != nil || !bytes.Equal(got, want) {
							t.Fatalf("%s: message %d: %x %v", how, i, got, err)
						}
					}
					if _, err := framing.Other().ReadFrame(r); !errors.Is(err, io.EOF) {
						t.Fatalf("%s: the end is %v", how, err)
					}
				}
				cut := rapid.IntRange(1, len(whole)-1).Draw(t, "cut")
				r := bufio.NewReader(bytes.NewReader(whole[:cut]))
				for read := 0; ; {
					b, err := framing.Other().ReadFrame(r)
					if err != nil {
						inside := read != cut
						if errors.Is(err, io.ErrUnexpectedEOF) != inside {
							t.Fatalf("cut at %d, %d bytes in whole messages: %v", cut, read, err)
						}
						return
					}
					var again bytes.Buffer
					_ = framing.WriteFrame(&again, b)
					read += again.Len()
				}
			})
		})
	}
}

func TestFrameRefuses(t *testing.T) {
	all := framings()
	small := iso8583.Framing{Header: iso8583.FourDigits, Max: 10}
	for _, c := range []struct {
		name    string
		framing iso8583.Framing
		hex     string
	}{
		{"length 0", all["two bytes"], "0000"},
		{"over the greatest", all["two bytes"], "FFFF"},
		{"over the greatest, 4 GB", all["four bytes"], "FFFFFFFF"},
		{"over an agreed greatest", small, "30303131"},
		{"no digits", all["four digits"], "30304142"},
		{"a sign", all["four digits"], "2B303031"},
		{"addresses alone", all["two bytes, addresses"], "0005 6000031234"},
		{"shorter than its addresses", all["two bytes, addresses"], "0003 600003"},
		{"another's address", all["two bytes, addresses"], "0006 6000049999 00"},
		{"no address", all["two bytes, addresses"], "0006 0000031234 00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.framing.ReadFrame(bufio.NewReader(bytes.NewReader(unhex(t, c.hex))))
			if !problem.Is(err, "iso8583.frame") {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, b := range map[string][]byte{"nothing": nil, "too much": make([]byte, 11)} {
		var out strings.Builder
		if err := small.WriteFrame(&out, b); !problem.Is(err, "iso8583.frame") || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes written", name, err, out.Len())
		}
	}
	if err := (iso8583.Framing{Header: iso8583.FourDigits, Max: 20_000}).WriteFrame(io.Discard, make([]byte, 10_000)); err == nil {
		t.Error("four digits say 10000")
	}
}
