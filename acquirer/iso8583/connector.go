package iso8583

import (
	"context"
	"errors"
	"fmt"
	"time"

	"encaisse/acquirer"
	"encaisse/base/emv"
)

// Times a connector waits, where [Options] does not say otherwise. A payment has
// 60 s on the reader: its authorisation must leave room for the holder.
const (
	DefaultAuthorise = 25 * time.Second
	DefaultReverse   = 25 * time.Second
	DefaultLine      = 30 * time.Second
	DefaultReconcile = 60 * time.Second
	DefaultWindow    = 16 // lines of a batch on their way at the same time
)

// Options say which host a connector speaks to and how. The address of Link is needed; zero
// values take their default.
type Options struct {
	Link      LinkOptions
	Acquirer  string // our number at the host (DE32), up to eleven digits; may be empty
	Authorise time.Duration
	Reverse   time.Duration
	Line      time.Duration
	Reconcile time.Duration
	Window    int
}

// Connector is an [acquirer.Connector] for hosts of the profile.
type Connector struct {
	link     *Link
	acquirer string
	o        Options
}

// New connects to a host; the connector ends with [Connector.Close]. A host that
// is not there yet is no error: requests say so, and the link goes on trying.
func New(o Options) *Connector {
	for _, d := range []struct {
		option   *time.Duration
		standard time.Duration
	}{
		{&o.Authorise, DefaultAuthorise},
		{&o.Reverse, DefaultReverse},
		{&o.Line, DefaultLine},
		{&o.Reconcile, DefaultReconcile},
	} {
		if *d.option == 0 {
			*d.option = d.standard
		}
	}
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	o.Link.complete()
	return &Connector{link: NewLink(o.Link), acquirer: o.Acquirer, o: o}
}

// Close signs off. Requests that still wait end as unknown.
func (c *Connector) Close() { c.link.Close() }

// Link is the connection the connector speaks over.
func (c *Connector) Link() *Link { return c.link }

// exchange sends a message and waits; without an answer the outcome says what is
// sure about that.
func (c *Connector) exchange(ctx context.Context, m *Message, wait time.Duration) (*Message, acquirer.Outcome) {
	ctx, done := within(ctx, c.o.Link.Clock, wait)
	defer done()
	answer, err := c.link.Exchange(ctx, m)
	switch {
	case err == nil:
		return answer, acquirer.Outcome{}
	case errors.Is(err, ErrNotSent):
		return nil, acquirer.Outcome{Result: acquirer.NotPerformed, Detail: safe(err)}
	default:
		return nil, acquirer.Outcome{Result: acquirer.Unknown, Detail: safe(err)}
	}
}

// Authorise sends 0100. An answer that cannot be used (no response code, another
// amount, a part of it approved, 94: the host has something under this key
// already) is Unknown: only a reversal makes sure.
func (c *Connector) Authorise(ctx context.Context, a acquirer.Authorisation) acquirer.Outcome {
	m, err := c.authorisation(a)
	if err != nil {
		return acquirer.Outcome{Result: acquirer.NotPerformed, Detail: safe(err)}
	}
	answer, out := c.exchange(ctx, m, c.o.Authorise)
	if answer == nil {
		return out
	}
	out = noted(answer)
	if field := differs(m, answer); field != 0 {
		return unusable(out, fmt.Sprintf("field %d of the answer is not the request's", field))
	}
	if out.Issuer, err = forChip(answer); err != nil {
		return unusable(out, safe(err))
	}
	switch code := out.Code; {
	case code == "" || code == partial || code == codeDuplicate:
		return unusable(out, fmt.Sprintf("response code %q", code))
	case approvals[code]:
		out.Result = acquirer.Approved
	default:
		out.Result, out.Decline = acquirer.Declined, declineOf(answer)
	}
	return out
}

// noted is what an answer says beside yes or no.
func noted(answer *Message) acquirer.Outcome {
	return acquirer.Outcome{Code: answer.Get(39), Approval: answer.Get(38), RRN: answer.Get(37)}
}

func unusable(out acquirer.Outcome, why string) acquirer.Outcome {
	out.Result, out.Detail, out.Issuer = acquirer.Unknown, "unusable answer: "+why, nil
	return out
}

// differs is a field of the answer that repeats another value than was sent, or 0.
func differs(m, answer *Message) int {
	for _, field := range []int{3, 4, 42, 49} {
		if answer.Has(field) && answer.Get(field) != m.Get(field) {
			return field
		}
	}
	return 0
}

// issuerTags are the objects of an answer that are for the chip.
var issuerTags = []emv.Tag{emv.TagARC, emv.TagIssuerAuth, 0x71, 0x72}

// forChip picks what the reader hands to the chip.
func forChip(answer *Message) ([]byte, error) {
	if !answer.Has(chipField) {
		return nil, nil
	}
	all, err := emv.Parse(answer.Bytes(chipField))
	if err != nil {
		return nil, err
	}
	var chosen emv.List
	for _, o := range all {
		for _, tag := range issuerTags {
			if o.Tag == tag {
				chosen = append(chosen, o)
			}
		}
	}
	return chosen.Bytes(), nil
}

// Reverse sends 0420, or 0421 for a Repeat. Approved: the host undid it or never
// knew it. NotPerformed: it was not asked, or answers that it cannot now; the
// advice is to be repeated either way. Declined: it says that it will not.
func (c *Connector) Reverse(ctx context.Context, r acquirer.Reversal) acquirer.Outcome {
	m, err := c.reversal(r)
	if err != nil {
		return acquirer.Outcome{Result: acquirer.NotPerformed, Detail: safe(err)}
	}
	answer, out := c.exchange(ctx, m, c.o.Reverse)
	if answer == nil {
		return out
	}
	out = noted(answer)
	if field := differs(m, answer); field != 0 {
		return unusable(out, fmt.Sprintf("field %d of the answer is not the request's", field))
	}
	if out.Code == "" {
		return unusable(out, "no response code")
	}
	decline := declineOf(answer)
	switch {
	case out.Code == codeApproved || out.Code == codeNoRecord:
		out.Result = acquirer.Approved
	case decline == acquirer.DeclineLater || out.Code[0] == '9' && out.Code != codeDuplicate:
		out.Result, out.Decline = acquirer.NotPerformed, decline
	default:
		out.Result, out.Decline = acquirer.Declined, decline
	}
	return out
}
