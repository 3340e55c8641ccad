package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"encaisse/base/db"
	"encaisse/fiscal"
)

// TestFIS002_checkpointFile alters the file that vouches for the database. It
// needs no trust of its own: every note in it is signed.
func TestFIS002_checkpointFile(t *testing.T) {
	shop := Live(t, db.SQLite)
	text := readText(t, shop.Checkpoints)
	notes := notesOf(text)
	lines := strings.Split(notes[len(notes)-1], "\n")
	size := lines[1]
	other := FoundAs(t, db.SQLite, "10000000900009")
	sellFirst(t, other)
	const forged = ": a checkpoint outside the database is signed by another key"
	here := TillOrigin + " record " + size
	for _, c := range []struct{ name, file, want string }{
		{"as it is", text, ""},
		{"twice", text + text, ""},
		{"oldest first or not", strings.Join(reversed(notes), ""), ""},
		{"another size", replaceLast(text, "\n"+size+"\n", "\n1"+size+"\n"), here + forged},
		{"another root", replaceLast(text, lines[2], strings.Repeat("A", 43)+"="), here + forged},
		{"another root, after the true one", text + replaceLast(text, lines[2], strings.Repeat("A", 43)+"="), here + forged},
		{
			"signature of another note",
			strings.Join(notes[:len(notes)-1], "") + strings.Join(append(lines[:4:4], strings.Split(notes[0], "\n")[4]), "\n") + "\n\n",
			here + forged,
		},
		{"another chain's name", replaceLast(text, TillOrigin, "encaisse/0"), "encaisse/0" + forged},
		{"somebody else's", readText(t, other.Checkpoints), "encaisse/10000000900009/register-2" + forged},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "checkpoints")
			write(t, file, c.file)
			v := VerifyWith(t, shop.DSN, shop.PublicKey, file)
			if c.want != "" {
				expect(t, v, c.want)
			} else if !v.OK || len(v.Warnings) > 0 || v.Checkpoints == 0 {
				t.Errorf("%+v", v)
			}
		})
	}
}

// sellFirst opens a shop, sells once, and has it written to its checkpoints.
func sellFirst(t *testing.T, shop *Shop) {
	t.Helper()
	server := Serve(t, shop)
	server.Open(t, shop.Till, 0)
	server.sell(t, NewBasket(shop.Till, [2]int64{450, 1000}))
	server.Stop()
	shop.checkpoint(t)
}

func reversed(list []string) []string {
	var out []string
	for i := range list {
		out = append(out, list[len(list)-1-i])
	}
	return out
}

// notesOf takes a file of checkpoints apart: each is three lines, an empty one,
// the signature, an empty one.
func notesOf(text string) (notes []string) {
	parts := strings.SplitAfter(text, "\n\n")
	for i := 0; i+1 < len(parts); i += 2 {
		notes = append(notes, parts[i]+parts[i+1])
	}
	return notes
}

func replaceLast(text, old, by string) string {
	i := strings.LastIndex(text, old)
	return text[:i] + by + text[i+len(old):]
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCheckpointFileCutShort cuts a checkpoint file at each of its last bytes, as
// a power cut while it is written would, and lets the next note follow.
func TestCheckpointFileCutShort(t *testing.T) {
	shop := Found(t, db.SQLite)
	sellFirst(t, shop)
	text := readText(t, shop.Checkpoints)
	notes := notesOf(text)
	last := notes[len(notes)-1]
	begins, sealed := len(text)-len(last), len(text)-len("\n\n")
	for n := begins; n < sealed; n++ {
		list, err := fiscal.ReadCheckpoints(strings.NewReader(text[:n]))
		if err != nil || len(list) != len(notes)-1 {
			t.Errorf("cut at byte %d of the last note: %d notes, error %v", n-begins, len(list), err)
		}
		// What is appended next says that the note before it was cut short.
		list, err = fiscal.ReadCheckpoints(strings.NewReader(text[:n] + "\n(cut short)\n\n" + last))
		if n > begins && (err != nil || len(list) != len(notes)) {
			t.Errorf("cut at byte %d and gone on: %d notes, error %v", n-begins, len(list), err)
		}
	}
	half := text[:begins+len(last)/4]
	path := filepath.Join(t.TempDir(), "checkpoints")
	write(t, path, half)
	if v := VerifyWith(t, shop.DSN, shop.PublicKey, path); !v.OK || v.Checkpoints != len(notes)-1 {
		t.Errorf("cut short: %+v", v)
	}
}
