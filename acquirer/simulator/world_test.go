package simulator_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"encaisse/acquirer/iso8583"
	"encaisse/acquirer/simulator"
	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/emv"
)

const (
	shop     = "1999887" // of DemoContract
	till     = "00000012"
	patience = 10 * time.Second // of the machine: nothing here takes long
)

// bank is a simulator with both its doors open.
type bank struct {
	*simulator.Simulator
	t       *testing.T
	clock   *clock.Manual
	address string
	control *httptest.Server
	stop    func() // closes the doors; called at the end too
}

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// open starts a bank at noon.
func open(t *testing.T, o simulator.Options) *bank {
	t.Helper()
	b := &bank{t: t, clock: clock.NewManual(noon())}
	if o.Clock == nil {
		o.Clock = b.clock
	}
	var err error
	if b.Simulator, err = simulator.New(o); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.address = listener.Addr().String()
	b.control = httptest.NewServer(b.Control())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(ctx, listener) }()
	stopped := false
	b.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		b.control.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(b.stop)
	return b
}

// line is a connector's end of a link, without a connector.
type line struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	spec *iso8583.Spec
}

func (b *bank) dial() *line {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	return &line{b.t, conn, bufio.NewReader(conn), iso8583.V1987(iso8583.ASCII())}
}

func (l *line) send(m *iso8583.Message) {
	l.t.Helper()
	packed, err := l.spec.Pack(m)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := (iso8583.Framing{}).WriteFrame(l.conn, packed); err != nil {
		l.t.Fatal(err)
	}
}

// frame is the next frame, or why there is none.
func (l *line) frame() ([]byte, error) {
	_ = l.conn.SetReadDeadline(time.Now().Add(patience))
	return iso8583.Framing{}.ReadFrame(l.in)
}

func (l *line) receive() *iso8583.Message {
	l.t.Helper()
	frame, err := l.frame()
	if err != nil {
		l.t.Fatal(err)
	}
	m, err := l.spec.Unpack(frame)
	if err != nil {
		l.t.Fatal(err)
	}
	return m
}

func (l *line) ask(m *iso8583.Message) *iso8583.Message {
	l.t.Helper()
	l.send(m)
	return l.receive()
}

// code asks and returns the response code.
func (l *line) code(m *iso8583.Message) string {
	l.t.Helper()
	return l.ask(m).Get(39)
}

// payment is what a terminal says of a purchase; its methods change it.
type payment struct{ *iso8583.Message }

// pay is a purchase by stripe with a card of the deck.
func pay(trace int, name string, minor int64) payment {
	c := deck(name)
	m := iso8583.NewMessage("0100")
	m.Set(2, c.Number)
	m.Set(3, "000000")
	m.Set(4, fmt.Sprintf("%012d", minor))
	m.Set(7, "1122120000")
	m.Set(11, fmt.Sprintf("%06d", trace))
	m.Set(12, "130000")
	m.Set(13, "1122")
	m.Set(14, c.Expiry)
	m.Set(22, "901")
	m.Set(25, "00")
	m.Set(32, "12345")
	m.Set(35, c.Number+"="+c.Expiry+c.Service+"0000")
	m.Set(41, till)
	m.Set(42, fmt.Sprintf("%-15s", shop))
	m.Set(48, iso8583.Elements{{Type: iso8583.ElementOperation, Value: fmt.Sprintf("op_%06d", trace)}}.String())
	m.Set(49, "978")
	return payment{m}
}

func deck(name string) card.TestCard {
	for _, c := range card.Deck() {
		if c.Name == name {
			return c
		}
	}
	panic("no card " + name)
}

// with sets a field.
func (p payment) with(field int, text string) payment {
	p.Set(field, text)
	return p
}

// without removes fields.
func (p payment) without(fields ...int) payment {
	for _, f := range fields {
		p.Remove(f)
	}
	return p
}

// refund makes it a credit.
func (p payment) refund() payment { return p.with(3, "200000") }

// chipped is the same payment through the chip of its card: entry is 051 or 071,
// cvm what was done about the holder.
func (p payment) chipped(name, entry string, atc uint16, cvm emv.CVMResult, more ...emv.Object) payment {
	c := deck(name)
	p.Remove(35)
	p.Set(22, entry)
	p.Set(23, "0"+c.Sequence)
	p.SetBytes(55, chipData(c, p.Get(4), atc, cvm, more...).Bytes())
	return p
}

// chipData is what a chip proves, with its cryptogram.
func chipData(c card.TestCard, amount string, atc uint16, cvm emv.CVMResult, more ...emv.Object) (list emv.List) {
	aids := map[card.Scheme]string{
		card.CB: "A0000000421010", card.Visa: "A0000000031010", card.Mastercard: "A0000000041010", card.Maestro: "A0000000043060", card.Amex: "A00000002501",
	}
	aid, _ := hex.DecodeString(aids[c.Schemes[0]])
	list.Add(emv.TagDFName, aid)
	list.Add(emv.TagAmount, emv.BCD(amount, 6))
	list.Add(emv.TagAmountOther, make([]byte, 6))
	list.Add(emv.TagTerminalCountry, emv.BCD("250", 2))
	list.Add(emv.TagTVR, make([]byte, 5))
	list.Add(emv.TagCurrency, emv.BCD("978", 2))
	list.Add(emv.TagDate, emv.BCD("261122", 3))
	list.Add(emv.TagType, []byte{0})
	list.Add(emv.TagUnpredictable, []byte{1, 2, 3, 4})
	list.Add(emv.TagAIP, []byte{0x3C, 0})
	list.Add(emv.TagATC, binary.BigEndian.AppendUint16(nil, atc))
	list.Add(emv.TagIAD, []byte{6, 1, 10, 3, 0, 0, 0})
	list.Add(emv.TagCVMResult, cvm[:])
	list.Add(emv.TagCID, []byte{emv.ARQC})
	list = append(list, more...)
	made := emv.TestIssuerKey().CardKey(c.Number, c.Sequence).Cryptogram(list)
	list.Add(emv.TagCryptogram, made[:])
	return list
}

// Results of holder verification.
var (
	noCVM      = emv.CVMResult{0x1F, 0, 2}
	onlinePIN  = emv.CVMResult{0x02, 0, 0}
	offlinePIN = emv.CVMResult{0x44, 3, 2}
)

// code adds a code entered on the reader, checked by the issuer.
func (p payment) code(name, pin string) payment {
	block, _ := hex.DecodeString(emv.PINBlock(pin, deck(name).Number))
	p.SetBytes(52, block)
	return p
}

// reversal is the advice that undoes a payment.
func (p payment) reversal(trace int) payment {
	m := iso8583.NewMessage("0420")
	for _, f := range []int{2, 3, 4, 12, 13, 14, 22, 25, 32, 41, 42, 49} {
		m.Set(f, p.Get(f))
	}
	m.Set(7, "1122120100")
	m.Set(11, fmt.Sprintf("%06d", trace))
	m.Set(48, iso8583.Elements{{Type: iso8583.ElementReason, Value: "4021"}}.String())
	m.Set(90, p.named())
	return payment{m}
}

// named is DE90: how later messages name this one.
func (p payment) named() string {
	return p.MTI[:3] + "0" + p.Get(11) + p.Get(7) + fmt.Sprintf("%011s", p.Get(32)) + strings.Repeat("0", 11)
}

// repeated is the same message, said again.
func (p payment) repeated() payment {
	again := iso8583.NewMessage(iso8583.Repeat(p.MTI))
	for _, f := range p.Fields() {
		again.Set(f, p.Get(f))
	}
	return payment{again}
}

// detail is the line by which a batch clears a payment that was answered.
func (p payment) detail(batch int, answer *iso8583.Message) payment {
	m := iso8583.NewMessage("0220")
	for _, f := range []int{2, 3, 4, 7, 11, 12, 13, 14, 22, 25, 32, 41, 42, 49} {
		m.Set(f, p.Get(f))
	}
	m.Set(37, answer.Get(37))
	m.Set(38, answer.Get(38))
	m.Set(48, iso8583.Elements{{Type: iso8583.ElementBatch, Value: fmt.Sprint(batch)}}.String())
	m.Set(90, p.named())
	return payment{m}
}

// totals are those of a batch.
func totals(trace, batch int, debits, debited, credits, credited int64) payment {
	m := iso8583.NewMessage("0500")
	m.Set(7, "1122230000")
	m.Set(11, fmt.Sprintf("%06d", trace))
	m.Set(12, "000000")
	m.Set(13, "1123")
	m.Set(32, "12345")
	m.Set(41, till)
	m.Set(42, fmt.Sprintf("%-15s", shop))
	m.Set(48, iso8583.Elements{{Type: iso8583.ElementBatch, Value: fmt.Sprint(batch)}}.String())
	m.Set(50, "978")
	m.Set(74, fmt.Sprintf("%010d", credits))
	m.Set(75, fmt.Sprintf("%010d", 0))
	m.Set(76, fmt.Sprintf("%010d", debits))
	m.Set(77, fmt.Sprintf("%010d", 0))
	m.Set(86, fmt.Sprintf("%016d", credited))
	m.Set(87, fmt.Sprintf("%016d", 0))
	m.Set(88, fmt.Sprintf("%016d", debited))
	m.Set(89, fmt.Sprintf("%016d", 0))
	sign, net := "C", credited-debited
	if net < 0 {
		sign, net = "D", -net
	}
	m.Set(97, fmt.Sprintf("%s%016d", sign, net))
	return payment{m}
}

// account is what the bank says of a card.
func (b *bank) account(name string) simulator.Account {
	b.t.Helper()
	for _, a := range b.Accounts() {
		if a.Name == name {
			return a
		}
	}
	b.t.Fatalf("no account %s", name)
	return simulator.Account{}
}

// approval is what the bank holds of a payment.
func (b *bank) approval(p payment) (found []simulator.Approval) {
	for _, a := range b.Approvals() {
		if a.Trace == p.Get(11) && a.Terminal == strings.TrimSpace(p.Get(41)) {
			found = append(found, a)
		}
	}
	return found
}

// play adds steps through the control.
func (b *bank) play(steps ...simulator.Step) {
	b.t.Helper()
	b.must("POST", "/scenario", simulator.Scenario{Steps: steps}, nil)
}

// must calls the control and reads its answer.
func (b *bank) must(method, path string, body, into any) {
	b.t.Helper()
	status, text := b.http(method, path, body)
	if status >= 300 {
		b.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bank) http(method, path string, body any) (int, []byte) {
	b.t.Helper()
	var sent io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			b.t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, b.control.URL+path, sent)
	if err != nil {
		b.t.Fatal(err)
	}
	if sent != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept-Language", "en")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, text
}

// until waits for something to be so.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(patience)
	for !holds() {
		select {
		case <-limit:
			t.Fatal("never: " + what)
		case <-time.After(time.Millisecond):
		}
	}
}
