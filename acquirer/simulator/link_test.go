package simulator_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"encaisse/acquirer/iso8583"
	"encaisse/acquirer/simulator"
)

func (l *line) sendRaw(t *testing.T, body []byte) {
	t.Helper()
	if err := (iso8583.Framing{Max: 1 << 15}).WriteFrame(l.conn, body); err != nil {
		t.Fatal(err)
	}
}

// TestBadFrames: what cannot be read is answered by nobody and harms nobody; what
// cannot be told apart any more ends the link.
func TestBadFrames(t *testing.T) {
	good, err := iso8583.V1987(iso8583.ASCII()).Pack(pay(7, "visa", 100).Message)
	if err != nil {
		t.Fatal(err)
	}
	answered, err := iso8583.V1987(iso8583.ASCII()).Pack(&iso8583.Message{MTI: "0110"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		send func(t *testing.T, l *line)
		ends bool
	}{
		"noise":             {func(t *testing.T, l *line) { l.sendRaw(t, bytes.Repeat([]byte{0xFF}, 100)) }, false},
		"half a message":    {func(t *testing.T, l *line) { l.sendRaw(t, good[:len(good)/2]) }, false},
		"more than it is":   {func(t *testing.T, l *line) { l.sendRaw(t, append(bytes.Clone(good), '0')) }, false},
		"an answer":         {func(t *testing.T, l *line) { l.sendRaw(t, answered) }, false},
		"too long":          {func(t *testing.T, l *line) { l.sendRaw(t, make([]byte, 9000)) }, true},
		"of no length":      {func(t *testing.T, l *line) { l.write(t, []byte{0, 0}) }, true},
		"cut in its head":   {func(t *testing.T, l *line) { l.write(t, []byte{0}); l.conn.Close() }, true},
		"cut in its body":   {func(t *testing.T, l *line) { l.write(t, []byte{1, 0, '0', '1'}); l.conn.Close() }, true},
		"gone with no word": {func(t *testing.T, l *line) { l.conn.Close() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, simulator.Options{})
			l, neighbour := b.dial(), b.dial()
			if got := neighbour.code(pay(1, "visa", 100).Message); got != "00" {
				t.Fatal(got)
			}
			c.send(t, l)
			if c.ends {
				until(t, "the link has ended", func() bool { return links(b) == 1 })
			} else if got := l.code(pay(2, "visa", 100).Message); got != "00" {
				t.Errorf("the link: %s", got)
			}
			if got := neighbour.code(pay(3, "visa", 100).Message); got != "00" {
				t.Errorf("the neighbour: %s", got)
			}
		})
	}
}

func links(b *bank) int { return b.Status().Links }

func (l *line) write(t *testing.T, raw []byte) {
	t.Helper()
	if _, err := l.conn.Write(raw); err != nil {
		t.Fatal(err)
	}
}

// TestSplitMessages: however the network cuts it, a message is a message.
func TestSplitMessages(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	var frames bytes.Buffer
	for i := range 3 {
		packed, err := l.spec.Pack(pay(i, "visa", 100).Message)
		if err != nil {
			t.Fatal(err)
		}
		if err := (iso8583.Framing{}).WriteFrame(&frames, packed); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range frames.Bytes() {
		l.write(t, []byte{one})
	}
	for i := range 3 {
		if got := l.receive(); got.Get(39) != "00" {
			t.Errorf("%d: %s", i, got.Get(39))
		}
	}
}

// TestLinksAreBounded: one more than there is room for is closed at once.
func TestLinksAreBounded(t *testing.T) {
	const most = 1024
	b := open(t, simulator.Options{})
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range most {
		c, err := net.Dial("tcp", b.address)
		if err != nil {
			t.Skipf("coverage: this machine allows no %d sockets: %v", most, err)
		}
		open = append(open, c)
	}
	until(t, "all are in", func() bool { return links(b) == most })
	over := b.dial()
	if _, err := over.frame(); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want the end of the link", err)
	}
	open[0].Close()
	until(t, "one has left", func() bool { return links(b) == most-1 })
	if got := b.dial().code(pay(1, "visa", 100).Message); got != "00" {
		t.Errorf("%s", got)
	}
}

// TestPackings: the host speaks whatever packing and framing both ends agreed on.
func TestPackings(t *testing.T) {
	for name, o := range map[string]simulator.Options{
		"BCD":    {Spec: iso8583.V1987(iso8583.BCD()), Framing: iso8583.Framing{Header: iso8583.TwoBytesLittle}},
		"EBCDIC": {Spec: iso8583.V1987(iso8583.EBCDIC()), Framing: iso8583.Framing{Header: iso8583.FourDigits}},
		"TPDU":   {Framing: iso8583.Framing{Header: iso8583.FourBytes, TPDU: &iso8583.TPDU{To: [2]byte{0, 3}, From: [2]byte{0, 0}}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, o)
			l := b.dial()
			if o.Spec != nil {
				l.spec = o.Spec
			}
			m := pay(1, "cb", 1250).chipped("cb", "051", 1, offlinePIN)
			packed, err := l.spec.Pack(m.Message)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range []simulator.Behaviour{simulator.DoAnswer, simulator.DoOversized} {
				b.play(simulator.Step{Do: fault})
				if err := o.Framing.WriteFrame(l.conn, packed); err != nil {
					t.Fatal(err)
				}
				frame, err := o.Framing.ReadFrame(l.in)
				if fault == simulator.DoOversized {
					if err == nil {
						t.Error("an oversized frame was taken")
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				answer, err := l.spec.Unpack(frame)
				if err != nil || answer.Get(39) != "00" || answer.Get(41) != till {
					t.Errorf("%v %v", answer, err)
				}
			}
		})
	}
}
