package iso8583

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"encaisse/base/problem"
)

// DefaultMaxFrame is the greatest message taken where a Framing does not say:
// several times the greatest that the profile makes.
const DefaultMaxFrame = 8 << 10

// Header is how the length before a message is written.
type Header byte

// Headers. The zero value is TwoBytes.
const (
	TwoBytes       Header = iota // most significant byte first
	TwoBytesLittle               // least significant byte first
	FourDigits                   // ASCII
	FourBytes                    // most significant byte first
)

// size is how many bytes the header has, greatest what it can say.
func (h Header) size() int {
	if h == FourDigits || h == FourBytes {
		return 4
	}
	return 2
}

func (h Header) greatest() int {
	switch h {
	case FourDigits:
		return 9999
	case FourBytes:
		return 1<<31 - 1
	}
	return 1<<16 - 1
}

// TPDU is the five bytes with which network access controllers address a
// message: the identifier 60, whom it is for, whom it is from. An answer has the
// two swapped.
type TPDU struct{ To, From [2]byte }

// Framing is how messages follow one another on a stream.
type Framing struct {
	Header Header
	TPDU   *TPDU // as this end sends it; nil: none
	Max    int   // greatest message, 0: DefaultMaxFrame
}

// Limits of an address.
const (
	tpduID    = 0x60
	tpduBytes = 5
)

// Other is the framing of the other end of the link.
func (f Framing) Other() Framing {
	if f.TPDU != nil {
		f.TPDU = &TPDU{To: f.TPDU.From, From: f.TPDU.To}
	}
	return f
}

// max is the greatest message that may pass.
func (f Framing) max() int {
	if f.Max > 0 {
		return f.Max
	}
	return DefaultMaxFrame
}

// overhead is what the length counts beside the message.
func (f Framing) overhead() int {
	if f.TPDU != nil {
		return tpduBytes
	}
	return 0
}

// ReadFrame reads one message, however the stream was cut. It returns io.EOF
// where the stream ends between two messages and io.ErrUnexpectedEOF where it
// ends inside one. Problem iso8583.frame: what follows cannot be read any more.
func (f Framing) ReadFrame(r *bufio.Reader) ([]byte, error) {
	head := make([]byte, f.Header.size())
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n, ok := f.length(head)
	if !ok {
		return nil, misframed("the length is not digits")
	}
	n -= f.overhead()
	if n <= 0 || n > f.max() {
		return nil, misframed(fmt.Sprintf("length %d, not 1 to %d", n, f.max()))
	}
	if f.TPDU != nil {
		if err := f.readTPDU(r); err != nil {
			return nil, err
		}
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, inside(err)
	}
	return body, nil
}

// length reads the header.
func (f Framing) length(head []byte) (int, bool) {
	switch f.Header {
	case TwoBytesLittle:
		return int(binary.LittleEndian.Uint16(head)), true
	case FourDigits:
		if !digits(string(head)) {
			return 0, false
		}
		n, err := strconv.Atoi(string(head))
		return n, err == nil
	case FourBytes:
		n := binary.BigEndian.Uint32(head)
		return int(min(n, 1<<31-1)), true
	}
	return int(binary.BigEndian.Uint16(head)), true
}

// readTPDU reads the addresses: they must be ours.
func (f Framing) readTPDU(r *bufio.Reader) error {
	var got [tpduBytes]byte
	if _, err := io.ReadFull(r, got[:]); err != nil {
		return inside(err)
	}
	if got != f.Other().tpdu() {
		return misframed("the address (TPDU) is not ours")
	}
	return nil
}

func (f Framing) tpdu() [tpduBytes]byte {
	return [tpduBytes]byte{tpduID, f.TPDU.To[0], f.TPDU.To[1], f.TPDU.From[0], f.TPDU.From[1]}
}

// inside is the error of a stream that ended in the middle of a message.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// WriteFrame writes one message in a single Write. Problem iso8583.frame when it
// is too long; nothing is written then.
func (f Framing) WriteFrame(w io.Writer, b []byte) error {
	frame, err := f.frame(b)
	if err != nil {
		return err
	}
	_, err = w.Write(frame)
	return err
}

// frame is a message with what goes before it.
func (f Framing) frame(b []byte) ([]byte, error) {
	n := len(b) + f.overhead()
	if len(b) == 0 || len(b) > f.max() || n > f.Header.greatest() {
		return nil, misframed(fmt.Sprintf("length %d, not 1 to %d", len(b), f.max()))
	}
	out := make([]byte, 0, f.Header.size()+n)
	switch f.Header {
	case TwoBytesLittle:
		out = binary.LittleEndian.AppendUint16(out, uint16(n))
	case FourDigits:
		out = fmt.Appendf(out, "%04d", n)
	case FourBytes:
		out = binary.BigEndian.AppendUint32(out, uint32(n))
	default:
		out = binary.BigEndian.AppendUint16(out, uint16(n))
	}
	if f.TPDU != nil {
		address := f.tpdu()
		out = append(out, address[:]...)
	}
	return append(out, b...), nil
}

func misframed(why string) error {
	return problem.New(problem.Malformed, "iso8583.frame", "why", why)
}
