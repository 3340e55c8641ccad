package fiscal

import (
	"context"
	"errors"
	"fmt"

	"encaisse/base/db"
	"encaisse/base/id"
)

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
	// Audit compares a run of records of one chain, in order, with the tables. The
	// slice is its own until it returns.
	Audit(ctx context.Context, s State, records []Sealed) error
}

// Verification says what to verify a merchant's chains against.
type Verification struct {
	Keys        []string     // trusted verifier keys; none: those the database holds are taken on trust
	Checkpoints []Checkpoint // from outside the database
	Auditor     Auditor
}

// Result is what a verification went through.
type Result struct {
	Records     int64   // those up to the discrepancy, where one was found
	Chains      []State // as they were read
	Checkpoints int     // those that vouch for one of these chains

	keys []*verifier // what a signature may be made with
}

// Verify derives every chain of a merchant again from its records: sequence,
// canonical form, hashes, links, tree, signatures, series and perpetual totals,
// and hands them to the Auditor. The error is a *Defect when something does not
// agree, and any other error when the verification could not be carried out; the
// Result says in both cases how far it went.
//
// Records are read in runs of bounded size; sales may go on meanwhile: a chain
// is verified up to where it stood when its turn came.
func Verify(ctx context.Context, d *db.DB, m id.Merchant, v Verification) (Result, error) {
	var result Result
	var chains []*chain
	var stored map[id.Signer]*verifier
	err := d.Read(ctx, func(tx *db.Tx) (err error) {
		stored, err = readVerifiers(tx, m)
		if errors.Is(err, errVerifierKey) {
			return &Defect{What: err.Error()}
		}
		if err == nil {
			chains, err = readChains(tx, m)
		}
		return err
	})
	if err != nil {
		return result, err
	}
	if result.keys, err = trusted(v.Keys, stored); err != nil {
		return result, err
	}
	for _, c := range chains {
		walk := &walk{
			db: d, chain: c, signer: stored[c.signer], keys: result.keys, auditor: v.Auditor,
			marks: marksOf(v.Checkpoints, c.origin),
		}
		err := walk.run(ctx)
		result.Records += walk.through(err)
		result.Chains = append(result.Chains, walk.state())
		result.Checkpoints += walk.vouched
		if err != nil {
			return result, err
		}
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

func signedByAny(keys []*verifier, text, signature []byte) bool {
	for _, key := range keys {
		if key.Verify(text, signature) {
			return true
		}
	}
	return false
}

// Missing names a chain that a checkpoint speaks of and none of the merchants,
// whose verifications found nothing, has; nil when there is none.
func Missing(v Verification, merchants []Result) (*Defect, error) {
	keys, err := trusted(v.Keys, nil)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool)
	for _, m := range merchants {
		if len(v.Keys) == 0 {
			keys = append(keys, m.keys...)
		}
		for _, c := range m.Chains {
			known[c.Origin] = true
		}
	}
	var foreign *Defect
	for _, c := range v.Checkpoints {
		switch {
		case known[c.Origin]:
		case len(keys) == 0, signedByAny(keys, c.Text, c.Signature):
			return &Defect{Origin: c.Origin, What: fmt.Sprintf("the whole chain is missing: a checkpoint saw %s", counted(c.Size))}, nil
		case foreign == nil: // named when nothing worse is
			foreign = &Defect{Origin: c.Origin, What: markForged}
		}
	}
	return foreign, nil
}

// counted is a number of records in words.
func counted(n int64) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}
