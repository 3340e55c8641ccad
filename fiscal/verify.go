package fiscal

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"encaisse/base/db"
	"encaisse/base/id"
)

// verifyChunk is how many records one read takes: enough to spare round trips,
// few enough to keep memory flat.
const verifyChunk = 250

// Defect is a discrepancy that verification found: the first one of its chain.
type Defect struct {
	Origin string // chain, empty when it concerns the whole merchant
	Seq    int64  // record, 0 when it concerns the whole chain
	What   string // in plain words
}

func (d *Defect) Error() string {
	switch {
	case d.Origin == "":
		return d.What
	case d.Seq == 0:
		return fmt.Sprintf("%s: %s", d.Origin, d.What)
	}
	return fmt.Sprintf("%s record %d: %s", d.Origin, d.Seq, d.What)
}

// Sealed is a record that stood every test of its own: bytes, hash, place in
// the chain. Delta is what it added to the perpetual net total.
type Sealed struct {
	Record
	Header
	Body  []byte
	Delta int64
}

// State is where a chain stands, as its row says.
type State struct {
	Chain   id.Chain
	Owner   string
	Origin  string
	Period  string // the open till session, or empty
	Records int64
	Tickets int64
}

// Auditor compares sealed records with what else is kept of them. The nouns that
// own tickets, closings and transfers implement it.
type Auditor interface {
	// Audit compares a run of records of one chain, in order, with the tables.
	Audit(ctx context.Context, s State, records []Sealed) error
}

// Verification says what to verify a merchant's chains against.
type Verification struct {
	Keys        []string     // trusted verifier keys; none: those the database holds are taken on trust
	Checkpoints []Checkpoint // from outside the database
	Auditor     Auditor
}

// Result is what a verification that found nothing wrong went through.
type Result struct {
	Records     int64
	Chains      []State // as they were read
	Checkpoints int     // those that named one of this merchant's chains
}

// Verify derives every chain of a merchant again from its records: sequence,
// canonical form, hashes, links, tree, signatures, series and perpetual totals,
// and hands them to the Auditor. The error is a *Defect when something does not
// agree, and any other error when the verification could not be carried out.
//
// Records are read in runs of bounded size; sales may go on meanwhile: a chain
// is verified up to where it stood when its turn came.
func Verify(ctx context.Context, d *db.DB, m id.Merchant, v Verification) (Result, error) {
	var result Result
	var chains []*chain
	var stored map[id.Signer]*verifier
	err := d.Read(ctx, func(tx *db.Tx) (err error) {
		if stored, err = readVerifiers(tx, m); err != nil {
			return &Defect{What: err.Error()}
		}
		chains, err = readChains(tx, m)
		if errors.Is(err, errEdge) {
			return &Defect{What: "a chain row: " + err.Error()}
		}
		return err
	})
	if err != nil {
		return result, err
	}
	keys, err := trusted(v.Keys, stored)
	if err != nil {
		return result, err
	}
	for _, c := range chains {
		walk := &walk{db: d, chain: c, keys: keys, auditor: v.Auditor, marks: marksOf(v.Checkpoints, c.origin)}
		if err := walk.run(ctx); err != nil {
			return result, err
		}
		result.Records += walk.seq
		result.Chains = append(result.Chains, walk.state())
		result.Checkpoints += len(walk.marks)
	}
	return result, nil
}

// trusted are the keys a signature may be made with.
func trusted(given []string, stored map[id.Signer]*verifier) ([]*verifier, error) {
	var keys []*verifier
	if len(given) == 0 {
		for _, key := range stored {
			keys = append(keys, key)
		}
		return keys, nil
	}
	for _, text := range given {
		key, err := parsePublicKey(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func marksOf(all []Checkpoint, origin string) map[int64][]Checkpoint {
	marks := make(map[int64][]Checkpoint)
	for _, c := range all {
		if c.Origin == origin {
			marks[c.Size] = append(marks[c.Size], c)
		}
	}
	return marks
}

// Missing names a chain that a checkpoint speaks of and the database, whose
// chains are given by their public names, has not; nil when there is none.
func Missing(checkpoints []Checkpoint, known map[string]bool) *Defect {
	for _, c := range checkpoints {
		if !known[c.Origin] {
			return &Defect{Origin: c.Origin, What: fmt.Sprintf("the whole chain is missing: a checkpoint saw %d records", c.Size)}
		}
	}
	return nil
}

func signedByAny(keys []*verifier, text, signature []byte) bool {
	for _, key := range keys {
		if key.Verify(text, signature) {
			return true
		}
	}
	return false
}

// walk goes through one chain from its first record.
type walk struct {
	db      *db.DB
	chain   *chain // as its row says
	keys    []*verifier
	auditor Auditor
	marks   map[int64][]Checkpoint

	seq      int64
	head     Hash
	edge     edge
	series   chain // tickets, zs, days, net, absolute counted so far
	previous Header
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
	return w.compareRow()
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
		return w.defect(w.seq, fmt.Sprintf("%d records are missing after it", w.chain.seq-w.seq))
	}
	sealed, err := w.take(records, signatures)
	if err == nil && w.auditor != nil {
		err = w.auditor.Audit(ctx, w.state(), sealed)
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

func (w *walk) state() State {
	return State{
		Chain: w.chain.id, Owner: w.chain.owner, Origin: w.chain.origin, Period: w.chain.period,
		Records: w.chain.seq, Tickets: w.chain.tickets,
	}
}

func (w *walk) defect(seq int64, what string) error {
	return &Defect{Origin: w.chain.origin, Seq: seq, What: what}
}

// take tests a run of records, each against the one before.
func (w *walk) take(records []Record, signatures *checks) ([]Sealed, error) {
	sealed := make([]Sealed, 0, len(records))
	for _, r := range records {
		one, err := w.next(r)
		if err != nil {
			return nil, err
		}
		root := w.edge.root()
		for _, mark := range w.marks[w.seq] {
			if mark.Root != root {
				return nil, w.defect(w.seq, "the records up to here are not those a checkpoint outside the database vouches for")
			}
			if !signedByAny(w.keys, mark.Text, mark.Signature) {
				return nil, w.defect(w.seq, "a checkpoint outside the database is signed by another key")
			}
		}
		signatures.check(w.seq, checkpointText(w.chain.origin, w.seq, root), r.Signature)
		sealed = append(sealed, one)
	}
	return sealed, nil
}

// next tests one record.
func (w *walk) next(r Record) (Sealed, error) {
	if r.Seq != w.seq+1 {
		return Sealed{}, w.defect(w.seq+1, fmt.Sprintf("missing: the next record there is is %d", r.Seq))
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
	}
	delta, err := w.follow(h)
	if err != nil {
		return Sealed{}, err
	}
	w.edge = w.edge.add(w.seq, r.Hash)
	w.seq, w.head, w.previous = r.Seq, r.Hash, h
	return Sealed{Record: r, Header: h, Body: body, Delta: delta}, nil
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

// compareRow holds the chain's row against its records, and finds checkpoints
// that saw more than there is.
func (w *walk) compareRow() error {
	c := w.chain
	switch {
	case c.head != w.head, !bytes.Equal(c.edge.bytes(), w.edge.bytes()):
		return w.defect(w.seq, "the chain's row does not end with this record")
	case c.tickets != w.series.tickets, c.zs != w.series.zs, c.days != w.series.days:
		return w.defect(0, "the chain's row counts other numbers than its records")
	case c.net != w.series.net, c.absolute != w.series.absolute:
		return w.defect(0, "the chain's row has other perpetual totals than its records")
	case w.seq > 0 && !c.lastAt.Equal(w.previous.At):
		return w.defect(0, "the chain's row has another time than its last record")
	}
	for size, marks := range w.marks {
		if size > w.seq && signedByAny(w.keys, marks[0].Text, marks[0].Signature) {
			return w.defect(w.seq, fmt.Sprintf("%d records are missing after it: a checkpoint outside the database saw %d", size-w.seq, size))
		}
		if size > w.seq {
			return w.defect(w.seq, "a checkpoint outside the database is signed by another key")
		}
	}
	return nil
}
