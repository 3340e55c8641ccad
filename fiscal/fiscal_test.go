package fiscal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// TestEdge holds the edge against the reference implementation of RFC 6962: the
// same leaves give the same root at every size.
func TestEdge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaves := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 8), 1, 70).Draw(t, "leaves")
		var stored []tlog.Hash
		read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			out := make([]tlog.Hash, len(indexes))
			for i, at := range indexes {
				out[i] = stored[at]
			}
			return out, nil
		})
		var e edge
		for n, leaf := range leaves {
			hashes, err := tlog.StoredHashes(int64(n), leaf, read)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, hashes...)
			want, err := tlog.TreeHash(int64(n+1), read)
			if err != nil {
				t.Fatal(err)
			}
			if e, err = readEdge(e.bytes(), int64(n)); err != nil { // through its stored form
				t.Fatal(err)
			}
			if e = e.add(int64(n), hashOf(leaf)); e.root() != want {
				t.Fatalf("root of %d leaves differs", n+1)
			}
		}
		if _, err := readEdge(e.bytes(), int64(len(leaves)+1)<<1); err == nil && len(e.bytes()) > 0 && popcount(len(leaves)) != popcount((len(leaves)+1)<<1) {
			t.Fatal("an edge of another size was read")
		}
	})
}

func popcount(n int) (count int) {
	for ; n > 0; n >>= 1 {
		count += n & 1
	}
	return count
}

// TestCanonVectors are the string rules of RFC 8785, §3.2.2.2, byte for byte.
func TestCanonVectors(t *testing.T) {
	for in, want := range map[string]string{
		"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\u002f": `"€$\u000f\nA'B\"\\\\\"/"`,
		"\b\t\f\r":               `"\b\t\f\r"`,
		"\u007f\u2028\U0001F600": "\"\u007f\u2028\U0001F600\"",
		"bad \xff utf":           "\"bad \uFFFD utf\"",
		"":                       `""`,
	} {
		got := string(Body(func(c *Canon) { c.Str("k", in) }))
		if got != `{"k":`+want+`}` {
			t.Errorf("%q: %s", in, got)
		}
	}
}

// TestCanonIsJSON: whatever strings and integers go in, an ordinary JSON reader
// gets them out again.
func TestCanonIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, n := rapid.String().Draw(t, "s"), rapid.Int64().Draw(t, "n")
		s = strings.ToValidUTF8(s, "?")
		var back struct {
			A []struct{ S string }
			N json.Number
		}
		body := Body(func(c *Canon) {
			c.List("A", 2, func(int) { c.Str("S", s) })
			c.Int("N", n)
		})
		if err := json.Unmarshal(body, &back); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if back.A[1].S != s || back.N.String() != fmt.Sprint(n) {
			t.Fatalf("%s: %+v", body, back)
		}
	})
}

// TestCanonRefusesDisorder: a record that is not canonical must not exist.
func TestCanonRefusesDisorder(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("keys out of order were written")
		}
	}()
	Body(func(c *Canon) {
		c.Str("b", "")
		c.Str("a", "")
	})
}

func someHeader() Header {
	return Header{
		Origin: "encaisse/73282932000074/register-2", Seq: 7, Kind: KindTicket, Number: 5, JET: JETReturn, History: true,
		At: time.Date(2026, 11, 23, 6, 0, 0, 123e6, time.UTC), Offset: 60, Operator: 3, Prev: hashOf([]byte("before")),
		Net: -330, Absolute: 330, Software: "1.0.0",
	}
}

// TestSplit takes a record apart again, and refuses it with any one byte changed.
func TestSplit(t *testing.T) {
	body := Body(func(c *Canon) { c.Str("label", `Pain "de", "chain":"mie`) })
	record := compose(someHeader(), body)
	h, got, err := Split(record)
	if err != nil || h != someHeader() || !bytes.Equal(got, body) {
		t.Fatalf("%v %+v %s", err, h, got)
	}
	for i := range record {
		for _, change := range []byte{record[i] ^ 1, ' ', '"', '0'} {
			altered := bytes.Clone(record)
			if altered[i] = change; bytes.Equal(altered, record) {
				continue
			}
			h, got, err := Split(altered)
			if err == nil && h == someHeader() && bytes.Equal(got, body) {
				t.Fatalf("byte %d changed to %q and the record reads the same", i, change)
			}
		}
	}
	for _, text := range []string{"", "{}", string(record) + " ", " " + string(record), string(record[:len(record)-1])} {
		if _, _, err := Split([]byte(text)); err == nil {
			t.Errorf("%.60q was accepted", text)
		}
	}
}

// FuzzSplit: what Split accepts is exactly what compose writes, and it never panics.
func FuzzSplit(f *testing.F) {
	f.Add(compose(someHeader(), []byte(`{}`)))
	f.Add(compose(Header{Kind: KindEvent}, Body(func(c *Canon) { c.Str("name", "x") })))
	f.Add([]byte(`{"absolute":1,"at":"`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		h, body, err := Split(payload)
		if err == nil && !bytes.Equal(compose(h, body), payload) {
			t.Fatalf("accepted what is not canonical: %q", payload)
		}
	})
}

// TestCheckpointIsASignedNote: any tool that reads signed notes can check one
// with the exported public key.
func TestCheckpointIsASignedNote(t *testing.T) {
	s, err := newSigner("encaisse/732829320")
	if err != nil {
		t.Fatal(err)
	}
	text := checkpointText("encaisse/73282932000074/register-2", 12, hashOf([]byte("x")))
	signature, err := s.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	written := signedNote(text, &s.verifier, signature)
	public, err := s.publicKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := parsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open(written, note.VerifierList(key))
	if err != nil || opened.Text != string(text) {
		t.Fatalf("%v: %+v", err, opened)
	}
	if _, err := note.Open(bytes.Replace(written, []byte("\n12\n"), []byte("\n13\n"), 1), note.VerifierList(key)); err == nil {
		t.Fatal("an altered checkpoint was accepted")
	}
	file := append(append([]byte{}, written...), '\n')
	file = append(append(file, written...), '\n')
	list, err := ReadCheckpoints(bytes.NewReader(append(file, "encaisse/732\n1"...))) // the last one cut short
	if err != nil || len(list) != 2 || list[1].Size != 12 || !key.Verify(list[1].Text, list[1].Signature) {
		t.Fatalf("%v: %+v", err, list)
	}
}

// FuzzReadCheckpoints: a hostile file is refused or read, never a panic.
func FuzzReadCheckpoints(f *testing.F) {
	f.Add([]byte("o\n1\nAAAA\n\n— k AAAA\n\n"))
	f.Fuzz(func(t *testing.T, file []byte) { _, _ = ReadCheckpoints(bytes.NewReader(file)) })
}

// FuzzParsePublicKey: a hostile key is refused or read, never a panic.
func FuzzParsePublicKey(f *testing.F) {
	s, _ := newSigner("k")
	public, _ := s.publicKey()
	f.Add(public)
	f.Add("a+b+c")
	f.Fuzz(func(t *testing.T, text string) { _, _ = parsePublicKey(text) })
}
