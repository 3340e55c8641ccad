package terminal

import (
	"context"
	"errors"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// numberTries bounds how often a number is drawn again because another
// transaction took it first.
const numberTries = 64

// Put makes a terminal, or changes where it stands and under which contract it
// works; the caller makes the id. Number and number at the acquirer are for
// ever, and zero and empty mean: the next, or those it has. What was paid on it
// keeps the site and the contract it was paid under. Problems access.forbidden,
// id.malformed, terminal.alias, terminal.number, terminal.acceptor,
// terminal.fixed, terminal.number_taken, terminal.acceptor_taken,
// terminal.too_many, merchant.site_not_found, merchant.register_not_found, and
// those of the contract.
func (h *Hub) Put(ctx context.Context, p access.Principal, in Terminal) (out Terminal, created bool, err error) {
	if err := allowManage(p); err != nil {
		return Terminal{}, false, err
	}
	if in, err = in.check(); err != nil {
		return Terminal{}, false, err
	}
	in.Merchant = p.Merchant
	if err := h.checkPlace(ctx, in); err != nil {
		return Terminal{}, false, err
	}
	err = h.db.Write(ctx, func(tx *db.Tx) error {
		out, created, err = h.put(tx, p, in)
		return err
	})
	if err != nil {
		return Terminal{}, false, err
	}
	h.configureLocal(p.Merchant, out.ID)
	return out, created, nil
}

// checkPlace wants a site, and a register of that site where one is said.
func (h *Hub) checkPlace(ctx context.Context, in Terminal) error {
	if _, err := h.merchants.Site(ctx, in.Merchant, in.Site); err != nil {
		return at(err, "site")
	}
	if in.Register == "" {
		return nil
	}
	register, _, err := h.merchants.RegisterByID(ctx, in.Merchant, in.Register)
	if err == nil && register.Site != in.Site {
		err = problem.New(problem.NotFound, "merchant.register_not_found")
	}
	return at(err, "register")
}

func at(err error, field string) error {
	if e := problem.As(err); e != nil {
		return e.At(field)
	}
	return err
}

func (h *Hub) put(tx *db.Tx, p access.Principal, in Terminal) (Terminal, bool, error) {
	if h.contract != nil {
		if err := h.contract(tx, p.Merchant, in.Contract); err != nil {
			return Terminal{}, false, at(err, "contract")
		}
	}
	now := h.clock.Now()
	before, err := readTerminal(tx, p.Merchant, in.ID)
	if errors.Is(err, db.ErrNone) {
		out, err := h.add(tx, in)
		if err != nil {
			return Terminal{}, false, err
		}
		return out, true, access.Audit(tx, now, p, "terminal.created", string(out.ID), nil, out.trailed())
	}
	if err != nil {
		return Terminal{}, false, err
	}
	if in.Number != 0 && in.Number != before.Number || in.Acceptor != "" && in.Acceptor != before.Acceptor {
		return Terminal{}, false, problem.New(problem.Conflict, "terminal.fixed", "number", before.Number)
	}
	after := before
	after.Site, after.Register, after.Contract, after.Alias = in.Site, in.Register, in.Contract, in.Alias
	if after.trailed() == before.trailed() {
		return before, false, nil
	}
	after.UpdatedAt = now
	updateTerminal(tx, after)
	return after, false, access.Audit(tx, now, p, "terminal.changed", string(after.ID), before.trailed(), after.trailed())
}

// add inserts a terminal. The unique keys decide; a number that was to be the
// next one is drawn again when somebody else was faster.
func (h *Hub) add(tx *db.Tx, in Terminal) (Terminal, error) {
	in.State, in.CreatedAt, in.UpdatedAt = Active, h.clock.Now(), h.clock.Now()
	in.Presence = Presence{State: Offline, Health: Health{Battery: -1}}
	drawn := in.Number == 0
	for range numberTries {
		if drawn {
			last, err := lastNumber(tx, in.Merchant)
			if err != nil {
				return in, err
			}
			if last >= MaxNumber {
				return in, problem.New(problem.Conflict, "terminal.too_many", "most", MaxNumber)
			}
			in.Number = last + 1
		}
		out := in
		if out.Acceptor == "" {
			out.Acceptor = acceptorOf(out.Number)
		}
		fresh, err := insertTerminal(tx, out)
		if err != nil || fresh {
			return out, err
		}
		taken, err := whatIsTaken(tx, out)
		switch {
		case err != nil:
			return out, err
		case taken.acceptor && (in.Acceptor != "" || !taken.number):
			return out, problem.New(problem.Conflict, "terminal.acceptor_taken").At("acceptor_terminal")
		case taken.number && !drawn:
			return out, problem.New(problem.Conflict, "terminal.number_taken", "number", out.Number).At("number")
		}
	}
	return in, problem.New(problem.Unavailable, "terminal.changed_meanwhile")
}

// Rename gives a terminal another alias (SRC-007). Problems access.forbidden,
// terminal.alias, terminal.not_found.
func (h *Hub) Rename(ctx context.Context, p access.Principal, terminal id.Terminal, alias string) (Terminal, error) {
	alias, err := checkAlias(alias)
	if err != nil {
		return Terminal{}, err
	}
	out, err := h.change(ctx, p, terminal, "terminal.renamed", func(_ *db.Tx, t *Terminal) error {
		t.Alias = alias
		return nil
	})
	if err == nil {
		h.configureLocal(p.Merchant, terminal)
	}
	return out, err
}

// Deactivate blocks a terminal at once: its device's credential ends, its
// connection too, wherever it is (SRC-041, CCV-008). A dialogue that is open
// stays open until its payment knows what became of it. Problems
// access.forbidden, terminal.not_found.
func (h *Hub) Deactivate(ctx context.Context, p access.Principal, terminal id.Terminal) (Terminal, error) {
	out, err := h.change(ctx, p, terminal, "terminal.deactivated", func(tx *db.Tx, t *Terminal) error {
		t.State = Deactivated
		revokeDevice(tx, t.Merchant, t.ID, h.clock.Now())
		dropPairing(tx, t.Merchant, t.ID)
		return h.part(tx, t.Merchant, t.ID)
	})
	if err == nil {
		h.drop(p.Merchant, terminal, "terminal.deactivated")
	}
	return out, err
}

// Reactivate takes a terminal into use again; it needs a new pairing. Problems
// access.forbidden, terminal.not_found.
func (h *Hub) Reactivate(ctx context.Context, p access.Principal, terminal id.Terminal) (Terminal, error) {
	return h.change(ctx, p, terminal, "terminal.reactivated", func(_ *db.Tx, t *Terminal) error {
		t.State = Active
		return nil
	})
}

// change reads a terminal, lets fn change it, and writes and audits what
// became different.
func (h *Hub) change(
	ctx context.Context, p access.Principal, terminal id.Terminal, action string, fn func(*db.Tx, *Terminal) error,
) (out Terminal, err error) {
	if err := allowManage(p); err != nil {
		return Terminal{}, err
	}
	err = h.db.Write(ctx, func(tx *db.Tx) error {
		before, err := lockTerminal(tx, p.Merchant, terminal)
		if errors.Is(err, db.ErrNone) {
			return notFound()
		}
		if err != nil {
			return err
		}
		out = before
		if err := fn(tx, &out); err != nil || out.trailed() == before.trailed() {
			return err
		}
		out.UpdatedAt = h.clock.Now()
		updateTerminal(tx, out)
		return access.Audit(tx, out.UpdatedAt, p, action, string(terminal), before.trailed(), out.trailed())
	})
	return out, err
}

// Get reads a terminal with its presence. Problems access.forbidden,
// terminal.not_found.
func (h *Hub) Get(ctx context.Context, p access.Principal, terminal id.Terminal) (out Terminal, err error) {
	if err := access.Allow(p, access.TerminalRead); err != nil {
		return Terminal{}, err
	}
	err = h.db.Read(ctx, func(tx *db.Tx) error {
		all, err := readTerminals(tx, p.Merchant, terminal)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return notFound()
		}
		out = h.seen(all[0])
		return nil
	})
	return out, err
}

// List reads the merchant's terminals by number, with their presence: what a
// till chooses from (SRC-010). Problem access.forbidden.
func (h *Hub) List(ctx context.Context, p access.Principal) (out []Terminal, err error) {
	if err := access.Allow(p, access.TerminalRead); err != nil {
		return nil, err
	}
	err = h.db.Read(ctx, func(tx *db.Tx) error {
		out = nil
		all, err := readTerminals(tx, p.Merchant, "")
		for _, t := range all {
			out = append(out, h.seen(t))
		}
		return err
	})
	return out, err
}

// In reads a terminal, without its presence, in the caller's transaction.
// Problem terminal.not_found.
func In(tx *db.Tx, m id.Merchant, terminal id.Terminal) (Terminal, error) {
	t, err := readTerminal(tx, m, terminal)
	if errors.Is(err, db.ErrNone) {
		return t, notFound()
	}
	return t, err
}
