package nexo

import (
	"encaisse/base/problem"
	"encaisse/terminal"
)

// Name is the WebSocket subprotocol of the link: Retailer JSON and what goes with it.
const Name = "nexo-retailer.encaisse.v1"

// SaleID names the hub to readers.
const SaleID = "encaisse"

// nobody is the ServiceID of a Reject about a message that had none.
const nobody = "0"

// Protocol speaks nexo on the link, for the hub and for a reader alike.
type Protocol struct{ software string }

// New makes the protocol; software is the version it tells when it logs in.
func New(software string) Protocol { return Protocol{software} }

// Name is the WebSocket subprotocol.
func (Protocol) Name() string { return Name }

// Encode writes a message. Problem nexo.word for one that says nothing, or
// nothing this protocol has a word for.
func (p Protocol) Encode(m terminal.Message) ([]byte, error) {
	e, err := p.envelope(m)
	if err != nil {
		return nil, err
	}
	return Encode(e)
}

func (p Protocol) envelope(m terminal.Message) (Envelope, error) {
	switch {
	case m.Authorise != nil:
		return Envelope{AuthorisationRequest: authorisationRequest(m.Reader, *m.Authorise)}, nil
	case m.Answered != nil:
		return Envelope{AuthorisationResponse: authorisationResponse(*m.Answered)}, nil
	case m.Configure != nil:
		return configuration(*m.Configure)
	}
	if request := p.request(m); request != nil {
		return Envelope{Request: request}, nil
	}
	if response := p.response(m); response != nil {
		return Envelope{Response: response}, nil
	}
	return Envelope{}, problem.New(problem.Invalid, "nexo.word")
}

// header begins a message: services and devices have a number that pairs them.
func header(m terminal.Message, category, kind string) MessageHeader {
	return MessageHeader{
		ProtocolVersion: ProtocolVersion, MessageClass: classes[category], MessageCategory: category, MessageType: kind,
		ServiceID: m.Service, DeviceID: m.Serial, SaleID: SaleID, POIID: m.Reader,
	}
}

func (p Protocol) request(m terminal.Message) *Message {
	switch {
	case m.Perform != nil:
		return performRequest(m)
	case m.Greet != nil:
		return &Message{MessageHeader: header(m, categoryLogin, typeRequest), LoginRequest: p.loginRequest(m)}
	case m.Abort != nil:
		return &Message{MessageHeader: header(m, categoryAbort, typeRequest), AbortRequest: &AbortRequest{
			AbortReason: "MerchantAbort", MessageReference: reference(*m.Abort, m.Reader),
		}}
	case m.Ask != nil:
		of := reference(*m.Ask, m.Reader)
		return &Message{
			MessageHeader:            header(m, categoryStatus, typeRequest),
			TransactionStatusRequest: &TransactionStatusRequest{MessageReference: &of},
		}
	case m.Print != nil:
		return &Message{MessageHeader: header(m, categoryPrint, typeRequest), PrintRequest: printRequest(*m.Print)}
	case m.Diagnose != nil:
		return &Message{MessageHeader: header(m, categoryDiagnosis, typeRequest), DiagnosisRequest: &DiagnosisRequest{}}
	case m.Progress != nil:
		return &Message{MessageHeader: header(m, categoryDisplay, typeRequest), DisplayRequest: displayRequest(m)}
	case m.Taken != nil, m.Notice != nil, m.Refused != nil:
		h := header(m, categoryEvent, typeNotification)
		if h.ServiceID == "" && h.DeviceID == "" {
			h.ServiceID = nobody
		}
		return &Message{MessageHeader: h, EventNotification: event(m)}
	}
	return nil
}

func (p Protocol) response(m terminal.Message) *Message {
	switch {
	case m.Concluded != nil && m.Kind == terminal.Void:
		return &Message{MessageHeader: header(m, categoryReversal, typeResponse), ReversalResponse: NewReversalResponse(*m.Concluded)}
	case m.Concluded != nil:
		r := NewPaymentResponse(*m.Concluded)
		if m.Kind == terminal.Refund && r.PaymentResult != nil {
			r.PaymentResult.PaymentType = paymentRefund
		}
		return &Message{MessageHeader: header(m, categoryPayment, typeResponse), PaymentResponse: r}
	case m.Told != nil:
		return &Message{MessageHeader: header(m, categoryStatus, typeResponse), TransactionStatusResponse: statusResponse(m)}
	case m.Greeted != nil:
		return &Message{MessageHeader: header(m, categoryLogin, typeResponse), LoginResponse: loginResponse(m)}
	case m.Printed != nil:
		return &Message{MessageHeader: header(m, categoryPrint, typeResponse), PrintResponse: printResponse(*m.Printed)}
	case m.Health != nil:
		return &Message{MessageHeader: header(m, categoryDiagnosis, typeResponse), DiagnosisResponse: diagnosisResponse(*m.Health)}
	}
	return nil
}

// Decode reads a message. Problems: those of [Decode], nexo.word for a message
// that has no place on the link, nexo.time, nexo.additional, nexo.identity,
// nexo.clear_card, those of money and base/id.
func (p Protocol) Decode(b []byte) (terminal.Message, error) {
	e, err := Decode(b)
	m := terminal.Message{}
	message := e.Request
	if message == nil {
		message = e.Response
	}
	if message != nil {
		// Even with a problem: the refusal then says what it refuses.
		h := message.MessageHeader
		m.Reader, m.Service, m.Serial = h.POIID, h.ServiceID, h.DeviceID
	}
	if err != nil {
		return m, err
	}
	switch {
	case e.AuthorisationRequest != nil:
		m.Reader = e.AuthorisationRequest.POIID
		m.Authorise, err = e.AuthorisationRequest.request()
	case e.AuthorisationResponse != nil:
		m.Answered, err = e.AuthorisationResponse.answered()
	case e.Configuration != nil:
		m.Configure, err = e.Configuration.parameters()
	case message.NexoBlob != "":
		err = problem.New(problem.Invalid, "nexo.word") // the link has TLS; a blob is for local endpoints
	case message.MessageHeader.SaleID != SaleID:
		err = problem.New(problem.Forbidden, "nexo.header").At("MessageHeader.SaleID")
	case e.Request != nil:
		err = fromRequest(&m, message)
	default:
		err = fromResponse(&m, message)
	}
	return m, err
}

func fromRequest(m *terminal.Message, from *Message) (err error) {
	switch {
	case from.PaymentRequest != nil:
		m.Perform, err = from.PaymentRequest.dialogue()
	case from.ReversalRequest != nil:
		m.Perform, err = from.ReversalRequest.dialogue()
	case from.LoginRequest != nil:
		m.Greet = &terminal.Greeting{}
		m.At, err = parseTime(from.LoginRequest.DateTime, "LoginRequest.DateTime")
	case from.AbortRequest != nil:
		m.Abort, err = from.AbortRequest.MessageReference.reference()
	case from.TransactionStatusRequest != nil:
		m.Ask, err = from.TransactionStatusRequest.MessageReference.reference()
	case from.PrintRequest != nil:
		m.Print = from.PrintRequest.page()
	case from.DiagnosisRequest != nil:
		m.Diagnose = &terminal.Diagnosis{}
	case from.DisplayRequest != nil:
		err = from.DisplayRequest.progress(m)
	case from.EventNotification != nil:
		err = from.EventNotification.read(m)
	default:
		err = problem.New(problem.Invalid, "nexo.word")
	}
	return err
}

func fromResponse(m *terminal.Message, from *Message) (err error) {
	switch {
	case from.PaymentResponse != nil:
		m.Kind = terminal.Payment
		m.Concluded, err = from.PaymentResponse.Conclusion()
		if from.PaymentResponse.PaymentResult != nil && from.PaymentResponse.PaymentResult.PaymentType == paymentRefund {
			m.Kind = terminal.Refund
		}
	case from.ReversalResponse != nil:
		m.Kind = terminal.Void
		m.Concluded, err = from.ReversalResponse.Conclusion()
	case from.TransactionStatusResponse != nil:
		m.Told, err = from.TransactionStatusResponse.told()
	case from.LoginResponse != nil:
		err = from.LoginResponse.read(m)
	case from.PrintResponse != nil:
		m.Printed, err = from.PrintResponse.printed()
	case from.DiagnosisResponse != nil:
		m.Health, err = from.DiagnosisResponse.health()
	default:
		err = problem.New(problem.Invalid, "nexo.word")
	}
	return err
}
