package card_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"encaisse/base/card"
	"encaisse/base/problem"
	"pgregory.net/rapid"
)

// published is a number that schemes publish for tests.
const published = "4111111111111111"

func TestParsePAN(t *testing.T) {
	for _, number := range []string{published, "5555555555554444", "378282246310005", "6759649826438453", "4970100000000055"} {
		if _, err := card.ParsePAN(number); err != nil {
			t.Errorf("%s: %v", number, err)
		}
	}
	for name, c := range map[string]struct{ number, code string }{
		"nothing":           {"", "card.pan_format"},
		"too short":         {"41111111111", "card.pan_format"},
		"too long":          {"41111111111111111111", "card.pan_format"},
		"with spaces":       {"4111 1111 1111 1111", "card.pan_format"},
		"a letter":          {"411111111111111a", "card.pan_format"},
		"digits not ASCII":  {"٤١١١١١١١١١١١١١١١", "card.pan_format"},
		"wrong check digit": {"4111111111111112", "card.pan_check"},
	} {
		_, err := card.ParsePAN(c.number)
		if !problem.Is(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && c.number != "" && strings.Contains(err.Error(), c.number) {
			t.Errorf("%s: the problem repeats the number: %v", name, err)
		}
	}
}

// TestANumberIsNeverShownWhole in whatever way somebody prints it.
func TestANumberIsNeverShownWhole(t *testing.T) {
	pan, err := card.ParsePAN(published)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Card   card.PAN `json:"card"`
		hidden card.PAN // fmt calls no method of it
	}
	hold := holder{pan, pan}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("paid", "card", pan, "in", hold, "at", &pan)
	slog.New(slog.NewTextHandler(&log, nil)).Info("paid", "card", pan, "in", hold, "at", &pan)
	marshalled, err := json.Marshal(map[card.PAN]holder{pan: hold})
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprint(pan, &pan, hold, &hold, []card.PAN{pan}) +
		fmt.Sprintf("%v %+v %#v %s %q %x", pan, pan, pan, pan, pan, pan) + fmt.Sprintf("%d %o", any(pan), any(hold)) +
		fmt.Sprintf("%v %+v %#v %s %q", hold, hold, hold, any(hold), any(hold)) +
		fmt.Sprintf("%x", any(hold)) + log.String() + string(marshalled)
	for name, whole := range map[string]string{"as digits": published, "in hex": hex.EncodeToString([]byte(published))} {
		if strings.Contains(printed, whole) {
			t.Errorf("the number is shown %s: %s", name, printed)
		}
	}
	if twin, err := card.ParsePAN(published); err != nil || twin != pan || (map[card.PAN]bool{pan: true})[twin] != true {
		t.Error("the same number is not the same")
	}
	if !strings.Contains(printed, "411111******1111") {
		t.Error("nor is it shown masked")
	}
	if pan.Digits() != published || pan.IsZero() || !(card.PAN{}).IsZero() || (card.PAN{}).Masked() != "" {
		t.Error("what asks for it gets it")
	}
	if card.Last4(pan.Masked()) != "1111" || card.Last4("1") != "" {
		t.Error("last four")
	}
}

// leaky is what a card number must not be.
type leaky struct{ digits string }

func (l leaky) String() string { return "masked" }

// TestALeakWouldBeSeen: the check above finds a number that only has a String method.
func TestALeakWouldBeSeen(t *testing.T) {
	if printed := fmt.Sprint(struct{ hidden leaky }{leaky{published}}); !strings.Contains(printed, published) {
		t.Errorf("fmt hides it by itself now: %s", printed)
	}
}

// TestLuhnFindsEverySingleMistake in a digit.
func TestLuhnFindsEverySingleMistake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := []byte(rapid.SampledFrom([]string{published, "5555555555554444", "378282246310005"}).Draw(t, "number"))
		at := rapid.IntRange(0, len(number)-1).Draw(t, "at")
		digit := byte(rapid.IntRange(0, 9).Draw(t, "digit")) + '0'
		if number[at] == digit {
			return
		}
		number[at] = digit
		if _, err := card.ParsePAN(string(number)); !problem.Is(err, "card.pan_check") {
			t.Fatalf("%s: %v", number, err)
		}
	})
}

// TestFingerprint: the same card is known again by one merchant, and by no other.
func TestFingerprint(t *testing.T) {
	one, err := card.ParsePAN(published)
	if err != nil {
		t.Fatal(err)
	}
	two, err := card.ParsePAN("5555555555554444")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, key := range []string{"merchant a", "merchant b"} {
		for _, pan := range []card.PAN{one, two} {
			f := card.Fingerprint([]byte(key), pan)
			if f != card.Fingerprint([]byte(key), pan) || seen[f] || len(f) != 32 || strings.Contains(f, "1111") && strings.Contains(f, published[:8]) {
				t.Errorf("%s", f)
			}
			seen[f] = true
		}
	}
}

func key(t testing.TB) card.PrivateKey {
	t.Helper()
	k, err := card.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func data() card.Data {
	return card.Data{PAN: published, Expiry: "3512", Sequence: "01", Track2: published + "D351220100000", PINBlock: "041226EEEEEEEEEE"}
}

// TestAnEnvelopeOpensOnceForWhatItIsFor and for nothing else.
func TestAnEnvelope(t *testing.T) {
	k := key(t)
	sealed, err := k.Public().Seal(data(), "att_1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(sealed, "att_1"); err != nil || got != data() {
		t.Errorf("%v", err)
	}
	if len(sealed) > card.MaxEnvelope || bytes.Contains(sealed, []byte("4111")) {
		t.Error("too long, or not sealed")
	}
	again, err := k.Public().Seal(data(), "att_1")
	if err != nil || bytes.Equal(again, sealed) {
		t.Error("the same twice")
	}
	private, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	back, err := card.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := card.ParsePublicKey(k.Public().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if sealed, err = public.Seal(data(), "att_2"); err != nil {
		t.Fatal(err)
	}
	if got, err := back.Open(sealed, "att_2"); err != nil || got != data() {
		t.Errorf("keys written and read: %v", err)
	}
	if kept := data().Kept(); kept.Track2 != "" || kept.PINBlock != "" || kept.PAN != published || kept.Expiry != "3512" || kept.Sequence != "01" {
		t.Errorf("what may be kept: %+v", kept)
	}
	for _, bad := range [][]byte{nil, {1}, make([]byte, 31), make([]byte, 33)} {
		if _, err := card.ParsePrivateKey(bad); err == nil {
			t.Errorf("a private key of %d bytes", len(bad))
		}
		if _, err := card.ParsePublicKey(bad); err == nil {
			t.Errorf("a public key of %d bytes", len(bad))
		}
	}
}

// TestAnAlteredEnvelopeDoesNotOpen, nor somebody else's, and nothing tells why.
func TestAnAlteredEnvelopeDoesNotOpen(t *testing.T) {
	k := key(t)
	sealed, err := k.Public().Seal(data(), "att_1")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, k card.PrivateKey, envelope []byte, about string) {
		t.Helper()
		got, err := k.Open(envelope, about)
		if !problem.Is(err, "card.envelope") || err.Error() != "card.envelope" || got != (card.Data{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("for something else", k, sealed, "att_2")
	refused("another's key", key(t), sealed, "att_1")
	refused("nothing", k, nil, "att_1")
	refused("cut", k, sealed[:len(sealed)-1], "att_1")
	refused("the key alone", k, sealed[:33], "att_1")
	refused("too long", k, append(sealed, make([]byte, card.MaxEnvelope)...), "att_1")
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		refused(fmt.Sprintf("byte %d altered", i), k, altered, "att_1")
	}
}

func FuzzOpen(f *testing.F) {
	k := key(f)
	sealed, err := k.Public().Seal(data(), "att_1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, "att_1")
	f.Add([]byte{1}, "")
	f.Fuzz(func(t *testing.T, envelope []byte, about string) {
		got, err := k.Open(envelope, about)
		if err == nil && got != data() {
			t.Errorf("a forged envelope opened: %d bytes for %q", len(envelope), about)
		}
	})
}

func FuzzParsePAN(f *testing.F) {
	f.Add(published)
	f.Fuzz(func(t *testing.T, s string) {
		pan, err := card.ParsePAN(s)
		if err == nil && (pan.Digits() != s || strings.Count(pan.Masked(), "*") < 2) {
			t.Errorf("%q: %s", s, pan)
		}
	})
}

func TestSchemes(t *testing.T) {
	for aid, want := range map[string]card.Scheme{
		"A0000000421010": card.CB, "A0000000031010": card.Visa, "A0000000032010": card.Visa, "A0000000041010": card.Mastercard,
		"A0000000043060": card.Maestro, "A00000002501": card.Amex, "A0000001523010": "", "A0000000": "", "": "",
	} {
		if got := card.SchemeOfAID(aid); got != want {
			t.Errorf("%s: %q, want %q", aid, got, want)
		}
	}
	card.Schemes()[0] = "changed"
	for _, s := range card.Schemes() {
		if !s.Known() || s.NeedsAffiliation() != (s == card.Amex) {
			t.Errorf("%s", s)
		}
	}
	if card.Scheme("jcb").Known() {
		t.Error("an unknown scheme")
	}
}
