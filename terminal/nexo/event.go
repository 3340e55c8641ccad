package nexo

import (
	"strings"

	"encaisse/base/id"
	"encaisse/terminal"
)

// Events of EventToNotify that mean something on the link.
const (
	eventCompleted     = "Completed"
	eventReject        = "Reject"
	eventShutdown      = "Shutdown"
	eventInitialised   = "Initialised"
	eventWakeUp        = "SaleWakeUp"
	eventOutOfOrder    = "OutOfOrder"
	eventAlarm         = "SecurityAlarm"
	eventStatusChanged = "StatusChanged" // ours: health, and nothing else
)

// stateSleep is what a reader's newstate is when it shuts down to sleep.
const stateSleep = "SLEEP"

// refusals is how a message that was not taken is sorted, in both vocabularies.
var refusals = []struct {
	condition terminal.Condition
	nexo      string
}{
	{terminal.ConditionFormat, MessageFormat},
	{terminal.ConditionNotAllowed, NotAllowed},
	{terminal.ConditionNotFound, NotFound},
	{terminal.ConditionBusy, Busy},
}

func event(m terminal.Message) *EventNotification {
	e := &EventNotification{TimeStamp: formatTime(m.At)}
	switch {
	case m.Taken != nil:
		e.EventToNotify = eventCompleted
		e.EventDetails = Additional{"transaction_id": string(m.Taken.Attempt), "message": "acknowledged"}.String()
	case m.Refused != nil:
		e.EventToNotify = eventReject
		pairs := Additional{"code": m.Refused.Code, "field": m.Refused.Field, "message": "Message refused"}
		for _, r := range refusals {
			if r.condition == m.Refused.Condition {
				pairs["condition"] = r.nexo
			}
		}
		if at := strings.LastIndex(m.Refused.Field, "."); at > 0 {
			pairs["errors"] = "At " + m.Refused.Field[:at] + ", field " + m.Refused.Field[at+1:]
		}
		e.EventDetails = pairs.String()
	default:
		notice(e, *m.Notice)
	}
	return e
}

func notice(e *EventNotification, n terminal.Notice) {
	pairs := Additional{}
	if n.Health != nil {
		pairs = healthPairs(*n.Health)
	}
	switch n.News {
	case terminal.NewsSleep:
		e.EventToNotify = eventShutdown
		pairs["newstate"] = stateSleep
	case terminal.NewsLeave:
		e.EventToNotify = eventShutdown
	case terminal.NewsWake:
		e.EventToNotify = eventInitialised
	default:
		e.EventToNotify = eventStatusChanged
	}
	e.EventDetails = pairs.String()
}

func (e *EventNotification) read(m *terminal.Message) error {
	pairs, err := ParseAdditional(e.EventDetails)
	if err != nil {
		return err
	}
	if m.At, err = parseTime(e.TimeStamp, "EventNotification.TimeStamp"); err != nil {
		return err
	}
	switch e.EventToNotify {
	case eventCompleted:
		attempt, err := id.Parse[id.Attempt](pairs["transaction_id"])
		if err != nil {
			return identity("EventNotification.EventDetails.transaction_id")
		}
		m.Taken = &terminal.Taken{Attempt: attempt}
	case eventReject:
		m.Refused = &terminal.Refusal{Condition: terminal.ConditionNotAllowed, Code: cut(pairs["code"]), Field: cut(pairs["field"])}
		for _, r := range refusals {
			if r.nexo == pairs["condition"] {
				m.Refused.Condition = r.condition
			}
		}
	default:
		m.Notice = e.news(pairs)
	}
	return nil
}

// maxRefusal bounds what is kept of the other side's reason: it goes into the log.
const maxRefusal = 200

func cut(s string) string { return s[:min(len(s), maxRefusal)] }

func (e *EventNotification) news(pairs Additional) *terminal.Notice {
	n := &terminal.Notice{News: terminal.NewsOther}
	told := pairs["battery"] != "" || pairs["network"] != "" || pairs["printer"] != ""
	faulty := e.EventToNotify == eventOutOfOrder || e.EventToNotify == eventAlarm
	if told || faulty {
		h := health(nil, pairs)
		h.Faulty = h.Faulty || faulty
		n.Health, n.News = &h, terminal.NewsHealth
	}
	switch e.EventToNotify {
	case eventShutdown:
		n.News = terminal.NewsLeave
		if pairs["newstate"] == stateSleep {
			n.News = terminal.NewsSleep
		}
	case eventInitialised, eventWakeUp:
		n.News = terminal.NewsWake
	}
	return n
}
