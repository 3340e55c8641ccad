package sim

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"encaisse/base/db"
)

// TestFIS002_byte flips one bit of a record where it lies in the database file:
// verify names the record.
func TestFIS002_byte(t *testing.T) {
	random := Seed(t)
	shop := Live(t, db.SQLite)
	type place struct {
		origin  string
		seq     int64
		payload []byte
	}
	var places []place
	Read(t, Watch(t, shop.DSN), func(tx *db.Tx) error {
		places = nil
		rows := tx.Query(`SELECT origin, r.seq, payload FROM fiscal_record r JOIN fiscal_chain c ON c.merchant_id = r.merchant_id AND c.chain_id = r.chain_id`)
		for rows.Next() {
			var p place
			if err := rows.Scan(&p.origin, &p.seq, &p.payload); err != nil {
				return err
			}
			places = append(places, p)
		}
		return rows.Err()
	})
	found := 0
	for range 40 {
		p := places[random.IntN(len(places))]
		copied := shop.Copy(t)
		file, err := os.ReadFile(copied.File())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(file, p.payload) {
			continue // it is spread over pages
		}
		flipped := bytes.Clone(p.payload)
		flipped[random.IntN(len(flipped))] ^= 1 << random.IntN(8)
		file = bytes.ReplaceAll(file, p.payload, flipped) // where it was before it moved to another page, too
		if err := os.WriteFile(copied.File(), file, 0o600); err != nil {
			t.Fatal(err)
		}
		expect(t, copied.Verify(t), fmt.Sprintf("%s record %d: altered: ", p.origin, p.seq))
		found++
	}
	if found < 10 {
		t.Errorf("only %d of 40 records lie in one piece", found)
	}
}

// TestFileDamaged flips bits anywhere in the file. What they mean is not known:
// verify must end with an answer, whatever it reads, and never take fright.
func TestFileDamaged(t *testing.T) {
	random := Seed(t)
	shop := Live(t, db.SQLite)
	said := make(map[string]int)
	for range 40 {
		copied := shop.Copy(t)
		file, err := os.ReadFile(copied.File())
		if err != nil {
			t.Fatal(err)
		}
		at := random.IntN(len(file))
		file[at] ^= 1 << random.IntN(8)
		if err := os.WriteFile(copied.File(), file, 0o600); err != nil {
			t.Fatal(err)
		}
		out := Run(t, "verify", "--json", "--db", copied.DSN, "--key", copied.PublicKey, "--checkpoints", copied.Checkpoints)
		switch {
		case out.Code == 0:
			said["ok: the byte belongs to nothing sealed"]++
		case out.Code == 1 && strings.Contains(out.Stdout, `"first_error":"`):
			said["named a discrepancy"]++
		case out.Code == 1 && strings.HasPrefix(out.Stderr, "encaisse: "):
			said["could not read the file, and said so"]++
		default:
			t.Errorf("byte %d: exit code %d\n%s\n%s", at, out.Code, out.Stdout, tail(out.Stderr))
		}
	}
	t.Logf("40 bits flipped: %v", said)
}
