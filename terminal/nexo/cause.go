package nexo

import (
	"strings"

	"encaisse/terminal"
)

// Results.
const (
	success = "Success"
	failure = "Failure"
)

// ErrorConditions. Readers know more; a string nobody knows is taken too.
const (
	Aborted             = "Aborted"
	Busy                = "Busy"
	Cancel              = "Cancel"
	DeviceOut           = "DeviceOut"
	InProgress          = "InProgress"
	InsertedCard        = "InsertedCard"
	InvalidCard         = "InvalidCard"
	LoggedOut           = "LoggedOut"
	MessageFormat       = "MessageFormat"
	NotAllowed          = "NotAllowed"
	NotFound            = "NotFound"
	PaymentRestriction  = "PaymentRestriction"
	Refusal             = "Refusal"
	UnavailableDevice   = "UnavailableDevice"
	UnavailableService  = "UnavailableService"
	UnreachableHost     = "UnreachableHost"
	WrongPIN            = "WrongPIN"
	communicationFailed = "Communication timeout" // of the issuer, as one vendor writes it
)

// causes is how each cause is said: a condition of nexo, and for people a
// message. cause=… says which of the causes of one condition it is.
var causes = []struct {
	cause     terminal.Cause
	condition string
	message   string
}{
	{terminal.CauseRefused, Refusal, "Refused"},
	{terminal.CauseInsert, Refusal, "Contactless refused, insert card"},
	{terminal.CauseScheme, PaymentRestriction, "Scheme not accepted"},
	{terminal.CauseAffiliation, PaymentRestriction, "Affiliation required"},
	{terminal.CauseCardInvalid, InvalidCard, "Invalid card"},
	{terminal.CauseOtherCard, NotAllowed, "Not the card of the original payment"},
	{terminal.CausePIN, WrongPIN, "Wrong PIN"},
	{terminal.CauseCancelled, Cancel, "Cancelled on the reader"},
	{terminal.CauseExpired, Cancel, "Time is over"},
	{terminal.CauseCardRemoved, Cancel, "Card removed"},
	{terminal.CauseAborted, Aborted, "Aborted by the till"},
	{terminal.CauseHost, UnreachableHost, "Host unreachable"},
	{terminal.CauseLink, UnavailableService, "Link lost"},
	{terminal.CauseBusy, Busy, "Busy"},
	{terminal.CauseDevice, UnavailableDevice, "Out of order"},
	{terminal.CauseOffline, UnavailableDevice, "Offline"},
	{terminal.CauseAsleep, UnavailableDevice, "Asleep"},
}

// conditions is what a condition means where no cause stands beside it.
var conditions = map[string]terminal.Cause{
	Aborted: terminal.CauseAborted, Busy: terminal.CauseBusy, Cancel: terminal.CauseCancelled, DeviceOut: terminal.CauseDevice,
	InProgress: terminal.CauseBusy, InsertedCard: terminal.CauseCardRemoved, InvalidCard: terminal.CauseCardInvalid,
	LoggedOut: terminal.CauseDevice, MessageFormat: terminal.CauseDevice, NotAllowed: terminal.CauseDevice,
	NotFound: terminal.CauseDevice, PaymentRestriction: terminal.CauseScheme, Refusal: terminal.CauseRefused,
	UnavailableDevice: terminal.CauseDevice, UnavailableService: terminal.CauseDevice, UnreachableHost: terminal.CauseHost,
	WrongPIN: terminal.CausePIN, communicationFailed: terminal.CauseHost,
}

// Failure is the response for a cause; the pairs say more. One that no table
// knows is told as it is, under the condition of a reader out of order.
func Failure(cause terminal.Cause, pairs Additional) Response {
	condition, message := UnavailableDevice, "Failed"
	for _, c := range causes {
		if c.cause == cause {
			condition, message = c.condition, c.message
		}
	}
	all := Additional{"cause": string(cause), "message": message}
	for k, v := range pairs {
		all[k] = v
	}
	return Response{Result: failure, ErrorCondition: condition, AdditionalResponse: all.String()}
}

// maxCause is how long the word for a cause may be.
const maxCause = 32

// CauseOf is why a response is no success: what cause=… says, or else what its
// ErrorCondition means.
func CauseOf(r Response, pairs Additional) terminal.Cause {
	if said := pairs["cause"]; said != "" && len(said) <= maxCause && strings.Trim(said, "abcdefghijklmnopqrstuvwxyz_") == "" {
		return terminal.Cause(said)
	}
	if cause, known := conditions[r.ErrorCondition]; known {
		return cause
	}
	return terminal.CauseDevice
}
