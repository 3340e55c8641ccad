package emv

import (
	"encoding/hex"
	"math/bits"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRetailMACKnownAnswer is the worked example of ICAO Doc 9303 part 11,
// appendix D.3: the same algorithm and padding as an application cryptogram's.
func TestRetailMACKnownAnswer(t *testing.T) {
	key := CardKey(decode(t, "7962D9ECE03D1ACD4C76089DCE131543"))
	data := decode(t, "72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F2")
	if got := retailMAC(key, data); hex.EncodeToString(got[:]) != "5f1448eea8ad90a7" {
		t.Errorf("%x", got)
	}
}

// TestTheTestKeyIsTheKnownOne: its check value is in every manual.
func TestTheTestKeyIsTheKnownOne(t *testing.T) {
	key := TestIssuerKey()
	var check [8]byte
	tripleDES(key[:]).Encrypt(check[:], check[:])
	if got := hex.EncodeToString(check[:3]); got != "08d7b4" {
		t.Errorf("check value %s", got)
	}
}

// TestCardKeyIsOptionA: the halves are one encryption of the number and one of
// its complement, with odd parity, and only the last sixteen digits count.
func TestCardKeyIsOptionA(t *testing.T) {
	master := TestIssuerKey()
	rapid.Check(t, func(t *rapid.T) {
		pan := rapid.StringMatching(`[0-9]{13,19}`).Draw(t, "pan")
		sequence := rapid.SampledFrom([]string{"", "00", "01", "99"}).Draw(t, "sequence")
		key := master.CardKey(pan, sequence)
		digits := pan + sequence
		if sequence == "" {
			digits += "00"
		}
		digits = (strings.Repeat("0", 16) + digits)[len(digits):]
		x, _ := hex.DecodeString(digits)
		var want CardKey
		tripleDES(master[:]).Encrypt(want[:8], x)
		for i := range x {
			x[i] = ^x[i]
		}
		tripleDES(master[:]).Encrypt(want[8:], x)
		for i := range key {
			if bits.OnesCount8(key[i])%2 != 1 {
				t.Fatalf("byte %d has even parity", i)
			}
			if key[i]|1 != want[i]|1 {
				t.Fatalf("%x, want %x but for parity", key, want)
			}
		}
	})
}

// transaction is the data of the public trace.
func transaction(t testing.TB) (l List) {
	for tag, value := range map[Tag]string{
		TagAmount: "000000001000", TagAmountOther: "000000000000", TagTerminalCountry: "0036", TagTVR: "8000008000", TagCurrency: "0036",
		TagDate: "120316", TagType: "00", TagUnpredictable: "D3173A1F", TagAIP: "1C00", TagATC: "0029", TagIAD: "06010A03A4B8000F112233445566778899AABBCCDDEEFF",
	} {
		l.Add(tag, decode(t, value))
	}
	return l
}

// TestACryptogramProvesItsData: any bit of what it covers, of the card or of the
// counter makes another one.
func TestACryptogramProvesItsData(t *testing.T) {
	key := TestIssuerKey().CardKey("4761340000000050", "01")
	data := transaction(t)
	made := key.Cryptogram(data)
	proven := append(List(nil), data...)
	proven.Add(TagCryptogram, made[:])
	if !key.Proves(proven) {
		t.Fatal("it does not prove its own data")
	}
	if TestIssuerKey().CardKey("4761340000000050", "02").Proves(proven) || TestIssuerKey().CardKey("4761340000000051", "01").Proves(proven) {
		t.Error("another card proves it")
	}
	if key.Proves(data) {
		t.Error("no cryptogram proves nothing")
	}
	for i := range data {
		for bit := range 8 * len(data[i].Value) {
			altered := append(List(nil), proven...)
			altered[i].Value = append([]byte(nil), data[i].Value...)
			altered[i].Value[bit/8] ^= 1 << (bit % 8)
			if key.Proves(altered) {
				t.Fatalf("bit %d of %s is not covered", bit, data[i].Tag)
			}
		}
	}
}

// TestAnAnswerIsTheIssuers: it depends on the cryptogram, the counter and the code.
func TestAnAnswerIsTheIssuers(t *testing.T) {
	key := TestIssuerKey().CardKey("4761340000000050", "01")
	made := key.Cryptogram(transaction(t))
	answer := key.Answer([]byte{0, 0x29}, made, "00")
	seen := map[Cryptogram]bool{answer: true}
	for _, other := range []Cryptogram{
		key.Answer([]byte{0, 0x29}, made, "05"), key.Answer([]byte{0, 0x2A}, made, "00"), key.Answer([]byte{0, 0x29}, Cryptogram{1}, "00"),
		TestIssuerKey().CardKey("4761340000000050", "02").Answer([]byte{0, 0x29}, made, "00"),
	} {
		if seen[other] {
			t.Errorf("%x is not its own", other)
		}
		seen[other] = true
	}
	session := key.session([]byte{0, 0x29}) // EMV Book 2 §8.2.1.1: decrypted, it is the cryptogram with the code over its first two bytes
	var back Cryptogram
	tripleDES(session[:]).Decrypt(back[:], answer[:])
	back[0], back[1] = back[0]^'0', back[1]^'0'
	if back != made {
		t.Errorf("%x, want %x", back, made)
	}
}

// TestPINBlockKnownAnswer is the example of ISO 9564-1 format 0 that manuals
// print, and one computed the long way round.
func TestPINBlockKnownAnswer(t *testing.T) {
	for _, c := range []struct{ pin, pan, want string }{
		{"1234", "43219876543210987", "0412AC89ABCDEF67"},
		{"12345", "4000001234567899", block("12345", "4000001234567899")},
	} {
		if got := PINBlock(c.pin, c.pan); got != c.want {
			t.Errorf("%s", got)
		}
	}
	for _, bad := range [][2]string{{"123", "4000001234567899"}, {"1234567890123", "4000001234567899"}, {"12a4", "4000001234567899"}, {"1234", "400000123456"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d digits of code, %d of card: no panic", len(bad[0]), len(bad[1]))
				}
			}()
			PINBlock(bad[0], bad[1])
		}()
	}
}

// block computes a block the long way round, nibble by nibble.
func block(pin, pan string) string {
	left := "0" + string("0123456789ABC"[len(pin)]) + pin + strings.Repeat("F", 14-len(pin))
	right := "0000" + pan[len(pan)-13:len(pan)-1]
	out := make([]byte, 16)
	for i := range out {
		a := strings.IndexByte("0123456789ABCDEF", left[i])
		b := strings.IndexByte("0123456789ABCDEF", right[i])
		out[i] = "0123456789ABCDEF"[a^b]
	}
	return string(out)
}
