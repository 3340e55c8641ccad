package merchant

import (
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/base/secret"
)

// Vault keeps each merchant's data key, sealed under the installation's master
// key. What a merchant must keep secret is sealed under the data key, so that
// the master key can be rotated without touching it.
type Vault struct{ master *secret.Master }

// NewVault makes a vault that opens with master.
func NewVault(master *secret.Master) *Vault { return &Vault{master: master} }

// Create makes the data key of a new merchant.
func (v *Vault) Create(tx *db.Tx, now time.Time, merchant id.Merchant) (*secret.Box, error) {
	sealed, box, err := v.master.NewMerchantKey(merchant)
	if err != nil {
		return nil, err
	}
	return box, insertKey(tx, now, merchant, sealed)
}

// Open opens the merchant's data key. Problem merchant.key_unavailable when it
// is missing or was sealed under another master key.
func (v *Vault) Open(tx *db.Tx, merchant id.Merchant) (*secret.Box, error) {
	sealed, err := readKey(tx, merchant)
	if err != nil {
		return nil, problem.New(problem.Unavailable, "merchant.key_unavailable").Because(err)
	}
	box, err := v.master.OpenMerchantKey(merchant, sealed)
	if err != nil {
		return nil, problem.New(problem.Unavailable, "merchant.key_unavailable").Because(err)
	}
	return box, nil
}
