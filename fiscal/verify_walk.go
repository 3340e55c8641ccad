package fiscal

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"encaisse/base/db"
)

// verifyChunk is how many records one read takes: enough to spare round trips,
// few enough to keep memory flat.
const verifyChunk = 250

// walk goes through one chain from its first record.
type walk struct {
	db      *db.DB
	chain   *chain    // as its row says
	signer  *verifier // the key its row names, nil when there is none of that name
	keys    []*verifier
	auditor Auditor
	marks   marks
	vouched int // sizes for which a checkpoint agreed

	seq      int64
	head     Hash
	edge     edge
	series   chain // tickets, zs, days, net, absolute counted so far
	previous Header
	last     check    // the signature of the record before
	sealed   []Sealed // the run, in memory used again
}

func (w *walk) run(ctx context.Context) error {
	signatures := startChecks(w.keys)
	defer signatures.stop()
	for w.seq < w.chain.seq {
		err := w.step(ctx, signatures)
		if err != nil {
			if defect := signatures.wait(); defect != nil {
				return w.earlier(defect, err)
			}
			return err
		}
		if defect := signatures.first(); defect != nil {
			return w.earlier(defect, nil)
		}
	}
	if defect := signatures.wait(); defect != nil {
		return w.earlier(defect, nil)
	}
	if err := w.compareRow(); err != nil {
		return err
	}
	return w.beyond()
}

// step reads and tests one run of records.
func (w *walk) step(ctx context.Context, signatures *checks) error {
	var records []Record
	err := w.db.Read(ctx, func(tx *db.Tx) (err error) {
		records, err = readRecords(tx, w.chain.merchant, w.chain.id, w.seq, int(min(verifyChunk, w.chain.seq-w.seq)))
		return err
	})
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return w.defect(w.seq, missingAfter(w.chain.seq-w.seq))
	}
	err = w.take(records, signatures)
	if err == nil && w.auditor != nil {
		err = w.auditor.Audit(ctx, w.state(), w.sealed)
	}
	return err
}

// earlier keeps the discrepancy that comes first in the chain.
func (w *walk) earlier(signature *Defect, other error) error {
	signature.Origin = w.chain.origin
	var defect *Defect
	if errors.As(other, &defect) && defect.Seq != 0 && defect.Seq < signature.Seq {
		return defect
	}
	return signature
}

// through is how many records were gone through: up to the discrepancy that
// ended the walk, where it names a record.
func (w *walk) through(end error) int64 {
	var defect *Defect
	if errors.As(end, &defect) && defect.Seq != 0 {
		return min(w.seq, defect.Seq)
	}
	return w.seq
}

func (w *walk) state() State {
	return State{
		Chain: w.chain.id, Owner: w.chain.owner, Origin: w.chain.origin, Period: w.chain.period,
		Records: w.chain.seq, Tickets: w.chain.tickets,
	}
}

func (w *walk) defect(seq int64, what string) error {
	return &Defect{Origin: w.chain.origin, Seq: seq, What: what}
}

// missingAfter says that a chain goes on after a record, and how far.
func missingAfter(n int64) string {
	if n == 1 {
		return "1 record is missing after it"
	}
	return counted(n) + " are missing after it"
}

// take tests a run of records, each against the one before.
func (w *walk) take(records []Record, signatures *checks) error {
	w.sealed = w.sealed[:0]
	for _, r := range records {
		one, err := w.next(r)
		if err != nil {
			return err
		}
		root := w.edge.root()
		if err := w.compareMarks(root); err != nil {
			return err
		}
		w.last = check{w.seq, checkpointText(w.chain.origin, w.seq, root), r.Signature}
		signatures.check(w.last)
		w.sealed = append(w.sealed, one)
	}
	return nil
}

// next tests one record.
func (w *walk) next(r Record) (Sealed, error) {
	switch {
	case r.Seq <= w.seq:
		return Sealed{}, w.defect(r.Seq, "there is another record of this number")
	case r.Seq > w.seq+1:
		return Sealed{}, w.defect(w.seq+1, fmt.Sprintf("missing: the next one is record %d", r.Seq))
	}
	h, body, err := Split(r.Payload)
	if err != nil {
		return Sealed{}, w.defect(r.Seq, "altered: "+err.Error())
	}
	if hash := hashOf(r.Payload); hash != r.Hash {
		return Sealed{}, w.defect(r.Seq, "altered: its content does not have its hash")
	}
	switch {
	case h.Seq != r.Seq:
		return Sealed{}, w.defect(r.Seq, fmt.Sprintf("out of its place: its content says record %d", h.Seq))
	case h.Origin != w.chain.origin:
		return Sealed{}, w.defect(r.Seq, "from another chain: "+h.Origin)
	case h.Prev != w.head:
		return Sealed{}, w.defect(r.Seq, "does not follow the record before it: the link is broken")
	case h.History != w.chain.history:
		return Sealed{}, w.defect(r.Seq, "history mark differs from its chain")
	case h.Kind != r.Kind, !h.At.Equal(r.At):
		return Sealed{}, w.defect(r.Seq, "kind or time in its row differ from its content")
	case h.At.Before(w.previous.At):
		return Sealed{}, w.defect(r.Seq, "earlier than the record before it")
	case r.Subject != w.chain.owner && isOwn(h.Kind, body):
		return Sealed{}, w.defect(r.Seq, "its row is about "+r.Subject+", its content about the owner of its chain")
	}
	delta, err := w.follow(h)
	if err != nil {
		return Sealed{}, err
	}
	w.edge = w.edge.add(w.seq, r.Hash)
	w.seq, w.head, w.previous = r.Seq, r.Hash, h
	return Sealed{Record: r, Header: h, Body: body, Delta: delta}, nil
}

// isOwn tells the events of this package, which are about the owner of their
// chain. Keys are in order in a canonical body: the name of an event ends it.
func isOwn(kind string, body []byte) bool {
	if kind != KindEvent {
		return false
	}
	for _, name := range [...]string{"chain.opened", "software.changed", "clock.jumped"} {
		if bytes.HasSuffix(body, []byte(`},"name":"`+name+`"}`)) {
			return true
		}
	}
	return false
}

// follow tests the series of numbers and the perpetual totals.
func (w *walk) follow(h Header) (delta int64, err error) {
	switch h.Kind {
	case KindTicket:
		w.series.tickets++
	case KindZ:
		w.series.zs++
	case KindDay:
		w.series.days++
	}
	if want := w.series.number(h.Kind); h.Number != want {
		return 0, w.defect(h.Seq, fmt.Sprintf("%s number %d where %d follows", h.Kind, h.Number, want))
	}
	delta = h.Net - w.series.net
	if h.Absolute-w.series.absolute != max(delta, -delta) || h.Kind != KindTicket && delta != 0 {
		return 0, w.defect(h.Seq, "perpetual totals do not follow from those before")
	}
	w.series.net, w.series.absolute = h.Net, h.Absolute
	return delta, nil
}

// compareRow holds the chain's row against its records.
func (w *walk) compareRow() error {
	c := w.chain
	switch {
	case c.head != w.head, !bytes.Equal(c.stored, w.edge.bytes()):
		return w.defect(w.seq, "the chain's row does not end with this record")
	case c.tickets != w.series.tickets, c.zs != w.series.zs, c.days != w.series.days:
		return w.defect(0, "the chain's row counts other numbers than its records")
	case c.net != w.series.net, c.absolute != w.series.absolute:
		return w.defect(0, "the chain's row has other perpetual totals than its records")
	case w.signer == nil:
		return w.defect(0, fmt.Sprintf("the chain's row names signer %s, of whom there is no key", c.signer))
	case w.seq == 0:
		return nil
	case !c.lastAt.Equal(w.previous.At):
		return w.defect(0, "the chain's row has another time than its last record")
	case c.software != w.previous.Software:
		return w.defect(0, fmt.Sprintf("the chain's row names software %q, its last record %q", c.software, w.previous.Software))
	case !w.signer.Verify(w.last.text, w.last.signature):
		return w.defect(0, fmt.Sprintf("the chain's row names signer %s, whose key did not sign its last record", c.signer))
	}
	return nil
}
