package nexo

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"encaisse/base/problem"
)

// How keys are derived from a passphrase (fixed by the protocol).
const (
	salt          = "AdyenNexoV1Salt"
	iterations    = 4000
	hmacKeyBytes  = 32
	cryptKeyBytes = 32
	cryptoVersion = 1
	maxPassphrase = 256
	maxKeys       = 16 // in a ring
)

// Key is what one passphrase gives, derived once: 4,000 rounds a message would
// be most of the work.
type Key struct {
	Identifier string
	Version    int
	hmac       [hmacKeyBytes]byte
	crypt      cipher.Block
	iv         [aes.BlockSize]byte
}

// DeriveKey makes a key of a passphrase. Problem nexo.key for an empty or an
// endless one.
func DeriveKey(identifier string, version int, passphrase string) (*Key, error) {
	refused := problem.New(problem.Invalid, "nexo.key")
	if passphrase == "" || len(passphrase) > maxPassphrase || !validParty(identifier) {
		return nil, refused
	}
	material, err := pbkdf2.Key(sha1.New, passphrase, []byte(salt), iterations, hmacKeyBytes+cryptKeyBytes+aes.BlockSize)
	if err != nil {
		return nil, refused.Because(err)
	}
	k := &Key{Identifier: identifier, Version: version}
	copy(k.hmac[:], material)
	copy(k.iv[:], material[hmacKeyBytes+cryptKeyBytes:])
	if k.crypt, err = aes.NewCipher(material[hmacKeyBytes : hmacKeyBytes+cryptKeyBytes]); err != nil {
		return nil, refused.Because(err)
	}
	return k, nil
}

// Encrypt puts an envelope into one that shows its header alone. The nonce is
// drawn at random.
func (k *Key) Encrypt(e Envelope) (Envelope, error) {
	nonce := make([]byte, aes.BlockSize)
	rand.Read(nonce) // never fails: crypto/rand aborts the program instead
	return k.encrypt(e, nonce)
}

func (k *Key) encrypt(e Envelope, nonce []byte) (Envelope, error) {
	plain, err := Encode(e)
	if err != nil {
		return Envelope{}, err
	}
	inner := e.Request
	if inner == nil {
		inner = e.Response
	}
	if inner == nil || inner.NexoBlob != "" {
		return Envelope{}, problem.New(problem.Invalid, "nexo.body")
	}
	outer := &Message{
		MessageHeader: inner.MessageHeader,
		NexoBlob:      base64.StdEncoding.EncodeToString(k.box(plain, nonce)),
		SecurityTrailer: &SecurityTrailer{
			AdyenCryptoVersion: cryptoVersion, KeyIdentifier: k.Identifier, KeyVersion: k.Version,
			Nonce: nonce, Hmac: k.mac(plain),
		},
	}
	if e.Request != nil {
		return Envelope{Request: outer}, nil
	}
	return Envelope{Response: outer}, nil
}

// box is AES-256-CBC with PKCS#7; the IV is the key's, mixed with the nonce.
func (k *Key) box(plain, nonce []byte) []byte {
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(k.crypt, k.mix(nonce)).CryptBlocks(padded, padded)
	return padded
}

func (k *Key) mix(nonce []byte) []byte {
	iv := make([]byte, aes.BlockSize)
	subtle.XORBytes(iv, k.iv[:], nonce)
	return iv
}

// mac is over the plain text, whole.
func (k *Key) mac(plain []byte) []byte {
	m := hmac.New(sha256.New, k.hmac[:])
	m.Write(plain)
	return m.Sum(nil)
}

// unbox decrypts and verifies. Padding and mac are both judged, always, and in
// one word: whoever sends altered boxes learns nothing from the answer (padding
// oracle).
func (k *Key) unbox(box []byte, t *SecurityTrailer) (plain []byte, ok bool) {
	if len(box) == 0 || len(box)%aes.BlockSize != 0 || len(t.Nonce) != aes.BlockSize {
		return nil, false
	}
	padded := make([]byte, len(box))
	cipher.NewCBCDecrypter(k.crypt, k.mix(t.Nonce)).CryptBlocks(padded, box)
	pad := int(padded[len(padded)-1])
	fine := subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, aes.BlockSize)
	length := len(padded) - subtle.ConstantTimeSelect(fine, pad, 0)
	for i := 1; i <= aes.BlockSize; i++ {
		// Byte i from the end is padding where i ≤ pad, and is then pad itself.
		inside := subtle.ConstantTimeLessOrEq(i, pad)
		same := subtle.ConstantTimeByteEq(padded[len(padded)-i], byte(pad))
		fine &= subtle.ConstantTimeSelect(inside, same, 1)
	}
	genuine := subtle.ConstantTimeCompare(k.mac(padded[:length]), t.Hmac)
	return padded[:length], fine&genuine == 1
}

// Ring is the keys an endpoint accepts, by identifier and version. It is never
// changed after [NewRing].
type Ring struct{ keys []*Key }

// NewRing makes a ring. Problem nexo.key for more keys than anybody has.
func NewRing(keys ...*Key) (*Ring, error) {
	if len(keys) > maxKeys {
		return nil, problem.New(problem.Invalid, "nexo.key")
	}
	return &Ring{keys: append([]*Key(nil), keys...)}, nil
}

func (r *Ring) find(t *SecurityTrailer) *Key {
	for _, k := range r.keys {
		if k.Identifier == t.KeyIdentifier && k.Version == t.KeyVersion {
			return k
		}
	}
	return nil
}

// Decrypt opens an encrypted envelope and returns the inner one with the key
// that opened it, for the answer. There is one problem, nexo.encrypted, for
// whatever is wrong: unknown key, nonce, padding, mac, an inner message that
// cannot be read or whose header is not the one outside.
func (r *Ring) Decrypt(e Envelope) (Envelope, *Key, error) {
	refused := problem.New(problem.Forbidden, "nexo.encrypted")
	outer := e.Request
	if outer == nil {
		outer = e.Response
	}
	if outer == nil || outer.NexoBlob == "" || outer.SecurityTrailer == nil || outer.SecurityTrailer.AdyenCryptoVersion != cryptoVersion {
		return Envelope{}, nil, refused
	}
	key := r.find(outer.SecurityTrailer)
	if key == nil {
		return Envelope{}, nil, refused
	}
	// Some clients fold the blob into lines.
	box, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(outer.NexoBlob), ""))
	if err != nil {
		return Envelope{}, nil, refused
	}
	plain, ok := key.unbox(box, outer.SecurityTrailer)
	if !ok {
		return Envelope{}, nil, refused
	}
	inner, err := Decode(plain)
	if err != nil || (inner.Request == nil) != (e.Request == nil) {
		return Envelope{}, nil, refused
	}
	message := inner.Request
	if message == nil {
		message = inner.Response
	}
	if message == nil || message.NexoBlob != "" || message.MessageHeader != outer.MessageHeader {
		return Envelope{}, nil, refused
	}
	return inner, key, nil
}
