package nexo

import (
	"strings"

	"encaisse/base/problem"
)

// ProtocolVersion is the one we speak.
const ProtocolVersion = "3.0"

// Limits of a header.
const (
	maxServiceID = 10
	maxPartyID   = 64 // SaleID, POIID
)

// Message types.
const (
	typeRequest      = "Request"
	typeResponse     = "Response"
	typeNotification = "Notification"
)

// Message classes.
const (
	classService = "Service"
	classDevice  = "Device"
	classEvent   = "Event"
)

// Message categories.
const (
	categoryLogin     = "Login"
	categoryLogout    = "Logout"
	categoryPayment   = "Payment"
	categoryReversal  = "Reversal"
	categoryStatus    = "TransactionStatus"
	categoryAbort     = "Abort"
	categoryDiagnosis = "Diagnosis"
	categoryPrint     = "Print"
	categoryDisplay   = "Display"
	categoryEvent     = "Event"
)

// classes is the class of each category we speak.
var classes = map[string]string{
	categoryLogin: classService, categoryLogout: classService, categoryPayment: classService, categoryReversal: classService,
	categoryStatus: classService, categoryAbort: classService, categoryDiagnosis: classService,
	categoryPrint: classDevice, categoryDisplay: classDevice, categoryEvent: classEvent,
}

// body is one member of a message that is a body, and the header it belongs to.
type body struct {
	there          bool
	category, kind string
}

func (m *Message) bodies() [18]body {
	return [...]body{
		{m.LoginRequest != nil, categoryLogin, typeRequest},
		{m.LoginResponse != nil, categoryLogin, typeResponse},
		{m.LogoutRequest != nil, categoryLogout, typeRequest},
		{m.LogoutResponse != nil, categoryLogout, typeResponse},
		{m.PaymentRequest != nil, categoryPayment, typeRequest},
		{m.PaymentResponse != nil, categoryPayment, typeResponse},
		{m.ReversalRequest != nil, categoryReversal, typeRequest},
		{m.ReversalResponse != nil, categoryReversal, typeResponse},
		{m.TransactionStatusRequest != nil, categoryStatus, typeRequest},
		{m.TransactionStatusResponse != nil, categoryStatus, typeResponse},
		{m.AbortRequest != nil, categoryAbort, typeRequest},
		{m.DiagnosisRequest != nil, categoryDiagnosis, typeRequest},
		{m.DiagnosisResponse != nil, categoryDiagnosis, typeResponse},
		{m.PrintRequest != nil, categoryPrint, typeRequest},
		{m.PrintResponse != nil, categoryPrint, typeResponse},
		{m.DisplayRequest != nil, categoryDisplay, typeRequest},
		{m.DisplayResponse != nil, categoryDisplay, typeResponse},
		{m.EventNotification != nil, categoryEvent, typeNotification},
	}
}

// check holds a message against its header. Problems nexo.header and nexo.body
// with the path.
func (m *Message) check(path string, types ...string) error {
	if err := m.MessageHeader.check(path, types); err != nil {
		return err
	}
	count, fits := 0, false
	for _, b := range m.bodies() {
		if b.there {
			count++
			fits = b.category == m.MessageHeader.MessageCategory && b.kind == m.MessageHeader.MessageType
		}
	}
	encrypted := m.NexoBlob != "" || m.SecurityTrailer != nil
	switch {
	case encrypted && (count > 0 || m.NexoBlob == "" || m.SecurityTrailer == nil):
		return problem.New(problem.Invalid, "nexo.body").At(path)
	case !encrypted && (count != 1 || !fits):
		return problem.New(problem.Invalid, "nexo.body").At(path + "." + m.MessageHeader.MessageCategory + m.MessageHeader.MessageType)
	}
	return nil
}

func (h MessageHeader) check(path string, types []string) error {
	class, known := classes[h.MessageCategory]
	fault := ""
	switch {
	case h.ProtocolVersion != "" && h.ProtocolVersion != ProtocolVersion:
		fault = "ProtocolVersion"
	case !known:
		fault = "MessageCategory"
	case h.MessageClass != class:
		fault = "MessageClass"
	case !oneOf(h.MessageType, types) || (h.MessageType == typeNotification) != (class == classEvent):
		fault = "MessageType"
	case h.ServiceID != "" && !validNumber(h.ServiceID), h.ServiceID == "" && (class == classService || h.DeviceID == ""):
		fault = "ServiceID"
	case h.DeviceID != "" && !validNumber(h.DeviceID):
		fault = "DeviceID"
	case !validParty(h.SaleID):
		fault = "SaleID"
	case !validParty(h.POIID):
		fault = "POIID"
	}
	if fault == "" {
		return nil
	}
	return problem.New(problem.Invalid, "nexo.header").At(path + ".MessageHeader." + fault)
}

func oneOf(s string, all []string) bool {
	for _, one := range all {
		if s == one {
			return true
		}
	}
	return false
}

// validNumber tells whether s is a ServiceID or a DeviceID: 1 to 10 letters or digits.
func validNumber(s string) bool {
	if s == "" || len(s) > maxServiceID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			return false
		}
	}
	return true
}

// validParty tells whether s can name a till or a reader.
func validParty(s string) bool {
	return s != "" && len(s) <= maxPartyID && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
