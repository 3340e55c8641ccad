package payment

import (
	"fmt"
	"slices"
	"strings"
)

// State of a payment, an attempt or an operation.
type State string

// The states. Each subject has some of them: see [Graphs].
const (
	Prepared     State = "prepared"      // committed, nothing has gone out
	Sent         State = "sent"          // it may have gone out
	Unknown      State = "unknown"       // nobody knows what became of it; it is asked, or undone
	Approved     State = "approved"      // of an operation
	Declined     State = "declined"      // of an operation
	NotPerformed State = "not_performed" // of an operation: it did not happen
	Abandoned    State = "abandoned"     // of an attempt: the cashier gave it up, an approval is undone
	Succeeded    State = "succeeded"     // of an attempt or a payment
	Failed       State = "failed"        // of an attempt or a payment
	Processing   State = "processing"    // of a payment
	Canceled     State = "canceled"      // of a payment: voided
	Orphaned     State = "orphaned"      // of a payment: approved, but its owner could not take it; undone
)

// Event is what may happen to a subject.
type Event string

// The events.
const (
	Begin   Event = "begin"   // it is written for the first time
	Send    Event = "send"    // about to go out
	Approve Event = "approve" // the host says yes
	Decline Event = "decline" // the host, or we, say no
	Miss    Event = "miss"    // it did not happen
	Silence Event = "silence" // no word came
	Succeed Event = "succeed"
	Fail    Event = "fail"
	Abandon Event = "abandon"
	Orphan  Event = "orphan"
	Cancel  Event = "cancel"
)

// Subject is what has a graph of its own.
type Subject string

// The subjects: a payment, an attempt, and each kind of operation.
const (
	SubjectPayment   Subject = "payment"
	SubjectAttempt   Subject = "attempt"
	SubjectAuthorise Subject = "authorise" // asks the host
	SubjectReversal  Subject = "reversal"  // tells the host to undo an authorisation
	SubjectCapture   Subject = "capture"   // joins the open batch as a debit
	SubjectRefund    Subject = "refund"    // joins the open batch as a credit
	SubjectVoid      Subject = "void"      // takes a capture out of the open batch
)

// Edge is one step a subject may take.
type Edge struct {
	From  State // empty: it begins
	Event Event
	To    State
	Why   string
}

// graphs is every step there is. What is not here does not happen: an outcome
// that finds no edge is kept beside the first one, never over it.
var graphs = []struct {
	subject Subject
	edges   []Edge
}{
	{SubjectPayment, []Edge{
		{"", Begin, Processing, "the owner wants it"},
		{Processing, Silence, Unknown, "the reader's word did not come"},
		{Processing, Succeed, Succeeded, "captured, and the owner took it"},
		{Processing, Fail, Failed, "nothing was captured"},
		{Processing, Orphan, Orphaned, "approved, but the owner could not take it"},
		{Unknown, Succeed, Succeeded, "the word came late, about an approval in time"},
		{Unknown, Fail, Failed, "the word came, or the cashier abandoned it"},
		{Unknown, Orphan, Orphaned, "the word came, and the owner could not take it"},
		{Succeeded, Cancel, Canceled, "voided while the batch was open"},
	}},
	{SubjectAttempt, []Edge{
		{"", Begin, Prepared, "committed with what caused it"},
		{Prepared, Send, Sent, "committed before the reader is called"},
		{Prepared, Fail, Failed, "it never left"},
		{Sent, Silence, Unknown, "link lost, no answer, or the reader's time is over"},
		{Sent, Succeed, Succeeded, "the reader's word"},
		{Sent, Fail, Failed, "the reader's word, or it was certainly not handed over"},
		{Unknown, Succeed, Succeeded, "the reader's word, asked for"},
		{Unknown, Fail, Failed, "the reader's word, or it twice knew nothing of it"},
		{Unknown, Abandon, Abandoned, "the cashier takes another means"},
		{Abandoned, Fail, Failed, "the reader's word, whatever it is: an approval is undone"},
	}},
	{SubjectAuthorise, []Edge{
		{"", Begin, Prepared, "committed with its trace number"},
		{Prepared, Send, Sent, "the terminal's reversals are through"},
		{Prepared, Decline, Declined, "by ourselves: scheme, affiliation, another card"},
		{Prepared, Miss, NotPerformed, "it never left"},
		{Sent, Approve, Approved, "the host's answer"},
		{Sent, Decline, Declined, "the host's answer"},
		{Sent, Miss, NotPerformed, "the link says that it did not arrive, or its reversal is acknowledged"},
		{Sent, Silence, Unknown, "no answer: it is reversed, never asked again"},
		{Unknown, Approve, Unknown, "too late: the reversal stands"},
		{Unknown, Decline, Declined, "a late answer that changes nothing"},
		{Unknown, Miss, NotPerformed, "its reversal is acknowledged"},
	}},
	{SubjectReversal, []Edge{
		{"", Begin, Prepared, "committed with what makes it necessary"},
		{Prepared, Send, Sent, ""},
		{Sent, Send, Sent, "the process that sent it is gone"},
		{Sent, Approve, Approved, "acknowledged, or the host never knew the original"},
		{Sent, Silence, Unknown, "not answered, not delivered, or refused: it is repeated"},
		{Unknown, Send, Sent, "repeated under the same trace"},
		{Unknown, Approve, Approved, "a late answer"},
	}},
	{SubjectCapture, []Edge{{"", Begin, Approved, "joined the batch, in the commit of the reader's word"}}},
	{SubjectRefund, []Edge{{"", Begin, Approved, "joined the batch, in the commit of the reader's word"}}},
	{SubjectVoid, []Edge{{"", Begin, Approved, "left the batch; a reversal tells the host"}}},
}

// next is where an event leads from a state; false where it leads nowhere.
func next(s Subject, from State, e Event) (State, bool) {
	for _, edge := range edges(s) {
		if edge.From == from && edge.Event == e {
			return edge.To, true
		}
	}
	return from, false
}

func edges(s Subject) []Edge {
	for _, g := range graphs {
		if g.subject == s {
			return g.edges
		}
	}
	return nil
}

// Subjects lists what has a graph.
func Subjects() []Subject {
	var all []Subject
	for _, g := range graphs {
		all = append(all, g.subject)
	}
	return all
}

// Graph is the steps of a subject. The caller owns it.
func Graph(s Subject) []Edge { return slices.Clone(edges(s)) }

// Diagrams writes the graphs as Mermaid, for people.
func Diagrams() string {
	var b strings.Builder
	for _, g := range graphs {
		fmt.Fprintf(&b, "## %s\n\n```mermaid\nstateDiagram-v2\n", g.subject)
		for _, e := range g.edges {
			from := string(e.From)
			if from == "" {
				from = "[*]"
			}
			fmt.Fprintf(&b, "  %s --> %s: %s\n", from, e.To, e.Event)
		}
		b.WriteString("```\n\n| from | event | to | |\n|---|---|---|---|\n")
		for _, e := range g.edges {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", e.From, e.Event, e.To, e.Why)
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
