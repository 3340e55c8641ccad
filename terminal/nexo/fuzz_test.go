package nexo_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"encaisse/base/problem"
	"encaisse/terminal"
	"encaisse/terminal/nexo"
)

// FuzzDecode: what is taken is written and taken again as the same, and what is
// refused is refused with a problem.
func FuzzDecode(f *testing.F) {
	for _, m := range words() {
		f.Add(mustEncode(f, m))
	}
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := nexo.Decode(b)
		if err != nil {
			if problem.As(err) == nil {
				t.Fatalf("%v is no problem", err)
			}
			return
		}
		written, err := nexo.Encode(e)
		if problem.Is(err, "nexo.too_large") {
			return // members left out are written out
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		again, err := nexo.Decode(written)
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, b, written)
		}
		twice, err := nexo.Encode(again)
		if err != nil || !bytes.Equal(written, twice) {
			t.Fatalf("%v\n%s\n%s", err, written, twice)
		}
	})
}

// FuzzProtocol: the same for the neutral words; a message of the link never
// shows a card.
func FuzzProtocol(f *testing.F) {
	for _, m := range words() {
		f.Add(mustEncode(f, m))
	}
	p := nexo.New("1")
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := p.Decode(b)
		if err != nil {
			if problem.As(err) == nil {
				t.Fatalf("%v is no problem", err)
			}
			return
		}
		written, err := p.Encode(m)
		if err != nil {
			return // a reader may say more than we would
		}
		again, err := p.Decode(written)
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, b, written)
		}
		if diff := cmp.Diff(m, again); diff != "" && m.Concluded == nil && m.Told == nil && m.Print == nil {
			t.Fatalf("%s\n%s\n%s", diff, b, written)
		}
	})
}

// FuzzDecrypt: nothing but what the key made opens.
func FuzzDecrypt(f *testing.F) {
	key := derive(f, "till", 1, "secret")
	keys := ring(f, key)
	inner, err := nexo.Decode([]byte(good))
	if err != nil {
		f.Fatal(err)
	}
	e, err := key.Encrypt(inner)
	if err != nil {
		f.Fatal(err)
	}
	genuine := *e.Request
	f.Add(genuine.NexoBlob, genuine.SecurityTrailer.Nonce, genuine.SecurityTrailer.Hmac)
	f.Add("", []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, blob string, nonce, mac []byte) {
		m := genuine
		m.NexoBlob = blob
		m.SecurityTrailer = &nexo.SecurityTrailer{AdyenCryptoVersion: 1, KeyIdentifier: "till", KeyVersion: 1, Nonce: nonce, Hmac: mac}
		opened, _, err := keys.Decrypt(nexo.Envelope{Request: &m})
		switch {
		case err == nil && cmp.Diff(opened, inner) != "":
			t.Fatalf("opened %+v", opened)
		case err != nil && err.Error() != "nexo.encrypted":
			t.Fatal(err)
		}
	})
}

// FuzzParseAdditional: key/values that are taken come back.
func FuzzParseAdditional(f *testing.F) {
	f.Add("message=Uncompleted%20transaction&a=b")
	f.Add("eyJhIjoiMSJ9")
	f.Add("a=%00")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := nexo.ParseAdditional(s)
		if err != nil {
			return
		}
		again, err := nexo.ParseAdditional(a.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", s, a.String(), err)
		}
		for k, v := range a {
			if v != "" && again[k] != v {
				t.Fatalf("%q: %q became %q", k, v, again[k])
			}
		}
	})
}

var _ terminal.Protocol = nexo.Protocol{}
