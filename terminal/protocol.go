package terminal

import (
	"time"

	"encaisse/base/id"
)

// Protocol is how the hub and a reader speak on their link. It turns messages
// of either side into bytes and back; cmd names the implementations.
type Protocol interface {
	// Name is the WebSocket subprotocol.
	Name() string
	// Encode writes a message.
	Encode(m Message) ([]byte, error)
	// Decode reads one. It fails with a problem that names a field and never a
	// value. With the problem comes what could be read of Reader and Service, so
	// that the refusal says what it refuses.
	Decode(b []byte) (Message, error)
}

// MaxMessage is how many bytes one message may have, in either direction.
const MaxMessage = 64 << 10

// Message is one message of a link in neutral words. One of the pointers is
// set; which ones are for the hub to say and which for the reader stands beside
// them.
type Message struct {
	Reader  string `json:"reader,omitempty"`  // the device: model and serial number
	Service string `json:"service,omitempty"` // the number of a request, unique for the reader during 48 hours; its answer repeats it
	Serial  string `json:"serial,omitempty"`  // the reader's own number of a message without answer: the same again is a replay
	Kind    Kind   `json:"kind,omitempty"`    // of the dialogue that a final word is about

	At time.Time `json:"at"` // when it was said, by the clock of who said it

	// The hub's.
	Greet     *Greeting   `json:"greet,omitempty"` // the first word on a link
	Perform   *Dialogue   `json:"perform,omitempty"`
	Abort     *Reference  `json:"abort,omitempty"` // has no answer of its own: the dialogue's final word is the answer
	Ask       *Reference  `json:"ask,omitempty"`
	Print     *Page       `json:"print,omitempty"`
	Diagnose  *Diagnosis  `json:"diagnose,omitempty"`
	Configure *Parameters `json:"-"` // holds a key: never a row
	Answered  *Answered   `json:"answered,omitempty"`
	Taken     *Taken      `json:"taken,omitempty"`

	// The reader's.
	Greeted   *Greeted    `json:"greeted,omitempty"`
	Progress  *Progress   `json:"progress,omitempty"`
	Authorise *Request    `json:"authorise,omitempty"`
	Concluded *Conclusion `json:"concluded,omitempty"` // repeated until Taken
	Told      *Told       `json:"told,omitempty"`      // answers Ask
	Printed   *Printed    `json:"printed,omitempty"`   // answers Print
	Health    *Health     `json:"health,omitempty"`    // answers Diagnose
	Notice    *Notice     `json:"notice,omitempty"`

	// Either's.
	Refused *Refusal `json:"refused,omitempty"` // a message that was not taken
}

// Greeting is the hub's first word. A reader answers with Greeted.
type Greeting struct{}

// Greeted says who a reader is and how it is.
type Greeted struct {
	Model    string `json:"model"`
	Serial   string `json:"serial"` // must be the one the credential was given to
	Software string `json:"software"`
	Health   Health `json:"health"`
}

// Reference names a dialogue by the request that began it.
type Reference struct {
	Service string `json:"service"`
	Kind    Kind   `json:"kind"`
}

// Page is text for a reader's roll.
type Page struct {
	Lines []string `json:"lines"`
}

// Diagnosis asks a reader how it is; it wakes one that sleeps on its link.
type Diagnosis struct{}

// Answered carries the answer to a request for authorisation.
type Answered struct {
	Attempt  id.Attempt `json:"attempt"`
	Exchange string     `json:"exchange"`
	Answer   Answer     `json:"answer"`
}

// Taken acknowledges a final word: it is kept, the reader may forget it.
type Taken struct {
	Attempt id.Attempt `json:"attempt"`
}

// Progress is a stage a reader has reached.
type Progress struct {
	Attempt id.Attempt `json:"attempt"`
	Stage   Stage      `json:"stage"` // empty: one that no screen shows
}

// Told answers a question about a dialogue.
type Told struct {
	Of         Reference   `json:"of"` // without Service where the reader does not repeat it
	Status     Status      `json:"status"`
	Conclusion *Conclusion `json:"conclusion,omitempty"`
}

// Printed answers a request to print.
type Printed struct {
	Done    bool    `json:"done"`
	Printer Printer `json:"printer,omitempty"` // why not
}

// Printer is the state of a reader's printer.
type Printer string

// States of a printer.
const (
	PrinterOK    Printer = "ok"
	PrinterLow   Printer = "low" // little paper left
	PrinterEmpty Printer = "empty"
	PrinterJam   Printer = "jam"
	PrinterFault Printer = "fault" // cover open, too hot, broken
	PrinterNone  Printer = "none"
)

// Health is how a reader says it is.
type Health struct {
	Battery  int64   `json:"battery_percent"` // -1: on mains, or not told
	Charging bool    `json:"charging,omitempty"`
	Network  string  `json:"network,omitempty"` // wifi, cellular, ethernet
	Printer  Printer `json:"printer,omitempty"`
	Asleep   bool    `json:"asleep,omitempty"` // on its link all the same (SRC-044)
	Faulty   bool    `json:"faulty,omitempty"` // out of order: tamper, card reader, PIN pad
}

// News is what a reader tells without being asked.
type News string

// News.
const (
	NewsSleep  News = "sleep"  // it goes to sleep; its link may end now (SRC-043)
	NewsWake   News = "wake"   // it is awake again, on the same link
	NewsLeave  News = "leave"  // it is switched off
	NewsHealth News = "health" // something in its health changed
	NewsOther  News = "other"  // nothing the hub works with
)

// Notice is one piece of news, with the reader's health where it was told.
type Notice struct {
	News   News    `json:"news"`
	Health *Health `json:"health,omitempty"`
}

// Refusal says that a message was not taken, and why: a problem's code, with
// the field to blame. It never repeats what the message said.
type Refusal struct {
	Condition Condition `json:"condition"`
	Code      string    `json:"code"`
	Field     string    `json:"field,omitempty"`
}

// Condition sorts refusals by what the other side can do about them.
type Condition string

// Conditions.
const (
	ConditionFormat     Condition = "format"      // it cannot be read
	ConditionNotAllowed Condition = "not_allowed" // not from this reader, or not now
	ConditionNotFound   Condition = "not_found"   // it is about something unknown
	ConditionBusy       Condition = "busy"        // too much at once: again, later
)
