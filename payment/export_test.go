package payment

import (
	"context"

	"encaisse/base/id"
)

// Apply applies an event to a subject as the product does, through the one door.
func (p *Payments) Apply(ctx context.Context, m id.Merchant, s Subject, payment id.Payment, attempt id.Attempt, operation id.Operation, e Event) (moved bool, err error) {
	err = p.act(ctx, m, SourceResolver, system, func(a *act) error {
		t, err := lockAttempt(a.tx, m, attempt)
		if err != nil {
			return err
		}
		switch s {
		case SubjectAttempt:
			moved, err = a.moveAttempt(&t, e, nil)
			return err
		case SubjectPayment:
			known, err := lockPayment(a.tx, m, payment)
			if err != nil {
				return err
			}
			moved, err = a.movePayment(&known, e, "", sums{}, nil)
			return err
		}
		o, err := readOperation(a.tx, m, operation)
		if err != nil {
			return err
		}
		moved, err = a.moveOperation(&o, e, nil)
		return err
	})
	return moved, err
}

// PruneKeys forgets old idempotency keys, as Run does from time to time.
func (p *Payments) PruneKeys(ctx context.Context) { p.pruneKeys(ctx) }
