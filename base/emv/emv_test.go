package emv

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"encaisse/base/problem"
	"pgregory.net/rapid"
)

// trace is a public contact trace of a Visa test card: two records, the first
// GENERATE AC and its answer, as chips send them.
const trace = `6F168407A0000000031010A50B5009564953412054455354
7038570B4761340000000050D17122010012345234515F20104341524420352F56495341205445535400
70128E100000000000000000410342031E031F02
70625A0847613400000000508C159F02069F03069F1A0295055F2A029A039C019F37048D178A029F02069F03069F1A0295055F2A029A039C019F37045F24031712319F0702FF809F0802008C9F0D0500000000009F0E0500000000009F0F050000000000`

func decode(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseReadsWhatAChipSends(t *testing.T) {
	lines := strings.Split(trace, "\n")
	fci, err := Parse(decode(t, lines[0]))
	if err != nil || len(fci) != 1 || fci[0].Tag != 0x6F || len(fci[0].Children) != 2 {
		t.Fatalf("%+v %v", fci, err)
	}
	if name := fci[0].Children.Get(TagDFName); hex.EncodeToString(name) != "a0000000031010" {
		t.Errorf("DF name %x", name)
	}
	if label := fci[0].Children[1].Children.Get(TagLabel); string(label) != "VISA TEST" {
		t.Errorf("label %q", label)
	}
	record, err := Parse(decode(t, lines[3]))
	if err != nil {
		t.Fatal(err)
	}
	in := record[0].Children
	if got := hex.EncodeToString(in.Get(TagPAN)); got != "4761340000000050" {
		t.Errorf("number %s", got)
	}
	if got := hex.EncodeToString(in.Get(TagExpiry)); got != "171231" {
		t.Errorf("expiry %s", got)
	}
	if in.Get(TagIACDenial) == nil || in.Get(TagARC) != nil {
		t.Error("IAC denial is there, an ARC is not")
	}
	if !bytes.Equal(record.Bytes(), decode(t, lines[3])) {
		t.Errorf("written back: %X", record.Bytes())
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("7F2181", 0)
	for range 10 {
		body := decode(t, deep)
		deep = hex.EncodeToString(append([]byte{0x70, byte(len(body))}, body...))
	}
	for name, s := range map[string]string{
		"a length without value": "9F0206", "a tag without length": "9F02", "half a tag": "9F", "a tag without end": "9F818283",
		"an endless length": "5A80", "three bytes of length": "5A83000001FF", "half a length": "5A81", "a value cut short": "5A0311",
		"an object cut inside a template": "70035A0211", "templates without end": deep,
	} {
		list, err := Parse(decode(t, s))
		if !problem.Is(err, "emv.malformed") {
			t.Errorf("%s: %+v %v", name, list, err)
		}
		if err != nil && strings.Contains(strings.ToUpper(err.Error()), s) && len(s) > 6 {
			t.Errorf("%s: the problem repeats what it read: %v", name, err)
		}
	}
	if _, err := Parse(make([]byte, MaxBytes+1)); !problem.Is(err, "emv.malformed") {
		t.Errorf("too long: %v", err)
	}
	if list, err := Parse([]byte{0, 0, 0x5A, 1, 0x12, 0, 0}); err != nil || len(list) != 1 {
		t.Errorf("padding between objects: %+v %v", list, err)
	}
}

// TestParseIsTheInverseOfBytes over lists of every shape.
func TestParseIsTheInverseOfBytes(t *testing.T) {
	tags := []Tag{TagAID, TagTrack2, TagCryptogram, TagAmount, TagExpiry, 0xDF8172}
	var lists *rapid.Generator[List]
	lists = rapid.Custom(func(t *rapid.T) (l List) {
		for range rapid.IntRange(1, 4).Draw(t, "objects") {
			switch rapid.IntRange(0, 5).Draw(t, "shape") {
			case 0:
				l = append(l, Object{Tag: 0x70, Children: lists.Draw(t, "children")})
			default:
				n := rapid.SampledFrom([]int{0, 1, 127, 128, 255, 256, 300}).Draw(t, "length")
				l.Add(rapid.SampledFrom(tags).Draw(t, "tag"), rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "value"))
			}
		}
		return l
	})
	rapid.Check(t, func(t *rapid.T) {
		l := lists.Draw(t, "list")
		b := l.Bytes()
		back, err := Parse(b)
		if depth(l) > maxDepth || len(b) > MaxBytes {
			if err == nil {
				t.Fatal("too deep or too long, and taken")
			}
			return
		}
		if err != nil || !bytes.Equal(back.Bytes(), b) {
			t.Fatalf("%X: %v", b, err)
		}
	})
}

func depth(l List) (most int) {
	for _, o := range l {
		if o.Children != nil {
			most = max(most, 1+depth(o.Children))
		}
	}
	return most
}

func FuzzParse(f *testing.F) {
	for _, line := range strings.Split(trace, "\n") {
		f.Add(decode(f, line))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(l.Bytes())
		if err != nil || !bytes.Equal(again.Bytes(), l.Bytes()) {
			t.Fatalf("%X: %v", b, err)
		}
	})
}

func FuzzParseCVMList(f *testing.F) {
	f.Add(decode(f, "0000000000000000410342031E031F02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseCVMList(b)
		if err == nil && len(l.Rules) != (len(b)-cvmAmountBytes)/2 {
			t.Fatalf("%X: %d rules", b, len(l.Rules))
		}
	})
}

// TestFindingsHaveTheirBits against the tables of EMV Book 3 annex C5 and C6.
func TestFindingsHaveTheirBits(t *testing.T) {
	for _, c := range []struct {
		set  []Bit
		want string
	}{
		{nil, "0000000000"},
		{[]Bit{OnlinePINEntered, FloorLimitExceeded}, "0000048000"}, // the worked value
		{[]Bit{ODANotPerformed, DifferentVersions, OnlinePINEntered, FloorLimitExceeded}, "8080048000"},
		{[]Bit{Expired}, "0040000000"},
		{[]Bit{CVMFailed, PINTriesExceeded}, "0000A00000"},
		{[]Bit{IssuerAuthFailed}, "0000000040"},
		{[]Bit{ODANotPerformed, FloorLimitExceeded, IssuerAuthFailed}, "8000008040"}, // of the public trace
	} {
		var v TVR
		for _, b := range c.set {
			v.Set(b)
			if !v.Has(b) {
				t.Errorf("%v was not noted", b)
			}
		}
		if v.String() != c.want {
			t.Errorf("%v: %s, want %s", c.set, v, c.want)
		}
	}
	var s TSI
	for _, b := range []Bit{ODAPerformed, CVMPerformed, CardRiskPerformed, TerminalRiskPerformed} {
		s.Set(b)
	}
	if s.String() != "E800" || s.Has(IssuerAuthPerformed) {
		t.Errorf("TSI %s", s)
	}
	var v, denial TVR
	v.Set(Expired)
	if v.Matches(denial) {
		t.Error("an empty action code asks for nothing")
	}
	if denial.Set(Expired); !v.Matches(denial) {
		t.Error("a common bit asks")
	}
}

// TestEveryBitOfTheDictionary reads the dictionaries of the open data and counts
// on each line having a name of ours at the same place.
func TestEveryBitOfTheDictionary(t *testing.T) {
	ours := map[string][]Bit{
		"tvr.txt": {
			ODANotPerformed, SDAFailed, ICCDataMissing, OnExceptionFile, DDAFailed, CDAFailed,
			{1, 2},
			DifferentVersions, Expired, NotYetEffective, ServiceNotAllowed, NewCard,
			CVMFailed, UnrecognisedCVM, PINTriesExceeded, PINPadMissing, PINNotEntered, OnlinePINEntered, FloorLimitExceeded, LowerOfflineExceeded, UpperOfflineExceeded,
			RandomOnline, MerchantForcedOnline, DefaultTDOL, IssuerAuthFailed, ScriptFailedBeforeLast, ScriptFailedAfterLast,
		},
		"tsi.txt": {ODAPerformed, CVMPerformed, CardRiskPerformed, IssuerAuthPerformed, TerminalRiskPerformed, ScriptsProcessed, {2, 8}, {2, 1}},
	}
	shape := regexp.MustCompile(`\((\d),(\d)\)=1`)
	for name, bits := range ours {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "vectors", "emv", "dict", name))
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("the open data is not beside the project")
		}
		if err != nil {
			t.Fatal(err)
		}
		seen := map[Bit]bool{}
		for _, m := range shape.FindAllStringSubmatch(string(text), -1) {
			byteAt, _ := strconv.Atoi(m[1])
			bitAt, _ := strconv.Atoi(m[2])
			seen[Bit{byteAt, bitAt}] = true
		}
		for _, b := range bits {
			if !seen[b] {
				t.Errorf("%s: %v is not in the dictionary", name, b)
			}
			delete(seen, b)
		}
		if len(seen) > 0 {
			t.Errorf("%s: %v have no name of ours", name, seen)
		}
	}
}

// TestTheTraceOfTheOpenData parses every answer of the public trace that has
// objects, and writes it back byte for byte.
func TestTheTraceOfTheOpenData(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "vectors", "emv", "cases", "contact-visa-in.txt"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the open data is not beside the project")
	}
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, line := range strings.Fields(string(text)) {
		if !strings.HasSuffix(line, "9000") || line[0] != '6' && line[0] != '7' && line[0] != '9' {
			continue
		}
		b := decode(t, strings.TrimSuffix(line, "9000"))
		l, err := Parse(b)
		if err != nil || !bytes.Equal(l.Bytes(), b) {
			t.Errorf("%s: %v", line, err)
		}
		for _, o := range l {
			if list := o.Children.Get(TagCVMList); list != nil {
				cvm, err := ParseCVMList(list)
				if err != nil || len(cvm.Rules) != 4 || cvm.Rules[0] != (CVMRule{CVMPlainPIN, CVMSupported, true}) || cvm.Rules[3].Condition != CVMNoCash {
					t.Errorf("%+v %v", cvm, err)
				}
			}
		}
		read++
	}
	if read < 6 {
		t.Errorf("%d answers with objects", read)
	}
}

func TestCVMLists(t *testing.T) {
	list, err := ParseCVMList(decode(t, "0000100000002000440342031E061F09"))
	if err != nil || list.X != 0x1000 || list.Y != 0x2000 || len(list.Rules) != 4 {
		t.Fatalf("%+v %v", list, err)
	}
	for i, want := range []string{"440302", "420300", "1E0601", "1F0902"} {
		outcome := []CVMOutcome{OutcomeSuccessful, OutcomeUnknown, OutcomeFailed, OutcomeSuccessful}[i]
		if got := list.Rules[i].Result(outcome).String(); got != want {
			t.Errorf("rule %d: %s, want %s", i, got, want)
		}
	}
	if NoCVMResult().String() != "3F0000" {
		t.Errorf("%s", NoCVMResult())
	}
	for _, s := range []string{"", "0000000000000000", "00000000000000004403FF", strings.Repeat("00", 400)} {
		if _, err := ParseCVMList(decode(t, s)); !problem.Is(err, "emv.malformed") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestBCD(t *testing.T) {
	for _, c := range []struct {
		digits string
		n      int
		want   string
	}{{"1250", 6, "000000001250"}, {"978", 2, "0978"}, {"", 1, "00"}, {"123456", 2, "3456"}} {
		if got := hex.EncodeToString(BCD(c.digits, c.n)); got != c.want {
			t.Errorf("%s in %d: %s", c.digits, c.n, got)
		}
	}
}
