package iso8583_test

import (
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"

	"encaisse/acquirer/iso8583"
)

var update = flag.Bool("update", false, "write testdata again")

// full is an authorisation with everything secret in it.
func full(t testing.TB) *iso8583.Message {
	m := iso8583.NewMessage("0100")
	m.Set(2, "4111111111111111")
	m.Set(3, "000000")
	m.Set(4, "000000001250")
	m.Set(7, "0102150405")
	m.Set(11, "000042")
	m.Set(14, "3012")
	m.Set(22, "051")
	m.Set(35, "4111111111111111=30122010000012345")
	m.Set(41, "T0000001")
	m.Set(42, "1999887        ")
	m.Set(45, "B4111111111111111^DUPONT/JEANNE^30122010000012345")
	m.Set(49, "978")
	m.SetBytes(52, unhex(t, "041274EDCBA9876F"))
	m.SetBytes(55, unhex(t, "5F2A020978 5A084111111111111111 57114111111111111111D30122010000012345 9F260801020304050607 08 E108 5A063782822463 1F"))
	m.Set(102, "FR7630006000011234567890189")
	return m
}

// TestPrint holds the printed form against a file, and searches it for all that
// must not be in it.
func TestPrint(t *testing.T) {
	s := iso8583.V1987(iso8583.BCD())
	m := full(t)
	var b strings.Builder
	if err := s.Print(&b, m); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/print.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("printed\n%s\nwant\n%s", b.String(), want)
	}
	for _, found := range secretsIn(b.String(), m) {
		t.Errorf("printed %s", found)
	}
}

// secretsIn names what of a message's card data stands in a text.
func secretsIn(text string, m *iso8583.Message) []string {
	text = strings.ToLower(text)
	var found []string
	for name, secret := range map[string]string{
		"the number": m.Get(2), "the end of track 2": "0000012345", "the holder": "DUPONT", "the holder in hex": "4455504f4e54",
		"the PIN block": hex.EncodeToString(m.Bytes(52)), "the account": m.Get(102), "the number in hex": hex.EncodeToString([]byte(m.Get(2))),
		"the number without its last digit": m.Get(2)[:15],
	} {
		if strings.Contains(text, strings.ToLower(secret)) {
			found = append(found, name)
		}
	}
	return found
}

// TestSecretsAreFound plants what TestPrint searches for.
func TestSecretsAreFound(t *testing.T) {
	m := full(t)
	for _, planted := range []string{"4111111111111111", "x 30122010000012345", "Dupont", "041274edcba9876f", "34313131313131313131313131313131", m.Get(102)} {
		if len(secretsIn(planted, m)) == 0 {
			t.Errorf("%q is not found", planted)
		}
	}
}

// TestPrintWhatIsWrong: a message that could not be sent prints all the same, and
// what may be a number with an error is hidden.
func TestPrintWhatIsWrong(t *testing.T) {
	m := iso8583.NewMessage("4")
	m.Set(2, "4111111111111112")
	m.Set(35, "4111111111111112=3012")
	m.Set(55, "not objects 4111111111111111")
	m.Set(300, "x")
	var b strings.Builder
	if err := iso8583.V1987(iso8583.ASCII()).Print(&b, m); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "41111") || !strings.Contains(b.String(), "no message type") || !strings.Contains(b.String(), "300") {
		t.Error(b.String())
	}
}

func TestDescribe(t *testing.T) {
	for mti, want := range map[string]string{
		"0100": "authorisation request", "0421": "reversal advice, repeat", "0510": "reconciliation response", "0810": "network response",
		"0970": "unknown message type", "1": "no message type",
	} {
		if got := iso8583.Describe(mti); got != want {
			t.Errorf("%s is %q, want %q", mti, got, want)
		}
	}
}
