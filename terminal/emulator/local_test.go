package emulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/terminal"
	"encaisse/terminal/emulator"
	"encaisse/terminal/nexo"
)

// bank authorises in the place of a hub.
type bank struct {
	mu     sync.Mutex
	asked  []terminal.Request
	answer func(terminal.Request) (terminal.Answer, error)
}

func (b *bank) Authorise(_ context.Context, r terminal.Request) (terminal.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, r)
	if b.answer != nil {
		return b.answer(r)
	}
	return terminal.Answer{Approved: true, Code: "00", Approval: "654321"}, nil
}

func (b *bank) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.asked)
}

// till is a till of somebody else beside a reader that stands alone.
type till struct {
	t      testing.TB
	reader *emulator.Emulator
	bank   *bank
	local  *emulator.Local
	key    *nexo.Key
	url    string
	client *http.Client
}

func newTill(t testing.TB, c clock.Clock, clear bool) *till {
	t.Helper()
	key, err := card.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b := &bank{}
	e, err := emulator.New(emulator.Options{Clock: c, Seed: 1, Serial: "77", Authoriser: b, Parameters: &terminal.Parameters{
		Merchant: "Le Fournil des Halles", Currency: "EUR", Zone: "Europe/Paris", Number: 1, Acceptor: "1999887", TerminalID: "00000001",
		Schemes: map[card.Scheme]string{card.CB: "", card.Visa: ""}, ContactlessMax: 50_00, CVMRequired: 50_00,
		PublicKey: key.Public().Bytes(), FingerprintKey: []byte("k"), BudgetSeconds: 60, Language: "fr",
	}})
	if err != nil {
		t.Fatal(err)
	}
	e.Start()
	t.Cleanup(func() { e.Close() })
	derived, err := nexo.DeriveKey("shop", 1, "a passphrase of the shop")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := nexo.NewRing(derived)
	if err != nil {
		t.Fatal(err)
	}
	local := emulator.NewLocal(e, emulator.LocalOptions{Keys: ring, Clear: clear})
	server := httptest.NewTLSServer(local)
	t.Cleanup(server.Close)
	return &till{t, e, b, local, derived, server.URL + "/nexo/", server.Client()}
}

// message is a request of the till.
func (l *till) message(service, class, category string, body func(*nexo.Message)) nexo.Envelope {
	m := &nexo.Message{MessageHeader: nexo.MessageHeader{
		ProtocolVersion: "3.0", MessageClass: class, MessageCategory: category, MessageType: "Request",
		ServiceID: service, SaleID: "TILL1", POIID: l.reader.ID(),
	}}
	body(m)
	return nexo.Envelope{Request: m}
}

func (l *till) payment(service, sale, amount string) nexo.Envelope {
	return l.message(service, "Service", "Payment", func(m *nexo.Message) {
		m.PaymentRequest = &nexo.PaymentRequest{
			SaleData:           nexo.SaleData{SaleTransactionID: nexo.TransactionID{TransactionID: sale, TimeStamp: "2026-11-22T09:30:00Z"}},
			PaymentTransaction: nexo.PaymentTransaction{AmountsReq: nexo.AmountsReq{Currency: "EUR", RequestedAmount: json.Number(amount)}},
		}
	})
}

// send encrypts, posts, decrypts.
func (l *till) send(e nexo.Envelope) *nexo.Message {
	l.t.Helper()
	sealed, err := l.key.Encrypt(e)
	if err != nil {
		l.t.Fatal(err)
	}
	b, err := nexo.Encode(sealed)
	if err != nil {
		l.t.Fatal(err)
	}
	status, answer := l.post(b)
	if status == http.StatusOK && len(answer) == 0 {
		return nil
	}
	outer, err := nexo.Decode(answer)
	if err != nil {
		l.t.Fatalf("%d %s: %v", status, answer, err)
	}
	ring, err := nexo.NewRing(l.key)
	if err != nil {
		l.t.Fatal(err)
	}
	inner, _, err := ring.Decrypt(outer)
	if err != nil {
		l.t.Fatalf("%d %s: %v", status, answer, err)
	}
	if inner.Request != nil {
		return inner.Request
	}
	return inner.Response
}

func (l *till) post(b []byte) (int, []byte) {
	l.t.Helper()
	answer, err := l.client.Post(l.url, "application/json", bytes.NewReader(b))
	if err != nil {
		l.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return answer.StatusCode, text
}

func TestALocalTillIsPaid(t *testing.T) {
	l := newTill(t, clock.NewManual(morning()), false)
	l.reader.Hand(by("cb"))
	paid := l.send(l.payment("1", "sale 1", "12.50")).PaymentResponse
	if paid.Response.Result != "Success" || string(paid.PaymentResult.AmountsResp.AuthorizedAmount) != "12.50" || paid.SaleData.SaleTransactionID.TransactionID != "sale 1" {
		t.Fatalf("%+v", paid)
	}
	if len(paid.PaymentReceipt) != 2 || paid.PaymentResult.PaymentInstrumentData.CardData.MaskedPan != "497010******0055" {
		t.Errorf("%+v", paid)
	}
	// The same sale transaction under a new number is the same payment.
	again := l.send(l.payment("2", "sale 1", "12.50")).PaymentResponse
	if again.POIData.POITransactionID != paid.POIData.POITransactionID || l.bank.count() != 1 {
		t.Errorf("it was paid %d times", l.bank.count())
	}
	status := l.send(l.message("3", "Service", "TransactionStatus", func(m *nexo.Message) {
		m.TransactionStatusRequest = &nexo.TransactionStatusRequest{MessageReference: &nexo.MessageReference{MessageCategory: "Payment", SaleID: "TILL1", ServiceID: "1"}}
	})).TransactionStatusResponse
	if r := status.RepeatedMessageResponse; status.Response.Result != "Success" || r == nil || r.MessageHeader.ServiceID != "1" ||
		r.RepeatedResponseMessageBody.PaymentResponse.POIData.POITransactionID != paid.POIData.POITransactionID {
		t.Errorf("%+v", status)
	}
	back := func(service, amount string) *nexo.ReversalResponse {
		return l.send(l.message(service, "Service", "Reversal", func(m *nexo.Message) {
			m.ReversalRequest = &nexo.ReversalRequest{
				OriginalPOITransaction: nexo.OriginalPOITransaction{POITransactionID: &paid.POIData.POITransactionID}, ReversalReason: "MerchantCancel",
				ReversedAmount: json.Number(amount), SaleData: &nexo.SaleData{SaleTransactionID: nexo.TransactionID{TransactionID: service, TimeStamp: "2026-11-22T09:31:00Z"}},
			}
		})).ReversalResponse
	}
	if r := back("4", "2.50"); r.Response.Result != "Success" || string(r.ReversedAmount) != "2.50" {
		t.Errorf("in part: %+v", r)
	}
	l.reader.Hand(by("visa"))
	if r := back("5", ""); r.Response.ErrorCondition != nexo.NotAllowed || !strings.Contains(r.Response.AdditionalResponse, "other_card") {
		t.Errorf("another card: %+v", r)
	}
	paid.POIData.POITransactionID.TransactionID = "999999"
	if r := back("6", ""); r.Response.ErrorCondition != nexo.NotFound {
		t.Errorf("an unknown payment: %+v", r)
	}
	l.bank.answer = func(terminal.Request) (terminal.Answer, error) { return terminal.Answer{}, context.DeadlineExceeded }
	if r := l.send(l.payment("7", "sale 2", "1")).PaymentResponse; r.Response.ErrorCondition != nexo.UnreachableHost {
		t.Errorf("no host: %+v", r)
	}
	l.bank.answer = nil // that one failed, so the same sale may be tried again
	if r := l.send(l.payment("8", "sale 2", "1")).PaymentResponse; r.Response.Result != "Success" {
		t.Errorf("tried again: %+v", r)
	}
}

// TestALocalPaymentUnderWay: its status, a second one, its abort.
func TestALocalPaymentUnderWay(t *testing.T) {
	l := newTill(t, clock.NewManual(morning()), false)
	first := make(chan *nexo.Message)
	go func() { first <- l.send(l.payment("1", "sale 1", "12.50")) }()
	await(t, l.reader, "a card to be wanted", func() bool { return l.reader.Screen().Show == emulator.ShowInsert })
	status := func() *nexo.TransactionStatusResponse {
		return l.send(l.message(fmt.Sprint(time.Now().UnixNano()%1e9), "Service", "TransactionStatus", func(m *nexo.Message) {
			m.TransactionStatusRequest = &nexo.TransactionStatusRequest{MessageReference: &nexo.MessageReference{MessageCategory: "Payment", ServiceID: "1"}}
		})).TransactionStatusResponse
	}
	if s := status(); s.Response.ErrorCondition != nexo.InProgress {
		t.Errorf("%+v", s)
	}
	if r := l.send(l.payment("2", "sale 2", "1.00")).PaymentResponse; r.Response.ErrorCondition != nexo.Busy || !strings.Contains(r.Response.AdditionalResponse, "service_id=1") {
		t.Errorf("a second one: %+v", r)
	}
	if d := l.send(l.message("3", "Service", "Diagnosis", func(m *nexo.Message) { m.DiagnosisRequest = &nexo.DiagnosisRequest{HostDiagnosisFlag: true} })).DiagnosisResponse; d.POIStatus.GlobalStatus != "Busy" || !d.HostStatus[0].IsReachableFlag {
		t.Errorf("%+v", d)
	}
	if m := l.send(l.message("4", "Service", "Abort", func(m *nexo.Message) {
		m.AbortRequest = &nexo.AbortRequest{AbortReason: "MerchantAbort", MessageReference: nexo.MessageReference{MessageCategory: "Payment", ServiceID: "1"}}
	})); m != nil {
		t.Errorf("an abort has an answer: %+v", m)
	}
	if r := (<-first).PaymentResponse; r.Response.ErrorCondition != nexo.Aborted {
		t.Errorf("%+v", r)
	}
	if s := status(); s.Response.Result != "Success" || s.RepeatedMessageResponse.RepeatedResponseMessageBody.PaymentResponse.Response.ErrorCondition != nexo.Aborted {
		t.Errorf("%+v", s)
	}
}

// TestLocalBadInput: each gets its refusal, nothing is begun, and the next good
// request is answered.
func TestLocalBadInput(t *testing.T) {
	l := newTill(t, clock.NewManual(morning()), false)
	l.reader.Hand(by("cb"))
	sealed := func(e nexo.Envelope) []byte {
		s, err := l.key.Encrypt(e)
		if err != nil {
			t.Fatal(err)
		}
		b, err := nexo.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	clear, err := nexo.Encode(l.payment("20", "sale", "1.00"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := l.payment("21", "sale", "1.00")
	elsewhere.Request.MessageHeader.POIID = "EMU1-78"
	good := sealed(l.payment("22", "sale", "1.00"))
	if status, _ := l.post(good); status != http.StatusOK {
		t.Fatal(status)
	}
	before := l.bank.count()
	for name, c := range map[string]struct {
		body   []byte
		status int
		code   string
	}{
		"nothing":                    {nil, 400, "nexo.malformed"},
		"no JSON":                    {[]byte("{"), 400, "nexo.malformed"},
		"too long":                   {bytes.Repeat([]byte(" "), 200_000), 413, ""},
		"in clear":                   {clear, 403, "nexo.encrypted"},
		"another reader's":           {sealed(elsewhere), 403, "nexo.header"},
		"replayed":                   {good, 409, "nexo.replayed"},
		"altered":                    {bytes.Replace(good, []byte(`"NexoBlob":"`), []byte(`"NexoBlob":"AAAA`), 1), 403, "nexo.encrypted"},
		"an amount with three cents": {sealed(l.payment("23", "s", "1.001")), 400, "money.fraction"},
		"no amount":                  {sealed(l.payment("24", "s", "0")), 400, "nexo.amount"},
		"a negative amount":          {sealed(l.payment("25", "s", "-1")), 400, "nexo.amount"},
	} {
		status, answer := l.post(c.body)
		if status != c.status {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if c.code == "" {
			continue
		}
		e, err := nexo.Decode(answer)
		if err != nil {
			t.Fatalf("%s: %s %v", name, answer, err)
		}
		if e.Request != nil && e.Request.NexoBlob != "" {
			ring, _ := nexo.NewRing(l.key)
			if e, _, err = ring.Decrypt(e); err != nil {
				t.Fatal(err)
			}
		}
		if e.Request == nil || e.Request.EventNotification == nil || e.Request.EventNotification.EventToNotify != "Reject" || !strings.Contains(e.Request.EventNotification.EventDetails, "code="+c.code) {
			t.Errorf("%s: %s", name, answer)
		}
	}
	if l.bank.count() != before {
		t.Error("a refused message was authorised")
	}
	if r := l.send(l.payment("26", "sale 26", "1.00")).PaymentResponse; r.Response.Result != "Success" {
		t.Errorf("after all that: %+v", r)
	}
}

// FuzzLocal sends anything to the endpoint, in clear and as what a blob hides.
func FuzzLocal(f *testing.F) {
	// Without anybody to authorise, nothing runs beside the request: what the fuzzer
	// sees of the code then depends on its input alone.
	l := newTill(f, clock.NewManual(morning()), true)
	alone, err := emulator.New(emulator.Options{Clock: clock.NewManual(morning()), Seed: 1, Serial: "77"})
	if err != nil {
		f.Fatal(err)
	}
	ring, err := nexo.NewRing(l.key)
	if err != nil {
		f.Fatal(err)
	}
	local := emulator.NewLocal(alone, emulator.LocalOptions{Keys: ring, Clear: true})
	for _, e := range []nexo.Envelope{
		l.payment("1", "sale 1", "12.50"),
		l.message("3", "Service", "Diagnosis", func(m *nexo.Message) { m.DiagnosisRequest = &nexo.DiagnosisRequest{} }),
		l.message("4", "Device", "Print", func(m *nexo.Message) { m.PrintRequest = &nexo.PrintRequest{} }),
		l.message("5", "Service", "Reversal", func(m *nexo.Message) { m.ReversalRequest = &nexo.ReversalRequest{} }),
		l.message("6", "Service", "TransactionStatus", func(m *nexo.Message) { m.TransactionStatusRequest = &nexo.TransactionStatusRequest{} }),
		l.message("7", "Device", "Display", func(m *nexo.Message) { m.DisplayRequest = &nexo.DisplayRequest{} }),
	} {
		b, err := nexo.Encode(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		sealed, err := l.key.Encrypt(e)
		if err != nil {
			f.Fatal(err)
		}
		if b, err = nexo.Encode(sealed); err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		local.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/nexo/", bytes.NewReader(body)))
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w.Body.Len() > 0 && w.Code != http.StatusNotFound {
			if _, err := nexo.Decode(w.Body.Bytes()); err != nil {
				t.Errorf("an answer nobody can read: %v %s", err, w.Body)
			}
		}
	})
}
