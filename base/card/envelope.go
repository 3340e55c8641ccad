package card

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/json"
	"fmt"

	"encaisse/base/problem"
)

// Limits of an envelope.
const (
	MaxEnvelope = 1024 // bytes
	envelopeV1  = 1    // first byte: which suite sealed it
	infoV1      = "encaisse card envelope v1"
)

// Data is what a reader seals for the connector.
type Data struct {
	PAN      string `json:"pan"`
	Expiry   string `json:"expiry"`              // YYMM
	Sequence string `json:"sequence,omitempty"`  // of the card (5F34), two digits
	Track2   string `json:"track2,omitempty"`    // with D as separator, without filler; of one authorisation only
	PINBlock string `json:"pin_block,omitempty"` // hex, ISO 9564 format 0; of one authorisation only
}

// Kept is the part of the data that may be kept until the batch is acknowledged:
// what a reversal and a clearing record need.
func (d Data) Kept() Data { return Data{PAN: d.PAN, Expiry: d.Expiry, Sequence: d.Sequence} }

// PublicKey seals; readers receive it with their parameters.
type PublicKey struct{ key hpke.PublicKey }

// PrivateKey opens; the contract keeps it under the merchant's key.
type PrivateKey struct{ key hpke.PrivateKey }

// NewKey makes a key pair.
func NewKey() (PrivateKey, error) {
	key, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	if err != nil {
		return PrivateKey{}, fmt.Errorf("card: %w", err)
	}
	return PrivateKey{key}, nil
}

// ParsePrivateKey reads what [PrivateKey.Bytes] wrote.
func ParsePrivateKey(b []byte) (PrivateKey, error) {
	key, err := hpke.DHKEM(ecdh.X25519()).NewPrivateKey(b)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("card: private key: %w", err)
	}
	return PrivateKey{key}, nil
}

// ParsePublicKey reads what [PublicKey.Bytes] wrote.
func ParsePublicKey(b []byte) (PublicKey, error) {
	key, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(b)
	if err != nil {
		return PublicKey{}, fmt.Errorf("card: public key: %w", err)
	}
	return PublicKey{key}, nil
}

// Bytes is the key's serial form; it is sealed before it is stored.
func (k PrivateKey) Bytes() ([]byte, error) { return k.key.Bytes() }

// Public is the half that readers receive.
func (k PrivateKey) Public() PublicKey { return PublicKey{k.key.PublicKey()} }

// Bytes is the key's serial form.
func (k PublicKey) Bytes() []byte { return k.key.Bytes() }

// Seal encrypts the data to the holder of the private key (RFC 9180, base mode,
// X25519, HKDF-SHA256, AES-256-GCM). about binds the envelope to what it is for,
// the attempt's id: opened for anything else it does not open.
func (k PublicKey) Seal(d Data, about string) ([]byte, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	enc, sender, err := hpke.NewSender(k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(infoV1))
	if err != nil {
		return nil, fmt.Errorf("card: seal: %w", err)
	}
	box, err := sender.Seal([]byte(about), plain)
	if err != nil {
		return nil, fmt.Errorf("card: seal: %w", err)
	}
	return append(append([]byte{envelopeV1}, enc...), box...), nil
}

// encBytes is the length of an encapsulated X25519 key.
const encBytes = 32

// Open decrypts an envelope. Problem card.envelope when it is not one, is for
// something else, or was altered: nothing tells which.
func (k PrivateKey) Open(envelope []byte, about string) (Data, error) {
	refused := problem.New(problem.Invalid, "card.envelope")
	if len(envelope) > MaxEnvelope || len(envelope) <= 1+encBytes || envelope[0] != envelopeV1 {
		return Data{}, refused
	}
	recipient, err := hpke.NewRecipient(envelope[1:1+encBytes], k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(infoV1))
	if err != nil {
		return Data{}, refused
	}
	plain, err := recipient.Open([]byte(about), envelope[1+encBytes:])
	if err != nil {
		return Data{}, refused
	}
	var d Data
	if err := json.Unmarshal(plain, &d); err != nil {
		return Data{}, refused
	}
	return d, nil
}
