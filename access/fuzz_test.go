package access_test

import (
	"strings"
	"testing"

	"encaisse/access"
)

// FuzzParseEmail: an address that is taken is taken again as it is kept, and
// can be put into a header or a list without becoming two.
func FuzzParseEmail(f *testing.F) {
	for _, s := range []string{"a@b.example", " A@B.Example ", "A <a@b.example>", "\"a b\"@c.example", "é@b.example", "a@[127.0.0.1]", "a@b\r\nc: d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kept, err := access.ParseEmail(s)
		if err != nil {
			return
		}
		again, err := access.ParseEmail(kept)
		if err != nil || again != kept {
			t.Fatalf("%q is kept as %q, which is %q, %v", s, kept, again, err)
		}
		if strings.ContainsAny(kept, " \r\n,;<>\"") || strings.Count(kept, "@") != 1 || len(kept) > 254 {
			t.Fatalf("%q is kept as %q", s, kept)
		}
	})
}
