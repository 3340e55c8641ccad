package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
)

// This file verifies a journal with nothing of Encaisse but what HTTP gave: SHA-256,
// RFC 6962 and ECDSA from the standard library.

// sealedRecord is a record as the API gives it.
type sealedRecord struct {
	Seq       int64  `json:"seq"`
	Kind      string `json:"kind"`
	Subject   string `json:"subject"`
	At        string `json:"at"`
	Payload   string `json:"payload"`
	Base64    string `json:"payload_base64"`
	Hash      string `json:"hash"`
	Signature string `json:"signature"`
}

// payload is what a third party reads in a record.
type payload struct {
	At       time.Time `json:"at"`
	Chain    string    `json:"chain"`
	Kind     string    `json:"kind"`
	Operator *int64    `json:"operator"`
	Prev     string    `json:"prev"`
	Seq      int64     `json:"seq"`
	Software string    `json:"software"`
	Net      int64     `json:"net"`
}

// records reads a whole chain, page by page.
func (c client) records(chain string) (list []sealedRecord) {
	c.t.Helper()
	for after := ""; ; {
		a := c.get("/v1/journal/chains/" + chain + "/records?limit=3" + after).want(http.StatusOK)
		var page struct {
			Records []sealedRecord `json:"records"`
			Next    *int64         `json:"next"`
		}
		c.must(json.Unmarshal(a.body, &page))
		list = append(list, page.Records...)
		if page.Next == nil {
			return list
		}
		after = fmt.Sprintf("&after=%d", *page.Next)
	}
}

// publicKey reads a verifier key: name+hash+base64 of 0x02 and the PKIX key.
func publicKey(text string) (*ecdsa.PublicKey, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("not a verifier key")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) == 0 || raw[0] != 2 {
		return nil, errors.New("not an ECDSA verifier key")
	}
	parsed, err := x509.ParsePKIXPublicKey(raw[1:])
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not P-256")
	}
	return key, nil
}

// root is the Merkle tree hash of RFC 6962 §2.1.
func root(leaves [][32]byte) [32]byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	split := 1
	for split*2 < len(leaves) {
		split *= 2
	}
	left, right := root(leaves[:split]), root(leaves[split:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// verify holds a chain against its public key and tells the first thing that is wrong.
func verify(origin string, records []sealedRecord, key *ecdsa.PublicKey) error {
	var leaves [][32]byte
	prev := strings.Repeat("0", 64)
	for i, r := range records {
		var p payload
		if err := json.Unmarshal([]byte(r.Payload), &p); err != nil {
			return fmt.Errorf("record %d: %w", i+1, err)
		}
		bytes, err := base64.StdEncoding.DecodeString(r.Base64)
		if err != nil || string(bytes) != r.Payload {
			return fmt.Errorf("record %d: base64 and string differ", i+1)
		}
		leaf := sha256.Sum256(append([]byte{0}, bytes...))
		signature, err := base64.StdEncoding.DecodeString(r.Signature)
		if err != nil {
			return fmt.Errorf("record %d: %w", i+1, err)
		}
		leaves = append(leaves, leaf)
		top := root(leaves)
		checkpoint := fmt.Sprintf("%s\n%d\n%s\n", origin, i+1, base64.StdEncoding.EncodeToString(top[:]))
		digest := sha256.Sum256([]byte(checkpoint))
		switch {
		case r.Seq != int64(i+1) || p.Seq != r.Seq:
			return fmt.Errorf("record %d: seq %d, sealed %d", i+1, r.Seq, p.Seq)
		case hex.EncodeToString(leaf[:]) != r.Hash:
			return fmt.Errorf("record %d: another hash", i+1)
		case p.Prev != prev:
			return fmt.Errorf("record %d: not chained to the one before", i+1)
		case p.Chain != origin:
			return fmt.Errorf("record %d: of another chain", i+1)
		case !ecdsa.VerifyASN1(key, digest[:], signature):
			return fmt.Errorf("record %d: signature", i+1)
		}
		prev = r.Hash
	}
	return nil
}

// TestFIS007_FIS008_AThirdPartyVerifiesTheJournal over HTTP, and sees what was altered.
func TestFIS007_FIS008_AThirdPartyVerifiesTheJournal(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newWorld(t, d).bakery().till()
		for i := range 5 {
			c.clock.Advance(time.Minute)
			as := []client{c.boss, c.user, c.key}[i%3]
			c.sell(as, c.basket(125, object{"article_id": c.bread}))
		}
		c.sell(c.boss, c.basket(-125, object{"label": "Pain « rassis »\t€ 🥖"[:len("Pain « rassis »")], "vat_bp": 550, "unit_price": eur(125), "quantity": "-1"}))
		c.boss.call(http.MethodPut, "/v1/registers/"+c.register+"/closings/"+fresh[id.Closing](c.world), object{"kind": "z"}).want(http.StatusCreated)
		chains := c.manager.get("/v1/journal/chains").want(http.StatusOK)
		till := -1
		for i := range chains.list("chains") {
			if chains.text(fmt.Sprintf("chains.%d.owner_id", i)) == c.register {
				till = i
			}
		}
		at := func(field string) string { return fmt.Sprintf("chains.%d.%s", till, field) }
		key, err := publicKey(chains.text(at("public_key")))
		c.must(err)
		origin, records := chains.text(at("origin")), c.manager.records(chains.text(at("id")))
		if int64(len(records)) != chains.int(at("records")) || chains.int(at("tickets")) != 6 {
			t.Errorf("%d records, the chain says %s", len(records), chains.body)
		}
		c.must(verify(origin, records, key))
		described(t, origin, records)
		altered(t, origin, records, key)
	})
}

// described wants of each record its type, author, device and time (FIS-007).
func described(t *testing.T, origin string, records []sealedRecord) {
	kinds, authors := map[string]int{}, map[int64]bool{}
	var last time.Time
	for _, r := range records {
		var p payload
		if err := json.Unmarshal([]byte(r.Payload), &p); err != nil {
			t.Fatal(err)
		}
		if p.Kind == "" || p.Kind != r.Kind || p.Operator == nil || p.Chain != origin || p.At.IsZero() || p.Software != "test" || r.Subject == "" {
			t.Errorf("record %d says too little: %s", r.Seq, r.Payload)
			continue
		}
		if p.At.Before(last) {
			t.Errorf("record %d is before the one before", r.Seq)
		}
		last = p.At
		kinds[p.Kind]++
		authors[*p.Operator] = true
	}
	if kinds["ticket"] != 6 || kinds["z"] != 1 || kinds["event"] < 2 {
		t.Errorf("kinds: %v", kinds)
	}
	if !authors[1] || !authors[3] || !authors[0] {
		t.Errorf("authors: %v", authors)
	}
	if n := len(records); n > 0 && !strings.HasSuffix(origin, "/register-2") {
		t.Errorf("the device is not named by %s", origin)
	}
}

// altered shows that the verification can fail.
func altered(t *testing.T, origin string, records []sealedRecord, key *ecdsa.PublicKey) {
	for name, alter := range map[string]func([]sealedRecord) []sealedRecord{
		"a byte": func(l []sealedRecord) []sealedRecord {
			l[3].Payload = strings.Replace(l[3].Payload, `"total":125`, `"total":124`, 1)
			l[3].Base64 = base64.StdEncoding.EncodeToString([]byte(l[3].Payload))
			return l
		},
		"a byte, its hash made anew": func(l []sealedRecord) []sealedRecord {
			l[3].Payload = strings.Replace(l[3].Payload, `"total":125`, `"total":124`, 1)
			l[3].Base64 = base64.StdEncoding.EncodeToString([]byte(l[3].Payload))
			sum := sha256.Sum256(append([]byte{0}, l[3].Payload...))
			l[3].Hash = hex.EncodeToString(sum[:])
			return l
		},
		"a pair reordered":  func(l []sealedRecord) []sealedRecord { l[2], l[3] = l[3], l[2]; return l },
		"a record left out": func(l []sealedRecord) []sealedRecord { return append(l[:2], l[3:]...) },
		"another signature": func(l []sealedRecord) []sealedRecord { l[3].Signature = l[2].Signature; return l },
	} {
		if err := verify(origin, alter(append([]sealedRecord{}, records...)), key); err == nil {
			t.Errorf("%s is not seen", name)
		}
	}
}
