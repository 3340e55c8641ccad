package fiscal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// algorithmECDSA is the signature type of ECDSA in the signed-note format
// (C2SP signed-note); x/mod's own signer knows Ed25519 only, and the French
// referentials name ECDSA P-256.
const algorithmECDSA = 0x02

// signer signs checkpoints with a P-256 key. It is a note.Signer.
type signer struct {
	verifier
	private *ecdsa.PrivateKey
}

// verifier checks signatures with a public key. It is a note.Verifier.
type verifier struct {
	name   string
	hash   uint32
	public *ecdsa.PublicKey
}

var (
	_ note.Signer   = (*signer)(nil)
	_ note.Verifier = (*verifier)(nil)
)

func (v *verifier) Name() string    { return v.name }
func (v *verifier) KeyHash() uint32 { return v.hash }

func (v *verifier) Verify(msg, sig []byte) bool {
	digest := sha256.Sum256(msg)
	return ecdsa.VerifyASN1(v.public, digest[:], sig)
}

func (s *signer) Sign(msg []byte) ([]byte, error) {
	digest := sha256.Sum256(msg)
	return ecdsa.SignASN1(rand.Reader, s.private, digest[:])
}

// newSigner makes a key of its own for name, which must hold no space or '+'.
func newSigner(name string) (*signer, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return signerOf(name, private)
}

func signerOf(name string, private *ecdsa.PrivateKey) (*signer, error) {
	v, err := verifierOf(name, &private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &signer{verifier: *v, private: private}, nil
}

func verifierOf(name string, public *ecdsa.PublicKey) (*verifier, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return &verifier{name: name, hash: binary.BigEndian.Uint32(sum[:4]), public: public}, nil
}

// publicKey renders the verifier key as signed-note tools exchange it: name+hash+base64.
func (v *verifier) publicKey() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(v.public)
	if err != nil {
		return "", err
	}
	encoded := base64.StdEncoding.EncodeToString(append([]byte{algorithmECDSA}, der...))
	return fmt.Sprintf("%s+%08x+%s", v.name, v.hash, encoded), nil
}

var errVerifierKey = errors.New("not a verifier key of an ECDSA P-256 signer")

// parsePublicKey reads what publicKey renders.
func parsePublicKey(text string) (*verifier, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(text), "+")
	hash, encoded, found := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !found || err != nil || len(raw) == 0 || raw[0] != algorithmECDSA {
		return nil, errVerifierKey
	}
	public, err := x509.ParsePKIXPublicKey(raw[1:])
	if err != nil {
		return nil, errVerifierKey
	}
	key, ok := public.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errVerifierKey
	}
	v, err := verifierOf(name, key)
	if err != nil {
		return nil, err
	}
	if want, err := strconv.ParseUint(hash, 16, 32); err != nil || uint32(want) != v.hash {
		return nil, errVerifierKey
	}
	return v, nil
}

// checkpointText is what a signature is over: the body of a C2SP tlog-checkpoint.
func checkpointText(origin string, size int64, root Hash) []byte {
	text := make([]byte, 0, len(origin)+70)
	text = append(text, origin...)
	text = append(text, '\n')
	text = strconv.AppendInt(text, size, 10)
	text = append(text, '\n')
	text = base64.StdEncoding.AppendEncode(text, root[:])
	return append(text, '\n')
}
