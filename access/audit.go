package access

import (
	"context"
	"encoding/json"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// Limits of the trail.
const (
	maxTrailPage  = 500
	maxTrailState = 16 << 10 // bytes of JSON before and after an act
)

// Entry is one administrative act. Before and After are small JSON objects, nil
// where there is nothing to say; they hold no secret.
type Entry struct {
	ID      id.Audit        `json:"id"`
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor"` // person or key
	Action  string          `json:"action"`
	Subject string          `json:"subject"`
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
}

// Audit keeps an act in the transaction that does it. action is a noun and a
// past participle, "person.deactivated"; subject is the id of what it was done
// to; before and after are marshalled to JSON, nil for none. It fails when they
// cannot be, or are too large to be a state.
func Audit(tx *db.Tx, now time.Time, p Principal, action, subject string, before, after any) error {
	e := Entry{ID: id.New[id.Audit](now), At: now, Actor: p.Actor(), Action: action, Subject: subject}
	var err error
	if e.Before, err = state(before); err != nil {
		return err
	}
	if e.After, err = state(after); err != nil {
		return err
	}
	insertEntry(tx, p.Merchant, e)
	return nil
}

func state(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(out) > maxTrailState {
		return nil, problem.New(problem.Internal, "access.state_too_large")
	}
	return out, nil
}

// Trail reads up to limit acts that came after the given one, oldest first.
// Problem access.forbidden.
func (g *Gate) Trail(ctx context.Context, p Principal, after id.Audit, limit int) (entries []Entry, err error) {
	if err := Allow(p, AuditRead); err != nil {
		return nil, err
	}
	limit = min(max(limit, 1), maxTrailPage)
	err = g.db.Read(ctx, func(tx *db.Tx) (err error) {
		entries, err = readEntries(tx, p.Merchant, after, limit)
		return err
	})
	return entries, err
}
