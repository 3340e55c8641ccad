package access

import (
	"context"
	"errors"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/merchant"
)

// Limits of keys.
const (
	MaxKeys    = 50 // of a merchant, that are not revoked
	MaxKeyName = 60 // characters
	hintLength = 4
)

// Key is an API key as it is listed: its secret was shown once, when it was made.
type Key struct {
	ID        id.Key     `json:"id"`
	Name      string     `json:"name"`
	Role      Role       `json:"role"`
	Hint      string     `json:"hint"` // its last four characters
	CreatedAt time.Time  `json:"created_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

// CreateKey makes an API key and returns its secret, which nobody can read
// again. Problems access.forbidden, access.key_name, access.role,
// access.too_many_keys.
func (g *Gate) CreateKey(ctx context.Context, p Principal, name string, role Role) (k Key, secret string, err error) {
	if err := Allow(p, KeysWrite); err != nil {
		return Key{}, "", err
	}
	clean, ok := merchant.Clean(name, MaxKeyName)
	if !ok {
		return Key{}, "", problem.New(problem.Invalid, "access.key_name", "most", MaxKeyName).At("name")
	}
	if err := role.check(); err != nil {
		return Key{}, "", err
	}
	secret = newToken(keyPrefix)
	err = g.db.Write(ctx, func(tx *db.Tx) error {
		now := g.clock.Now()
		k = Key{ID: id.New[id.Key](now), Name: clean, Role: role, Hint: secret[len(secret)-hintLength:], CreatedAt: now}
		fresh, err := insertKey(tx, p.Merchant, tokenHash(secret), k)
		if err != nil {
			return err
		}
		if !fresh {
			return problem.New(problem.Conflict, "access.too_many_keys", "most", MaxKeys)
		}
		return Audit(tx, now, p, "key.created", string(k.ID), nil, k)
	})
	if err != nil {
		return Key{}, "", err
	}
	return k, secret, nil
}

// RevokeKey ends a key for ever, from the next request on. Revoking it again
// changes nothing. Problems access.forbidden, access.key_not_found.
func (g *Gate) RevokeKey(ctx context.Context, p Principal, key id.Key) error {
	if err := Allow(p, KeysWrite); err != nil {
		return err
	}
	return g.db.Write(ctx, func(tx *db.Tx) error {
		now := g.clock.Now()
		before, err := readKeyByID(tx, p.Merchant, key)
		if errors.Is(err, db.ErrNone) {
			return problem.New(problem.NotFound, "access.key_not_found")
		}
		if err != nil {
			return err
		}
		revoked, err := revokeKey(tx, p.Merchant, key, now)
		if err != nil || !revoked {
			return err
		}
		after := before
		after.RevokedAt = &now
		return Audit(tx, now, p, "key.revoked", string(key), before, after)
	})
}

// Keys lists the merchant's keys in the order they were made, revoked ones too.
// Problem access.forbidden.
func (g *Gate) Keys(ctx context.Context, p Principal) (keys []Key, err error) {
	if err := Allow(p, KeysRead); err != nil {
		return nil, err
	}
	err = g.db.Read(ctx, func(tx *db.Tx) (err error) {
		keys, err = readKeys(tx, p.Merchant)
		return err
	})
	return keys, err
}
