package secret

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"pgregory.net/rapid"

	"encaisse/base/id"
	"encaisse/base/problem"
)

const (
	shop  id.Merchant = "mer_01h455vb4pex5vsknk084sn02q"
	other id.Merchant = "mer_01h455vb4pex5vsknk084sn02r"
	row               = "sig_01h455vb4pex5vsknk084sn02q"
)

func newKeys(t *testing.T) (*Master, []byte, *Box) {
	t.Helper()
	m, err := NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	sealed, box, err := m.NewMerchantKey(shop)
	if err != nil {
		t.Fatal(err)
	}
	return m, sealed, box
}

func seal(t *testing.T, box *Box, plain string) []byte {
	t.Helper()
	sealed, err := box.Seal([]byte(plain), row)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantOpen(t *testing.T, box *Box, sealed []byte, want string) {
	t.Helper()
	if plain, err := box.Open(sealed, row); err != nil || string(plain) != want {
		t.Fatalf("%q, %v, want %q", plain, err, want)
	}
}

func TestEnvelopeOpensInItsPlaceOnly(t *testing.T) {
	m, sealedKey, box := newKeys(t)
	sealed := seal(t, box, "5017679210000700")
	if len(sealed) != 16+33 {
		t.Errorf("an envelope of 16 bytes has %d", len(sealed))
	}
	if bytes.Contains(sealed, []byte("5017679210000700")) {
		t.Error("the envelope shows its content")
	}
	reopened, err := m.OpenMerchantKey(shop, sealedKey)
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, reopened, sealed, "5017679210000700")

	_, otherBox, err := m.NewMerchantKey(other)
	if err != nil {
		t.Fatal(err)
	}
	sameKeyOtherMerchant := &Box{merchant: other, aead: box.aead}
	for name, open := range map[string]func() ([]byte, error){
		"another row":                        func() ([]byte, error) { return box.Open(sealed, row+"x") },
		"another merchant":                   func() ([]byte, error) { return otherBox.Open(sealed, row) },
		"another merchant with the same key": func() ([]byte, error) { return sameKeyOtherMerchant.Open(sealed, row) },
		"nothing":                            func() ([]byte, error) { return box.Open(nil, row) },
		"half":                               func() ([]byte, error) { return box.Open(sealed[:20], row) },
	} {
		if plain, err := open(); !problem.Is(err, "secret.unreadable") || plain != nil {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
	if _, err := box.Seal([]byte("x"), ""); !problem.Is(err, "secret.row") {
		t.Errorf("no row: %v", err)
	}
	if _, err := box.Open(sealed, ""); !problem.Is(err, "secret.row") {
		t.Errorf("no row: %v", err)
	}
}

// TestPlacesNeverMeet shows why each part of the associated data carries its length:
// without, a merchant and a row could be cut elsewhere and give the same place.
func TestPlacesNeverMeet(t *testing.T) {
	if bytes.Equal(bound("ab", "c"), bound("a", "bc")) {
		t.Error("two places have the same associated data")
	}
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOf(rapid.StringN(0, 4, 8)).Draw(t, "a")
		b := rapid.SliceOf(rapid.StringN(0, 4, 8)).Draw(t, "b")
		if same := strings.Join(a, "\xff") == strings.Join(b, "\xff"); bytes.Equal(bound(a...), bound(b...)) != (same && len(a) == len(b)) {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

func TestMerchantKeyOpensForItsMerchantAndMasterOnly(t *testing.T) {
	m, sealed, box := newKeys(t)
	stranger, err := NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	value := seal(t, box, "x")
	for name, open := range map[string]func() (*Box, error){
		"another merchant": func() (*Box, error) { return m.OpenMerchantKey(other, sealed) },
		"another master":   func() (*Box, error) { return stranger.OpenMerchantKey(shop, sealed) },
		"a value":          func() (*Box, error) { return m.OpenMerchantKey(shop, value) },
		"nothing":          func() (*Box, error) { return m.OpenMerchantKey(shop, nil) },
	} {
		if box, err := open(); !problem.Is(err, "secret.unreadable") || box != nil {
			t.Errorf("%s: %v, %v", name, box, err)
		}
	}
}

func TestEveryAlteredByteIsSeen(t *testing.T) {
	m, sealedKey, box := newKeys(t)
	sealed := seal(t, box, "plain")
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 0x01
		if _, err := box.Open(altered, row); !problem.Is(err, "secret.unreadable") {
			t.Errorf("byte %d of a value: %v", i, err)
		}
	}
	for i := range sealedKey {
		altered := bytes.Clone(sealedKey)
		altered[i] ^= 0x80
		if _, err := m.OpenMerchantKey(shop, altered); !problem.Is(err, "secret.unreadable") {
			t.Errorf("byte %d of a key: %v", i, err)
		}
	}
}

func TestRotation(t *testing.T) {
	m, sealedKey, box := newKeys(t)
	value := seal(t, box, "kept")
	rotated, err := m.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	reopened, err := rotated.OpenMerchantKey(shop, sealedKey)
	if err != nil {
		t.Fatalf("the old envelope: %v", err)
	}
	wantOpen(t, reopened, value, "kept")

	newSealed, _, err := rotated.NewMerchantKey(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.OpenMerchantKey(other, newSealed); !problem.Is(err, "secret.unreadable") {
		t.Errorf("the old master opens what the new key sealed: %v", err)
	}
	renewed, err := rotated.Reseal(shop, sealedKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.OpenMerchantKey(shop, renewed); !problem.Is(err, "secret.unreadable") {
		t.Errorf("what was resealed is still under the old key: %v", err)
	}
	reopened, err = rotated.OpenMerchantKey(shop, renewed)
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, reopened, value, "kept")
	if _, err := rotated.Reseal(other, sealedKey); !problem.Is(err, "secret.unreadable") {
		t.Errorf("reseal for another merchant: %v", err)
	}
}

func TestMasterFile(t *testing.T) {
	m, sealedKey, _ := newKeys(t)
	path := filepath.Join(t.TempDir(), "master.key")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	about, err := os.Stat(path)
	if err != nil || about.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", about.Mode(), err)
	}
	loaded, err := LoadMaster(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loaded.OpenMerchantKey(shop, sealedKey); err != nil {
		t.Errorf("the loaded master: %v", err)
	}
	if err := m.Save(path); err != nil {
		t.Errorf("the same again: %v", err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o644, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadMaster(path); !problem.Is(err, "secret.file_mode") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	for _, missing := range []string{path + ".none", filepath.Dir(path)} {
		if _, err := LoadMaster(missing); !problem.Is(err, "secret.file") {
			t.Errorf("%v", err)
		}
	}
	if err := m.Save(filepath.Join(path, "under", "a file")); !problem.Is(err, "secret.file") {
		t.Errorf("no such folder: %v", err)
	}
}

func TestSaveNeverLosesAKey(t *testing.T) {
	m, sealedKey, _ := newKeys(t)
	stranger, err := NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := m.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "master.key")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	if err := stranger.Save(path); !problem.Is(err, "secret.exists") {
		t.Errorf("another master: %v", err)
	}
	if err := os.WriteFile(path+".new", []byte("left over"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := rotated.Save(path); err != nil {
		t.Fatalf("after a rotation: %v", err)
	}
	if err := m.Save(path); !problem.Is(err, "secret.exists") {
		t.Errorf("the master of before the rotation: %v", err)
	}
	loaded, err := LoadMaster(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loaded.OpenMerchantKey(shop, sealedKey); err != nil {
		t.Errorf("after all that: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
}

func TestParseMaster(t *testing.T) {
	m, sealedKey, _ := newKeys(t)
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseMaster(" " + text + "\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsed.OpenMerchantKey(shop, sealedKey); err != nil {
		t.Error(err)
	}
	macKeys, err := keyset.NewHandle(mac.HMACSHA256Tag256KeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	notAEAD, err := (&Master{keys: macKeys}).Text()
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		"empty": "", "mark": "x" + text, "cut": text[:len(text)-12], "not base64": masterMark + ".$$.00000000",
		"another kind of key": notAEAD, "no keys": masterMark + "..e3b0c442",
	}
	for i := len(masterMark) + 1; i < len(text); i += 7 {
		swapped := byte('A')
		if text[i] == 'A' {
			swapped = 'B'
		}
		bad[fmt.Sprintf("letter %d mistyped", i)] = text[:i] + string(swapped) + text[i+1:]
	}
	for name, text := range bad {
		m, err := ParseMaster(text)
		if !problem.Is(err, "secret.master_malformed") || m != nil {
			t.Errorf("%s: %v, %v", name, m, err)
		}
		if len(text) > 40 && strings.Contains(fmt.Sprint(err), text[30:40]) {
			t.Errorf("%s: the error quotes the key: %v", name, err)
		}
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	m, _, box := newKeys(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, m); got != "master key (1 in the set)" {
			t.Errorf("%s: %s", format, got)
		}
		if got := fmt.Sprintf(format, box); got != "box of "+string(shop) {
			t.Errorf("%s: %s", format, got)
		}
	}
}

func FuzzParseMaster(f *testing.F) {
	f.Add("encaisse-master-1..e3b0c442")
	f.Add("encaisse-master-1.CAESAA.00000000")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := ParseMaster(text); (err == nil) != (m != nil) {
			t.Fatalf("%v, %v", m, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	m, err := NewMaster()
	if err != nil {
		b.Fatal(err)
	}
	_, box, err := m.NewMerchantKey(shop)
	if err != nil {
		b.Fatal(err)
	}
	plain := []byte("5017679210000700")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := box.Seal(plain, row); err != nil {
			b.Fatal(err)
		}
	}
}
