package fiscal

import (
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/merchant"
)

// maxSigners bounds the opened signing keys kept in memory.
const maxSigners = 10_000

// Journal appends records to the chains of every merchant.
type Journal struct {
	clock    clock.Clock
	vault    *merchant.Vault
	software string

	mu      sync.Mutex
	signers map[id.Signer]*signer
}

// New makes a journal. software is the version that every record names.
func New(c clock.Clock, v *merchant.Vault, software string) *Journal {
	return &Journal{clock: c, vault: v, software: software, signers: make(map[id.Signer]*signer)}
}

// Owner is whose chain it is: a register, or a site for back-office events.
type Owner struct {
	Merchant id.Merchant
	ID       string
	Origin   string // public name: no space, no line end
	History  bool
}

// RegisterOwner names the chain of a register.
func RegisterOwner(r merchant.Register, s merchant.Site) Owner {
	return Owner{
		Merchant: r.Merchant, ID: string(r.ID), History: r.Kind == merchant.History,
		Origin: fmt.Sprintf("encaisse/%s/register-%d", s.SIRET, r.Number),
	}
}

// SiteOwner names the chain of a site.
func SiteOwner(s merchant.Site) Owner {
	return Owner{Merchant: s.Merchant, ID: string(s.ID), Origin: fmt.Sprintf("encaisse/%s/site-%d", s.SIRET, s.Number)}
}

// CreateSigner makes the merchant's signing key, seals it in the merchant's box
// and returns the signer's id and the public key to export.
func (j *Journal) CreateSigner(tx *db.Tx, now time.Time, m merchant.Merchant) (id.Signer, string, error) {
	s, err := newSigner("encaisse/" + m.SIREN)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(s.private)
	if err != nil {
		return "", "", err
	}
	public, err := s.publicKey()
	if err != nil {
		return "", "", err
	}
	box, err := j.vault.Open(tx, m.ID)
	if err != nil {
		return "", "", err
	}
	signerID := id.New[id.Signer](now)
	sealed, err := box.Seal(der, string(signerID))
	if err != nil {
		return "", "", err
	}
	return signerID, public, insertSigner(tx, now, m.ID, signerID, s.name, public, sealed)
}

// Open makes the chain of an owner. Its first record, the initialisation, is
// written with its first use and at its time, which on a register of history
// lies in the past.
func (j *Journal) Open(tx *db.Tx, now time.Time, owner Owner, by id.Signer) error {
	return insertChain(tx, id.New[id.Chain](now), owner, by, j.software)
}

// signer returns the signing key, opened once and kept. Problem
// fiscal.key_unavailable stops the sale: nothing unsigned is ever acknowledged.
func (j *Journal) signer(tx *db.Tx, m id.Merchant, signerID id.Signer) (*signer, error) {
	j.mu.Lock()
	s := j.signers[signerID]
	j.mu.Unlock()
	if s != nil {
		return s, nil
	}
	name, sealed, err := readSigner(tx, m, signerID)
	if err != nil {
		return nil, err
	}
	box, err := j.vault.Open(tx, m)
	if err != nil {
		return nil, err
	}
	der, err := box.Open(sealed, string(signerID))
	if err != nil {
		return nil, problem.New(problem.Unavailable, "fiscal.key_unavailable").Because(err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, problem.New(problem.Unavailable, "fiscal.key_unavailable").Because(err)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, problem.New(problem.Unavailable, "fiscal.key_unavailable")
	}
	if s, err = signerOf(name, private); err != nil {
		return nil, err
	}
	j.keep(signerID, s)
	return s, nil
}

func (j *Journal) keep(signerID id.Signer, s *signer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.signers) >= maxSigners {
		clear(j.signers)
	}
	j.signers[signerID] = s
}

// Found makes the signing key of a new merchant and opens the chains of its
// site and registers. It returns the public key to export.
func (j *Journal) Found(tx *db.Tx, now time.Time, f merchant.Founded) (string, error) {
	by, public, err := j.CreateSigner(tx, now, f.Merchant)
	if err != nil {
		return "", err
	}
	for _, owner := range []Owner{SiteOwner(f.Site), RegisterOwner(f.History, f.Site), RegisterOwner(f.Till, f.Site)} {
		if err := j.Open(tx, now, owner, by); err != nil {
			return "", err
		}
	}
	return public, nil
}
