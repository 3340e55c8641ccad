package sim_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"encaisse/base/card"
	"encaisse/base/db"
	"encaisse/base/emv"
	"encaisse/terminal/emulator"
)

// needle is one way in which a secret of a card may be written. Its name is what
// a failure prints, and never what it is.
type needle struct {
	name  string
	bytes []byte
}

// cardNeedles are the secrets of the deck, in every way that somebody might leave
// them: number, track 2 and PIN block, as text, hex, packed two digits a byte from
// either nibble, and in base64 wherever in a group they begin.
func cardNeedles() (all []needle) {
	for _, c := range card.Deck() {
		track := c.Number + "D" + c.Expiry + c.Service
		secrets := map[string]string{"number": c.Number, "track 2": track}
		if c.PIN != "" {
			secrets["PIN block"] = strings.ToUpper(emv.PINBlock(c.PIN, c.Number))
		}
		for what, digits := range secrets {
			add := func(form string, b []byte) {
				if distinct(b) >= leastDistinct {
					all = append(all, needle{c.Name + ": " + what + " " + form, b})
				}
			}
			texts := []string{digits, strings.ToLower(digits), strings.Replace(digits, "D", "=", 1)}
			slices.Sort(texts)
			for _, text := range slices.Compact(texts) {
				add("as text", []byte(text))
				add("as hex", []byte(hex.EncodeToString([]byte(text))))
				add("as HEX", []byte(strings.ToUpper(hex.EncodeToString([]byte(text)))))
				addBase64(add, []byte(text))
			}
			for nibble := range 2 {
				inside := digits[nibble:]
				packed, _ := hex.DecodeString(inside[:len(inside)&^1]) // digits of hex
				add("packed", packed)
				addBase64(add, packed)
			}
		}
	}
	return all
}

// leastDistinct is how many different bytes a needle has: the packed number of a
// test card that is nearly all zeroes stands in every file.
const leastDistinct = 4

func distinct(b []byte) int {
	sorted := slices.Clone(b)
	slices.Sort(sorted)
	return len(slices.Compact(sorted))
}

// addBase64 adds what base64 makes of bytes, whatever stands before and after
// them: the characters that depend on their neighbours are left out.
func addBase64(add func(form string, b []byte), secret []byte) {
	for before := range 3 {
		whole := base64.StdEncoding.EncodeToString(append(make([]byte, before), secret...))
		first := (before*8 + 5) / 6
		last := (before + len(secret)) * 8 / 6
		add(fmt.Sprintf("in base64 from %d", before), []byte(whole[first:last]))
	}
}

// found names the secrets that stand in a place.
func found(needles []needle, place []byte) (names []string) {
	for _, n := range needles {
		if bytes.Contains(place, n.bytes) {
			names = append(names, n.name)
		}
	}
	return names
}

// databaseBytes is what lies on the disk of a SQLite database: the file, its
// write-ahead log and what is beside it.
func databaseBytes(t *testing.T, file string) (all []byte) {
	t.Helper()
	files, err := filepath.Glob(file + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("files of the database: %v, %v", files, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, content...), 0)
	}
	return all
}

// TestCardNeedles plants each form of each secret between other bytes and sees it found.
func TestCardNeedles(t *testing.T) {
	soakOnly(t)
	needles := cardNeedles()
	for _, n := range needles {
		if len(n.bytes) < 7 {
			t.Errorf("%s: %d bytes may stand anywhere", n.name, len(n.bytes))
		}
		if !slices.Contains(found(needles, slices.Concat([]byte("a 1"), n.bytes, []byte("2 z"))), n.name) {
			t.Errorf("%s is not found", n.name)
		}
	}
	c := card.Deck()[0]
	for name, place := range map[string][]byte{
		"a number in JSON in base64": []byte(base64.StdEncoding.EncodeToString([]byte(`{"card":"` + c.Number + `","x":1}`))),
		"a packed track, left over":  mustHex(t, "37"+c.Number+"D"+c.Expiry+c.Service+"0F"),
		"a packed track, shifted":    mustHex(t, "9"+c.Number+"D"+c.Expiry+c.Service+"000"),
		"a PIN block in a log":       []byte(`msg="authorise" field52=` + strings.ToLower(emv.PINBlock(c.PIN, c.Number))),
	} {
		if len(found(needles, place)) == 0 {
			t.Errorf("%s is not found", name)
		}
	}
}

func mustHex(t *testing.T, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits[:len(digits)&^1])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCardSecretsOnDaysWithFaults lives days on which processes die, hosts say
// nonsense and readers are cut off, with everything logged, and finds no card
// data in the database, beside it or in the log. A number planted in each of
// these places is found.
func TestCardSecretsOnDaysWithFaults(t *testing.T) {
	soakOnly(t)
	t.Parallel()
	needles := cardNeedles()
	for seed := uint64(1); seed <= 3; seed++ {
		day := drawDay(seed)
		for i := range day.visits { // a PIN for the issuer, a stripe, a phone, and what dies in between
			for j, name := range []string{"taps above the limit", "stripe", "phone", "signs", "wrong code"} {
				v := day.visits[i][j]
				v.customer = customerNamed(name)
				if v.customer.high {
					v.amount += 6_000
				}
			}
			day.visits[i][1].plan(paying).strikes = append(day.visits[i][1].plan(paying).strikes, strike{afterHost, actKill})
			day.visits[i][3].plan(paying).reader = append(day.visits[i][3].plan(paying).reader, emulator.Fault{At: emulator.PointAnswered, Do: emulator.Restart})
		}
		w := newCardWorld(t, day, worldOptions{engine: db.SQLite, level: slog.LevelDebug, lasts: true})
		for _, f := range w.live() {
			t.Error(f)
		}
		for name, place := range map[string][]byte{"database": databaseBytes(t, w.file), "log": w.logged.Bytes()} {
			if names := found(needles, place); len(names) > 0 {
				t.Errorf("day %d: the %s has %v", seed, name, names)
			}
			planted := append(slices.Clone(place), []byte(card.Deck()[0].Number)...)
			if len(found(needles, planted)) == 0 {
				t.Errorf("planted in the %s and not found", name)
			}
		}
		w.close()
	}
}
