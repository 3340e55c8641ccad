package contract

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"time"

	"encaisse/access"
	"encaisse/base/card"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/merchant"
)

// Put makes the contract with this id what it is given, and tells whether it is
// new. The caller makes the id; the same again changes nothing. Keys and times
// are not the caller's. Connector and acceptor of a contract never change, since
// its transactions were made under them: that is another contract.
//
// Problems access.forbidden, contract.* with the field, contract.acceptor_taken,
// contract.acceptor_fixed, contract.too_many, merchant.key_unavailable.
func (c *Contracts) Put(ctx context.Context, p access.Principal, in Contract) (out Contract, created bool, err error) {
	if err := access.Allow(p, access.ContractWrite); err != nil {
		return Contract{}, false, err
	}
	err = c.db.Write(ctx, func(tx *db.Tx) error {
		out, created, err = c.PutIn(tx, p, in)
		return err
	})
	if db.IsViolation(err, db.Unique) {
		return Contract{}, false, problem.New(problem.Conflict, "contract.acceptor_taken").At("acceptor").Because(err)
	}
	return out, created, err
}

// PutIn is Put in the caller's transaction.
func (c *Contracts) PutIn(tx *db.Tx, p access.Principal, in Contract) (out Contract, created bool, err error) {
	m, err := merchant.In(tx, p.Merchant)
	if err != nil {
		return Contract{}, false, err
	}
	if in.State == "" {
		in.State = Active
	}
	if in.State != Active && in.State != Closed {
		return Contract{}, false, problem.New(problem.Invalid, "contract.state").At("state")
	}
	if err := c.check(&in, m.Currency); err != nil {
		return Contract{}, false, err
	}
	in.Merchant = p.Merchant
	now := c.clock.Now()
	before, err := read(tx, p.Merchant, in.ID)
	if errors.Is(err, db.ErrNone) {
		out, err = c.create(tx, now, p, in)
		return out, err == nil, err
	}
	if err != nil {
		return Contract{}, false, err
	}
	out, err = change(tx, now, p, before, in)
	return out, false, err
}

func (c *Contracts) create(tx *db.Tx, now time.Time, p access.Principal, in Contract) (Contract, error) {
	known, err := readAll(tx, p.Merchant)
	if err != nil {
		return Contract{}, err
	}
	if len(known) >= MaxContracts {
		return Contract{}, problem.New(problem.Conflict, "contract.too_many", "limit", MaxContracts)
	}
	for _, other := range known {
		if other.Connector == in.Connector && other.Acceptor == in.Acceptor {
			return Contract{}, problem.New(problem.Conflict, "contract.acceptor_taken").At("acceptor")
		}
	}
	if in.PublicKey, in.sealed, err = c.newKey(tx, p.Merchant, in.ID); err != nil {
		return Contract{}, err
	}
	in.CreatedAt, in.UpdatedAt = now, now
	insert(tx, in)
	return in, access.Audit(tx, now, p, "contract.created", string(in.ID), nil, in)
}

// newKey makes the key pair of a contract and seals its private half.
func (c *Contracts) newKey(tx *db.Tx, m id.Merchant, contract id.Contract) (public, sealed []byte, err error) {
	key, err := card.NewKey()
	if err != nil {
		return nil, nil, err
	}
	box, err := c.vault.Open(tx, m)
	if err != nil {
		return nil, nil, err
	}
	private, err := key.Bytes()
	if err != nil {
		return nil, nil, err
	}
	sealed, err = box.Seal(private, string(contract))
	return key.Public().Bytes(), sealed, err
}

func change(tx *db.Tx, now time.Time, p access.Principal, before, in Contract) (Contract, error) {
	if in.Connector != before.Connector || in.Acceptor != before.Acceptor {
		return Contract{}, problem.New(problem.Conflict, "contract.acceptor_fixed").At("acceptor")
	}
	after := in
	after.PublicKey, after.sealed = before.PublicKey, before.sealed
	after.CreatedAt, after.UpdatedAt = before.CreatedAt, before.UpdatedAt
	if same(before, after) {
		return before, nil
	}
	if after.UpdatedAt = now; !now.After(before.UpdatedAt) {
		after.UpdatedAt = before.UpdatedAt.Add(time.Millisecond)
	}
	written, err := update(tx, before, after)
	if err != nil {
		return Contract{}, err
	}
	if !written {
		return Contract{}, problem.New(problem.Conflict, "contract.changed_meanwhile")
	}
	return after, access.Audit(tx, now, p, "contract.changed", string(in.ID), before, after)
}

// same tells whether a merchant would see no difference.
func same(a, b Contract) bool {
	return a.Name == b.Name && a.MCC == b.MCC && a.City == b.City && a.Currency == b.Currency && a.BatchAt == b.BatchAt &&
		a.ContactlessMax == b.ContactlessMax && a.CVMRequired == b.CVMRequired && a.FloorLimit == b.FloorLimit &&
		a.State == b.State && maps.Equal(a.Schemes, b.Schemes)
}

// Get reads one contract. Problem contract.not_found.
func (c *Contracts) Get(ctx context.Context, p access.Principal, contract id.Contract) (found Contract, err error) {
	if err := access.Allow(p, access.ContractRead); err != nil {
		return Contract{}, err
	}
	err = c.db.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = c.In(tx, p.Merchant, contract)
		return err
	})
	return found, err
}

// List reads the merchant's contracts in the order they were made.
func (c *Contracts) List(ctx context.Context, p access.Principal) (list []Contract, err error) {
	if err := access.Allow(p, access.ContractRead); err != nil {
		return nil, err
	}
	err = c.db.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = readAll(tx, p.Merchant)
		return err
	})
	return list, err
}

// In reads a contract in the caller's transaction. Problem contract.not_found.
func (c *Contracts) In(tx *db.Tx, m id.Merchant, contract id.Contract) (Contract, error) {
	found, err := read(tx, m, contract)
	if errors.Is(err, db.ErrNone) {
		return Contract{}, problem.New(problem.NotFound, "contract.not_found")
	}
	return found, err
}

// Terms reads what a connector needs of a contract. Problems contract.not_found,
// merchant.key_unavailable.
func (c *Contracts) Terms(tx *db.Tx, m id.Merchant, contract id.Contract) (Terms, error) {
	found, err := c.In(tx, m, contract)
	if err != nil {
		return Terms{}, err
	}
	owner, err := merchant.In(tx, m)
	if err != nil {
		return Terms{}, err
	}
	box, err := c.vault.Open(tx, m)
	if err != nil {
		return Terms{}, err
	}
	private, err := box.Open(found.sealed, string(contract))
	if err != nil {
		return Terms{}, problem.New(problem.Unavailable, "merchant.key_unavailable").Because(err)
	}
	key, err := card.ParsePrivateKey(private)
	if err != nil {
		return Terms{}, err
	}
	return Terms{
		ID: found.ID, Acceptor: found.Acceptor, MCC: found.MCC, Name: owner.Company, City: found.City, Country: country,
		Affiliated: found.Schemes, Key: key,
	}, nil
}

// fingerprintKeyBytes is the length of the key that cards are fingerprinted with.
const fingerprintKeyBytes = 32

// FingerprintKey reads the key with which the merchant's readers make
// fingerprints of cards, and makes it the first time.
func (c *Contracts) FingerprintKey(ctx context.Context, m id.Merchant) (key []byte, err error) {
	err = c.db.Read(ctx, func(tx *db.Tx) (err error) {
		key, err = c.fingerprintKey(tx, m)
		return err
	})
	if !errors.Is(err, db.ErrNone) {
		return key, err
	}
	err = c.db.Write(ctx, func(tx *db.Tx) error {
		box, err := c.vault.Open(tx, m)
		if err != nil {
			return err
		}
		fresh := make([]byte, fingerprintKeyBytes)
		rand.Read(fresh) // never fails
		sealed, err := box.Seal(fresh, string(m))
		if err != nil {
			return err
		}
		insertFingerprintKey(tx, m, sealed, c.clock.Now())
		if err := tx.Flush(); err != nil {
			return err
		}
		key, err = c.fingerprintKey(tx, m) // the other's, where two made one
		return err
	})
	return key, err
}

func (c *Contracts) fingerprintKey(tx *db.Tx, m id.Merchant) ([]byte, error) {
	sealed, err := readFingerprintKey(tx, m)
	if err != nil {
		return nil, err
	}
	box, err := c.vault.Open(tx, m)
	if err != nil {
		return nil, err
	}
	return box.Open(sealed, string(m))
}
