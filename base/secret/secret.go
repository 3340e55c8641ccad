// Package secret seals what must not be read in the database: card data where a rule
// needs it, fiscal signing keys, the secrets of outside services.
//
// There are two kinds of key. The Master belongs to the installation and never enters
// the database: it lives in a file of mode 0600 or in the environment. It seals one
// data key per merchant, whose sealed form is a row. A Box is that data key opened; it
// seals the values. Every envelope is bound to its place by associated data — the
// merchant and the row — so that one copied to another row, or to another merchant,
// does not open.
//
// Rotation. A Master is a set of keys: the primary seals, all open. Rotate adds a new
// primary and Save writes it in place of the old file, but never over a key that it
// does not hold itself. Reseal then renews the merchants' sealed keys; the values they
// protect are not touched.
//
// Loss. Without the Master the sealed values are gone: nothing in the database can
// bring them back. It is to be kept apart from the backups of the database.
//
// The envelopes are Tink AEAD (AES-256-GCM with a key identifier).
package secret

import (
	"bytes"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"encaisse/base/id"
	"encaisse/base/problem"
)

// What an envelope is for stands at the head of its associated data, so that a sealed
// data key can never be taken for a sealed value.
const (
	forMerchantKey = "encaisse/merchant-key/1"
	forValue       = "encaisse/value/1"
)

// Master is the installation's set of keys, safe for use by many goroutines. It is
// never changed: Rotate returns another one.
type Master struct {
	keys *keyset.Handle
	aead tink.AEAD
}

// NewMaster makes a Master of one new key. Error: secret.failed.
func NewMaster() (*Master, error) {
	keys, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, failed(err)
	}
	return newMaster(keys)
}

func newMaster(keys *keyset.Handle) (*Master, error) {
	primitive, err := aead.New(keys)
	if err != nil {
		return nil, failed(err)
	}
	return &Master{keys: keys, aead: primitive}, nil
}

// Rotate is a Master that seals with a new key and still opens what the old ones
// sealed. Nothing is lost as long as the result is saved before it is used. Error:
// secret.failed.
func (m *Master) Rotate() (*Master, error) {
	manager := keyset.NewManagerFromHandle(m.keys)
	added, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, failed(err)
	}
	if err := manager.SetPrimary(added); err != nil {
		return nil, failed(err)
	}
	keys, err := manager.Handle()
	if err != nil {
		return nil, failed(err)
	}
	return newMaster(keys)
}

// String tells how many keys there are and nothing of them.
func (m *Master) String() string { return fmt.Sprintf("master key (%d in the set)", m.keys.Len()) }

// GoString is String: %#v prints no key either.
func (m *Master) GoString() string { return m.String() }

// NewMerchantKey makes the data key of a merchant: sealed for its row, and opened as a
// Box. Error: secret.failed.
func (m *Master) NewMerchantKey(merchant id.Merchant) (sealed []byte, box *Box, err error) {
	keys, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, nil, failed(err)
	}
	plain, err := serialize(keys)
	if err != nil {
		return nil, nil, err
	}
	defer clear(plain)
	if sealed, err = m.aead.Encrypt(plain, bound(forMerchantKey, string(merchant))); err != nil {
		return nil, nil, failed(err)
	}
	box, err = newBox(merchant, keys)
	return sealed, box, err
}

// OpenMerchantKey opens a data key. Error: secret.unreadable when it was sealed for
// another merchant or by another Master, or was altered.
func (m *Master) OpenMerchantKey(merchant id.Merchant, sealed []byte) (*Box, error) {
	plain, err := m.aead.Decrypt(sealed, bound(forMerchantKey, string(merchant)))
	if err != nil {
		return nil, unreadable(err)
	}
	defer clear(plain)
	keys, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(plain)))
	if err != nil {
		return nil, unreadable(err)
	}
	return newBox(merchant, keys)
}

// Reseal renews a sealed data key under the primary key, after a rotation. The data
// key stays the same. Error: secret.unreadable, as OpenMerchantKey.
func (m *Master) Reseal(merchant id.Merchant, sealed []byte) ([]byte, error) {
	data := bound(forMerchantKey, string(merchant))
	plain, err := m.aead.Decrypt(sealed, data)
	if err != nil {
		return nil, unreadable(err)
	}
	defer clear(plain)
	renewed, err := m.aead.Encrypt(plain, data)
	if err != nil {
		return nil, failed(err)
	}
	return renewed, nil
}

// Box seals and opens the values of one merchant, safe for use by many goroutines.
type Box struct {
	merchant id.Merchant
	aead     tink.AEAD
}

func newBox(merchant id.Merchant, keys *keyset.Handle) (*Box, error) {
	primitive, err := aead.New(keys)
	if err != nil {
		return nil, failed(err)
	}
	return &Box{merchant: merchant, aead: primitive}, nil
}

// Seal puts plain in an envelope that opens only for the row rowID of this merchant.
// The envelope is 33 bytes longer than plain. Errors: secret.row for an empty rowID,
// secret.failed.
func (b *Box) Seal(plain []byte, rowID string) ([]byte, error) {
	if rowID == "" {
		return nil, noRow()
	}
	sealed, err := b.aead.Encrypt(plain, bound(forValue, string(b.merchant), rowID))
	if err != nil {
		return nil, failed(err)
	}
	return sealed, nil
}

// Open is what Seal was given. Errors: secret.unreadable when the envelope belongs to
// another row or merchant or was altered, secret.row for an empty rowID.
func (b *Box) Open(sealed []byte, rowID string) ([]byte, error) {
	if rowID == "" {
		return nil, noRow()
	}
	plain, err := b.aead.Decrypt(sealed, bound(forValue, string(b.merchant), rowID))
	if err != nil {
		return nil, unreadable(err)
	}
	return plain, nil
}

// String names the merchant and nothing of the key.
func (b *Box) String() string { return "box of " + string(b.merchant) }

// GoString is String: %#v prints no key either.
func (b *Box) GoString() string { return b.String() }

// bound is the associated data of an envelope: each part with its length before it,
// so that no two places have the same.
func bound(parts ...string) []byte {
	var out []byte
	for _, part := range parts {
		out = fmt.Appendf(out, "%d:%s", len(part), part)
	}
	return out
}

// serialize is the key set in the clear. The caller clears it.
func serialize(keys *keyset.Handle) ([]byte, error) {
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(keys, keyset.NewBinaryWriter(&out)); err != nil {
		return nil, failed(err)
	}
	return out.Bytes(), nil
}

func failed(cause error) error {
	return problem.New(problem.Internal, "secret.failed").Because(cause)
}

func unreadable(cause error) error {
	return problem.New(problem.Internal, "secret.unreadable").Because(cause)
}

func noRow() error { return problem.New(problem.Internal, "secret.row") }
