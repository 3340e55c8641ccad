package nexo_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"encaisse/base/problem"
	"encaisse/terminal/nexo"
)

// The passphrase of the published vector, as its library's own tests have it.
const (
	vectorKey        = "CryptoKeyIdentifier12345"
	vectorPassphrase = "p@ssw0rd123456"
)

func ring(t testing.TB, keys ...*nexo.Key) *nexo.Ring {
	t.Helper()
	r, err := nexo.NewRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func derive(t testing.TB, identifier string, version int, passphrase string) *nexo.Key {
	t.Helper()
	k, err := nexo.DeriveKey(identifier, version, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPublishedBlobOpens(t *testing.T) {
	all := published(t)
	keys := ring(t, derive(t, vectorKey, 1, vectorPassphrase))
	e, err := nexo.Decode(all["local.localEncRes"])
	if err != nil {
		t.Fatal(err)
	}
	inner, key, err := keys.Decrypt(e)
	if err != nil || inner.Response == nil || inner.Response.PaymentResponse == nil || key.Identifier != vectorKey {
		t.Fatalf("%+v, %v", inner, err)
	}
	wrong, err := nexo.Decode(all["local.wrongEncRes"])
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := keys.Decrypt(wrong); !problem.Is(err, "nexo.encrypted") {
		t.Error(err)
	}
}

func TestWhatIsEncryptedComesOut(t *testing.T) {
	key := derive(t, "till", 3, "Boulangerie du Port")
	keys := ring(t, derive(t, "till", 2, "before"), key)
	inner, err := nexo.Decode([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	outer, err := key.Encrypt(inner)
	if err != nil {
		t.Fatal(err)
	}
	if outer.Request.MessageHeader != inner.Request.MessageHeader || outer.Request.DiagnosisRequest != nil {
		t.Errorf("%+v", outer.Request)
	}
	got, by, err := keys.Decrypt(outer)
	if err != nil || got.Request.DiagnosisRequest == nil || by != key {
		t.Fatalf("%+v, %v", got, err)
	}
	again, err := key.Encrypt(inner)
	if err != nil || again.Request.NexoBlob == outer.Request.NexoBlob {
		t.Error("the nonce is not drawn anew", err)
	}
	if _, err := key.Encrypt(outer); !problem.Is(err, "nexo.body") {
		t.Error("an encrypted envelope inside another:", err)
	}
}

// TestOneAnswerForWhateverIsWrong: whoever alters a blob learns nothing from
// the refusal, and each of the checks is seen to be needed.
func TestOneAnswerForWhateverIsWrong(t *testing.T) {
	key := derive(t, "till", 1, "secret")
	keys := ring(t, key)
	spoil := func(change func(m *nexo.Message)) nexo.Envelope {
		inner, err := nexo.Decode([]byte(good))
		if err != nil {
			t.Fatal(err)
		}
		e, err := key.Encrypt(inner)
		if err != nil {
			t.Fatal(err)
		}
		change(e.Request)
		return e
	}
	if _, _, err := keys.Decrypt(spoil(func(*nexo.Message) {})); err != nil {
		t.Fatal(err)
	}
	flip := func(at int) func(*nexo.Message) {
		return func(m *nexo.Message) {
			box, _ := base64.StdEncoding.DecodeString(m.NexoBlob)
			box[(at+len(box))%len(box)] ^= 1
			m.NexoBlob = base64.StdEncoding.EncodeToString(box)
		}
	}
	cases := map[string]nexo.Envelope{
		"first block":      spoil(flip(0)),
		"padding":          spoil(flip(-17)),
		"last block":       spoil(flip(-1)),
		"mac":              spoil(func(m *nexo.Message) { m.SecurityTrailer.Hmac[31] ^= 1 }),
		"short mac":        spoil(func(m *nexo.Message) { m.SecurityTrailer.Hmac = m.SecurityTrailer.Hmac[:16] }),
		"no mac":           spoil(func(m *nexo.Message) { m.SecurityTrailer.Hmac = nil }),
		"nonce":            spoil(func(m *nexo.Message) { m.SecurityTrailer.Nonce[0] ^= 1 }),
		"short nonce":      spoil(func(m *nexo.Message) { m.SecurityTrailer.Nonce = m.SecurityTrailer.Nonce[:8] }),
		"no base64":        spoil(func(m *nexo.Message) { m.NexoBlob = "*" + m.NexoBlob }),
		"not whole blocks": spoil(func(m *nexo.Message) { m.NexoBlob = base64.StdEncoding.EncodeToString([]byte("short")) }),
		"unknown key":      spoil(func(m *nexo.Message) { m.SecurityTrailer.KeyIdentifier = "other" }),
		"unknown version":  spoil(func(m *nexo.Message) { m.SecurityTrailer.KeyVersion++ }),
		"crypto version":   spoil(func(m *nexo.Message) { m.SecurityTrailer.AdyenCryptoVersion = 9 }),
		"other header":     spoil(func(m *nexo.Message) { m.MessageHeader.ServiceID = "2" }),
		"other reader":     spoil(func(m *nexo.Message) { m.MessageHeader.POIID = "A920-2" }),
		"no trailer":       spoil(func(m *nexo.Message) { m.SecurityTrailer = nil }),
		"in clear":         {Request: &nexo.Message{DiagnosisRequest: &nexo.DiagnosisRequest{}}},
		"as a response":    func() nexo.Envelope { e := spoil(func(*nexo.Message) {}); return nexo.Envelope{Response: e.Request} }(),
		"nothing":          {},
	}
	for name, e := range cases {
		_, _, err := keys.Decrypt(e)
		if !problem.Is(err, "nexo.encrypted") || err.Error() != "nexo.encrypted" || errors.Unwrap(err) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysHaveLimits(t *testing.T) {
	for _, bad := range [][2]string{{"", "p"}, {"k", ""}, {"k", strings.Repeat("p", 257)}, {"a b", "p"}} {
		if _, err := nexo.DeriveKey(bad[0], 1, bad[1]); !problem.Is(err, "nexo.key") {
			t.Error(bad[0], err)
		}
	}
	if _, err := nexo.NewRing(make([]*nexo.Key, 17)...); !problem.Is(err, "nexo.key") {
		t.Error(err)
	}
}

func TestAServiceIDIsTakenOnceInTwoDays(t *testing.T) {
	s := nexo.NewSeen()
	h := nexo.MessageHeader{SaleID: "till", ServiceID: "1"}
	if err := s.Take(h, at); err != nil {
		t.Fatal(err)
	}
	if err := s.Take(h, at.Add(nexo.ReplayWindow)); !problem.Is(err, "nexo.replayed") {
		t.Error("the same again:", err)
	}
	for _, other := range []nexo.MessageHeader{{SaleID: "till", ServiceID: "2"}, {SaleID: "other", ServiceID: "1"}, {SaleID: "till", DeviceID: "3"}} {
		if err := s.Take(other, at.Add(time.Second)); err != nil {
			t.Error(other, err)
		}
	}
	if err := s.Take(h, at.Add(nexo.ReplayWindow+time.Millisecond)); err != nil {
		t.Error("after two days:", err)
	}
}
