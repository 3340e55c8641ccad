package id

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"encaisse/base/problem"
)

// vector is a Kind with the prefix of the specification's examples.
type vector string

func (vector) Prefix() string { return "prefix" }

func uuid(t *testing.T, s string) (u [16]byte) {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		t.Fatalf("%s: %v", s, err)
	}
	return [16]byte(b)
}

// decode is the UUID in an identifier, written apart from the code under test: the
// digits of base 32, most significant first.
func decode(id string) (u [16]byte) {
	for _, c := range id[strings.LastIndexByte(id, '_')+1:] {
		carry := strings.IndexRune(alphabet, c)
		for i := 15; i >= 0; i-- {
			carry += int(u[i]) * 32
			u[i] = byte(carry)
			carry >>= 8
		}
	}
	return u
}

// TestTypeIDVectors holds the valid examples of the TypeID specification 0.3.
func TestTypeIDVectors(t *testing.T) {
	for want, u := range map[vector]string{
		"prefix_00000000000000000000000000": "00000000-0000-0000-0000-000000000000",
		"prefix_00000000000000000000000001": "00000000-0000-0000-0000-000000000001",
		"prefix_0000000000000000000000000a": "00000000-0000-0000-0000-00000000000a",
		"prefix_0000000000000000000000000g": "00000000-0000-0000-0000-000000000010",
		"prefix_00000000000000000000000010": "00000000-0000-0000-0000-000000000020",
		"prefix_7zzzzzzzzzzzzzzzzzzzzzzzzz": "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"prefix_0123456789abcdefghjkmnpqrs": "0110c853-1d09-52d8-d73e-1194e95b5f19",
		"prefix_01h455vb4pex5vsknk084sn02q": "01890a5d-ac96-774b-bcce-b302099a8057",
	} {
		if got := render[vector](uuid(t, u)); got != want {
			t.Errorf("%s: %s, want %s", u, got, want)
		}
		if got, err := Parse[vector](string(want)); err != nil || got != want {
			t.Errorf("%s: %s, %v", want, got, err)
		}
		if got := decode(string(want)); got != uuid(t, u) {
			t.Errorf("%s: %x, want %s", want, got, u)
		}
	}
}

// TestParseRefuses holds the invalid examples of the TypeID specification that have our
// shape, and an identifier of another noun.
func TestParseRefuses(t *testing.T) {
	for _, bad := range []string{
		"",
		"prefix",
		"prefix_",
		"_01h455vb4pex5vsknk084sn02q",
		"01h455vb4pex5vsknk084sn02q",
		"PREFIX_01h455vb4pex5vsknk084sn02q",
		"prefix_01H455VB4PEX5VSKNK084SN02Q",
		"prefix_01h455vb4pex5vsknk084sn02",   // 25
		"prefix_01h455vb4pex5vsknk084sn02qq", // 27
		"prefix_8zzzzzzzzzzzzzzzzzzzzzzzzz",  // 130 bits
		"prefix_ooooooiiiiiiuuuuuuulllllll",  // letters Crockford leaves out
		"prefix_i23456789ol23456789oi23456",  // and takes for others when people read
		"prefix_123456789-0123456789-01234",
		"prefix__01h455vb4pex5vsknk084sn02",
		" prefix_01h455vb4pex5vsknk084sn02q",
		"prefix_01h455vb4pex5vsknk084sn02q\n",
		"sale_01h455vb4pex5vsknk084sn02q",
	} {
		got, err := Parse[vector](bad)
		if p := problem.As(err); p == nil || p.Code != "id.malformed" || p.Kind != problem.Invalid || p.Args["prefix"] != "prefix" || got != "" {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
}

func TestNewHoldsItsTime(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 123_000_000, time.UTC)
	u := decode(string(New[Sale](at)))
	if ms := int64(binary.BigEndian.Uint64(u[:8]) >> 16); ms != at.UnixMilli() {
		t.Errorf("time %d, want %d", ms, at.UnixMilli())
	}
	if u[6]>>4 != 7 || u[8]>>6 != 2 {
		t.Errorf("version %d, variant %d", u[6]>>4, u[8]>>6)
	}
}

// TestNewIsMonotonic makes as many in one millisecond as its counter holds, and one more.
func TestNewIsMonotonic(t *testing.T) {
	at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	var made []Sale
	for range 0x1000 + 1 {
		made = append(made, New[Sale](at))
	}
	for i := range 100 {
		made = append(made, New[Sale](at.Add(time.Duration(i+2)*time.Millisecond)))
	}
	if !slices.IsSorted(made) {
		t.Error("identifiers do not sort in the order they were made")
	}
}

func TestNewIsUniqueUnderConcurrency(t *testing.T) {
	const makers, each = 8, 20_000
	at := time.Date(2028, 1, 2, 3, 4, 5, 0, time.UTC)
	made := make([][]Sale, makers)
	var group sync.WaitGroup
	for m := range makers {
		group.Go(func() {
			for i := range each {
				made[m] = append(made[m], New[Sale](at.Add(time.Duration(i)*time.Microsecond)))
			}
		})
	}
	group.Wait()
	seen := make(map[Sale]bool, makers*each)
	for _, ids := range made {
		for _, id := range ids {
			seen[id] = true
		}
	}
	if len(seen) != makers*each {
		t.Errorf("%d different identifiers of %d", len(seen), makers*each)
	}
}

func TestFromDependsOnItsArgumentsAlone(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	digest := [32]byte{1, 2, 3}
	first := From[Sale](at, digest)
	if again := From[Sale](at.In(time.FixedZone("x", 3600)), digest); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	digest[9]++
	if other := From[Sale](at, digest); other == first || other[:14] != first[:14] {
		t.Errorf("%s and %s: another digest, the same time", first, other)
	}
	if later := From[Sale](at.Add(time.Millisecond), digest); later <= first {
		t.Errorf("%s is later than %s", later, first)
	}
	if _, err := Parse[Sale](string(first)); err != nil {
		t.Error(err)
	}
}

// TestPrefixesDiffer keeps the table of nouns readable both ways.
func TestPrefixesDiffer(t *testing.T) {
	prefixes := []string{
		Merchant("").Prefix(), Site("").Prefix(), Register("").Prefix(), Person("").Prefix(), Key("").Prefix(), Audit("").Prefix(),
		Category("").Prefix(), Article("").Prefix(), Session("").Prefix(), Movement("").Prefix(), Sale("").Prefix(), Tender("").Prefix(),
		Closing("").Prefix(), Chain("").Prefix(), Signer("").Prefix(), Event("").Prefix(), Job("").Prefix(),
	}
	slices.Sort(prefixes)
	if distinct := slices.Compact(slices.Clone(prefixes)); len(distinct) != len(prefixes) {
		t.Errorf("two nouns share a prefix: %v", prefixes)
	}
	for _, p := range prefixes {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("prefix %q", p)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("sale_01h455vb4pex5vsknk084sn02q")
	f.Add("sale_8zzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Add("sale_")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse[Sale](s)
		if err != nil {
			if !problem.Is(err, "id.malformed") || id != "" {
				t.Fatalf("%q: %q, %v", s, id, err)
			}
			return
		}
		if string(id) != s || render[Sale](decode(s)) != id {
			t.Fatalf("%q: %q, again %q", s, id, render[Sale](decode(s)))
		}
	})
}

func BenchmarkNew(b *testing.B) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		New[Sale](at)
	}
}
