package iso8583_test

import (
	"bufio"
	"bytes"
	"testing"

	"encaisse/acquirer/iso8583"
)

// specs are the packings fuzzing runs through, by the first byte of its input.
func specs() []*iso8583.Spec {
	all := packings()
	var out []*iso8583.Spec
	for _, name := range []string{"ascii", "bcd", "ebcdic", "bcd, lengths count bytes", "bcd, filler 0 on the left", "ascii, lengths in hex digits", "ascii, raw chip data, D in track 2", "ebcdic, hex in ebcdic"} {
		out = append(out, iso8583.V1987(all[name]))
	}
	return out
}

// FuzzUnpack: whatever comes is refused or is a message; that message packs, and
// what it packs to is the same message and packs to the same bytes.
func FuzzUnpack(f *testing.F) {
	all := specs()
	for i, s := range all {
		for _, m := range []*iso8583.Message{full(f), signOn(), totals()} {
			b, err := s.Pack(m)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		s := all[int(which)%len(all)]
		m, err := s.Unpack(b)
		if err != nil {
			return
		}
		packed, err := s.Pack(m)
		if err != nil {
			t.Fatalf("%x is a message that cannot be packed: %v", b, err)
		}
		again, err := s.Unpack(packed)
		if err != nil {
			t.Fatalf("%x packs to %x: %v", b, packed, err)
		}
		same(t, again, m)
		twice, err := s.Pack(again)
		if err != nil || !bytes.Equal(twice, packed) {
			t.Fatalf("%x packs to %x, then to %x %v", b, packed, twice, err)
		}
		if err := s.Print(&bytes.Buffer{}, m); err != nil {
			t.Fatal(err)
		}
	})
}

func signOn() *iso8583.Message {
	m := iso8583.NewMessage("0800")
	m.Set(7, "0102150405")
	m.Set(11, "000001")
	m.Set(70, "001")
	return m
}

func totals() *iso8583.Message {
	m := iso8583.NewMessage("0500")
	m.Set(11, "000002")
	m.Set(48, "BN0212")
	m.Set(97, "D0000000000001250")
	return m
}

// FuzzFrame: whatever comes, frames are read until one is refused, none is over
// the greatest, and each is written as it was read.
func FuzzFrame(f *testing.F) {
	for i, name := range []string{"two bytes", "two bytes, little", "four digits", "four bytes", "two bytes, addresses"} {
		var b bytes.Buffer
		for _, body := range []string{"a", "bcd"} {
			if err := framings()[name].Other().WriteFrame(&b, []byte(body)); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(byte(i), b.Bytes())
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		framing := framings()[[]string{"two bytes", "two bytes, little", "four digits", "four bytes", "two bytes, addresses"}[int(which)%5]]
		framing.Max = 1000
		r := bufio.NewReader(bytes.NewReader(b))
		var read bytes.Buffer
		for {
			body, err := framing.ReadFrame(r)
			if err != nil {
				break
			}
			if len(body) == 0 || len(body) > framing.Max {
				t.Fatalf("%d bytes", len(body))
			}
			if err := framing.Other().WriteFrame(&read, body); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(b, read.Bytes()) {
			t.Fatalf("read %x of %x", read.Bytes(), b)
		}
	})
}

// FuzzElements: what is read of DE48 is what is written again.
func FuzzElements(f *testing.F) {
	f.Add("BN0212RR044021")
	f.Add("BN00")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := iso8583.ParseElements(text)
		if err == nil && all.String() != text {
			t.Fatalf("%q becomes %q", text, all.String())
		}
	})
}

func BenchmarkPack(b *testing.B) {
	for _, s := range []struct {
		name string
		spec *iso8583.Spec
	}{{"ascii", iso8583.V1987(iso8583.ASCII())}, {"bcd", iso8583.V1987(iso8583.BCD())}} {
		m := full(b)
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.spec.Pack(m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnpack(b *testing.B) {
	for _, s := range []struct {
		name string
		spec *iso8583.Spec
	}{{"ascii", iso8583.V1987(iso8583.ASCII())}, {"bcd", iso8583.V1987(iso8583.BCD())}} {
		packed, err := s.spec.Pack(full(b))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.spec.Unpack(packed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
