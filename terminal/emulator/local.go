package emulator

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"time"

	"encaisse/base/problem"
	"encaisse/terminal"
	"encaisse/terminal/nexo"
)

const (
	// maxLocalBody is how long a request may be: a message in base64, and its frame.
	maxLocalBody = 2*nexo.MaxMessage + 4<<10

	localPath        = "/nexo/"
	localHeadTimeout = 5 * time.Second
	localIdleTimeout = 2 * time.Minute
	// localWriteTimeout is longer than any payment lasts.
	localWriteTimeout = 15 * time.Minute
)

// LocalOptions are what a local endpoint is made of.
type LocalOptions struct {
	Keys *nexo.Ring // of the passphrases that tills know
	// Clear takes messages that are not encrypted, too: for tills that cannot.
	Clear bool
}

// Local is the reader's local endpoint, POST /nexo/: other tills on the same
// network speak nexo with it (Terminal API dialect), encrypted under a passphrase.
type Local struct {
	reader *Emulator
	keys   *nexo.Ring
	clear  bool
	seen   *nexo.Seen
	logins *logins
}

// NewLocal makes the endpoint of a reader. What it authorises, the reader's own
// Authoriser answers.
func NewLocal(e *Emulator, o LocalOptions) *Local {
	return &Local{reader: e, keys: o.Keys, clear: o.Clear, seen: nexo.NewSeen(), logins: newLogins()}
}

// Server is an http.Server that serves it with a certificate of its own.
func (l *Local) Server(certificate tls.Certificate) *http.Server {
	return &http.Server{
		Handler: l, ReadHeaderTimeout: localHeadTimeout, ReadTimeout: localIdleTimeout, WriteTimeout: localWriteTimeout,
		IdleTimeout: localIdleTimeout, MaxHeaderBytes: 32 << 10, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
}

// ServeHTTP answers one message.
func (l *Local) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != localPath {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxLocalBody+1))
	if err != nil || len(body) > maxLocalBody {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	envelope, key, err := l.open(body)
	if err != nil {
		l.refuse(w, envelope, key, err)
		return
	}
	answer, err := l.answer(r, envelope.Request)
	switch {
	case errors.Is(err, errNoAnswer):
		w.WriteHeader(http.StatusOK) // an Abort is answered by the payment it ends
	case errors.Is(err, errGone):
		panic(http.ErrAbortHandler) // the reader was switched off: the connection ends without a word
	case err != nil:
		l.refuse(w, envelope, key, err)
	default:
		header := envelope.Request.MessageHeader
		header.MessageType = "Response"
		answer.MessageHeader = header
		l.write(w, http.StatusOK, nexo.Envelope{Response: answer}, key)
	}
}

var (
	errNoAnswer = errors.New("emulator: answered by nothing")
	errGone     = errors.New("emulator: gone")
)

// open reads a message and decrypts it. What was read comes with a problem too.
func (l *Local) open(body []byte) (nexo.Envelope, *nexo.Key, error) {
	outer, err := nexo.Decode(body)
	if err != nil {
		return outer, nil, err
	}
	if outer.Request == nil {
		return outer, nil, problem.New(problem.Invalid, "nexo.envelope")
	}
	inner, key := outer, (*nexo.Key)(nil)
	switch {
	case outer.Request.NexoBlob != "":
		if inner, key, err = l.keys.Decrypt(outer); err != nil {
			return outer, nil, err
		}
	case !l.clear:
		return outer, nil, problem.New(problem.Forbidden, "nexo.encrypted")
	}
	if inner.Request.MessageHeader.POIID != l.reader.ID() {
		return inner, key, problem.New(problem.Forbidden, "nexo.header").At("MessageHeader.POIID")
	}
	return inner, key, l.seen.Take(inner.Request.MessageHeader, l.reader.clock.Now())
}

// refuse answers with a Reject that names field and reason, never what was said.
func (l *Local) refuse(w http.ResponseWriter, e nexo.Envelope, key *nexo.Key, err error) {
	p := problem.As(err)
	if p == nil {
		p = problem.New(problem.Internal, "internal")
	}
	condition, status := nexo.MessageFormat, http.StatusBadRequest
	switch p.Kind {
	case problem.Forbidden:
		condition, status = nexo.NotAllowed, http.StatusForbidden
	case problem.Conflict:
		condition, status = nexo.NotAllowed, http.StatusConflict
	case problem.TooLarge:
		status = http.StatusRequestEntityTooLarge
	}
	header := nexo.MessageHeader{
		ProtocolVersion: nexo.ProtocolVersion, MessageClass: "Event", MessageCategory: "Event", MessageType: "Notification",
		ServiceID: "0", SaleID: "unknown", POIID: l.reader.ID(),
	}
	if e.Request != nil {
		// What was wrong may be the header itself: it is repeated only where it can be.
		repeated := header
		repeated.ServiceID, repeated.DeviceID, repeated.SaleID = e.Request.MessageHeader.ServiceID, e.Request.MessageHeader.DeviceID, e.Request.MessageHeader.SaleID
		if _, err := nexo.Encode(rejection(repeated, condition, p, l.reader.clock.Now())); err == nil {
			header = repeated
		}
	}
	l.reader.log.Warn("local message refused", "code", p.Code, "field", p.Field)
	l.write(w, status, rejection(header, condition, p, l.reader.clock.Now()), key)
}

func rejection(h nexo.MessageHeader, condition string, p *problem.Error, now time.Time) nexo.Envelope {
	pairs := nexo.Additional{"code": p.Code, "condition": condition, "message": "Message refused"}
	if p.Field != "" {
		pairs["field"] = p.Field
	}
	return nexo.Envelope{Request: &nexo.Message{MessageHeader: h, EventNotification: &nexo.EventNotification{
		TimeStamp: stamp(now), EventToNotify: "Reject", EventDetails: pairs.String(),
	}}}
}

// write sends an envelope, encrypted where the question was.
func (l *Local) write(w http.ResponseWriter, status int, e nexo.Envelope, key *nexo.Key) {
	var err error
	if key != nil {
		e, err = key.Encrypt(e)
	}
	var b []byte
	if err == nil {
		b, err = nexo.Encode(e)
	}
	if err != nil {
		l.reader.log.Error("local answer not encoded", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client is gone: it asks with TransactionStatus
}

// stamp is RFC 3339 with milliseconds.
func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z07:00") }

// answer does what a message asks.
func (l *Local) answer(r *http.Request, m *nexo.Message) (*nexo.Message, error) {
	switch {
	case m.PaymentRequest != nil:
		return l.payment(r.Context(), m)
	case m.ReversalRequest != nil:
		return l.reversal(r.Context(), m)
	case m.TransactionStatusRequest != nil:
		return l.status(m)
	case m.AbortRequest != nil:
		of := m.AbortRequest.MessageReference
		l.reader.abort(localKey(m.MessageHeader, &of))
		return nil, errNoAnswer
	case m.DiagnosisRequest != nil:
		l.reader.Wake()
		return &nexo.Message{DiagnosisResponse: l.diagnosis()}, nil
	case m.PrintRequest != nil:
		return &nexo.Message{PrintResponse: l.print(m.PrintRequest)}, nil
	case m.DisplayRequest != nil:
		return &nexo.Message{DisplayResponse: l.display(m.DisplayRequest)}, nil
	case m.LoginRequest != nil:
		l.logins.add(m.MessageHeader.SaleID)
		return &nexo.Message{LoginResponse: l.login()}, nil
	case m.LogoutRequest != nil:
		l.logins.drop(m.MessageHeader.SaleID)
		return &nexo.Message{LogoutResponse: &nexo.LogoutResponse{Response: nexo.Response{Result: "Success"}}}, nil
	}
	return nil, problem.New(problem.Invalid, "nexo.word")
}

// localKey names a dialogue of a local till: its own, unless the reference names another.
func localKey(h nexo.MessageHeader, of *nexo.MessageReference) memoryKey {
	k := memoryKey{Sale: h.SaleID, Service: h.ServiceID}
	if of != nil {
		k.Service = of.ServiceID
		if of.SaleID != "" {
			k.Sale = of.SaleID
		}
	}
	return k
}

// conclusionOf waits for the end of a dialogue, however long its till listens.
func (l *Local) conclusionOf(done <-chan struct{}, key memoryKey) (terminal.Conclusion, error) {
	for {
		changed := l.reader.Changed()
		status, known := l.reader.status(key)
		if status == terminal.StatusConcluded {
			return *known.Conclusion, nil
		}
		select {
		case <-changed:
		case <-done:
			return terminal.Conclusion{}, errGone
		case <-l.reader.ctx.Done():
			return terminal.Conclusion{}, errGone
		}
	}
}
