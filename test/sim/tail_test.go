package sim

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"encaisse/base/db"
)

// TestFIS002_tail drops the last records of a chain consistently: from the
// journal, from every table, from the chain's row. Nothing inside a database can
// tell that there was more, and verify says so; checkpoints can.
func TestFIS002_tail(t *testing.T) {
	Each(t, func(t *testing.T, engine db.Engine) {
		copies := Live(t, engine).Copies(t)
		for name, keep := range map[string]func(x *Spoiler) int64{
			"last sale": func(x *Spoiler) int64 {
				return x.Int(`SELECT seq FROM fiscal_chain WHERE owner_id = $1`, x.Shop.Till) - 1
			},
			"since the Z": func(x *Spoiler) int64 { return x.Closing(x.Shop.Till, "z", 1).Seq },
			"with the Z":  func(x *Spoiler) int64 { return x.Closing(x.Shop.Till, "z", 1).Seq - 1 },
			"first sale":  func(x *Spoiler) int64 { return x.Ticket(x.Shop.Till, 1).Seq },
		} {
			t.Run(name, func(t *testing.T) {
				shop := copies(t)
				var kept, were int64
				Spoil(t, shop, func(x *Spoiler) {
					were = x.Int(`SELECT seq FROM fiscal_chain WHERE owner_id = $1`, shop.Till)
					kept = keep(x)
					x.dropTail(shop.Till, kept)
				})
				expectUnvouched(t, VerifyWith(t, shop.DSN, shop.PublicKey, ""))
				want := fmt.Sprintf("%s record %d: %s missing after it: a checkpoint outside the database saw %d records",
					TillOrigin, kept, are(were-kept), were)
				v := shop.Verify(t)
				expect(t, v, want)
				expectPartial(t, v)
				text, size := readText(t, shop.Checkpoints), fmt.Sprintf("%d\n", were)
				forged := filepath.Join(t.TempDir(), "checkpoints") // does not hide what the true ones saw
				write(t, forged, text+replaceLast(text, "\n"+size, "\n1"+size))
				expect(t, VerifyWith(t, shop.DSN, shop.PublicKey, forged), want)
			})
		}
	})
}

// expectUnvouched wants a verification that finds nothing and says that nothing
// vouches for the tail.
func expectUnvouched(t *testing.T, v Verified) {
	t.Helper()
	if !v.OK || len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "a tail dropped consistently from every table would not be seen") {
		t.Errorf("without checkpoints: %+v", v)
	}
}

// are begins what is said of records.
func are(n int64) string {
	if n == 1 {
		return "1 record is"
	}
	return fmt.Sprintf("%d records are", n)
}

// expectPartial wants a verification to say how far it went.
func expectPartial(t *testing.T, v Verified) {
	t.Helper()
	if v.Merchants == 0 || v.Chains == 0 || v.Records == 0 {
		t.Errorf("verify does not say what it went through: %+v", v)
	}
}

// dropTail makes a register one that never sealed anything after a record.
func (x *Spoiler) dropTail(register string, keep int64) {
	chain := x.Text(`SELECT chain_id FROM fiscal_chain WHERE owner_id = $1`, register)
	for _, subject := range x.Texts(`SELECT subject FROM fiscal_record WHERE chain_id = $1 AND seq > $2 ORDER BY seq DESC`, chain, keep) {
		x.unmake(subject)
	}
	x.Exec(`DELETE FROM fiscal_record WHERE chain_id = $1 AND seq > $2`, chain, keep)
	var payload []byte
	x.Get([]any{&payload}, `SELECT payload FROM fiscal_record WHERE chain_id = $1 AND seq = $2`, chain, keep)
	var said struct{ Net, Absolute int64 }
	if x.err == nil {
		x.err = json.Unmarshal(payload, &said)
	}
	leaves := x.leaves(chain)
	if x.err != nil {
		return
	}
	count := func(kind string) int64 {
		return x.Int(`SELECT COUNT(*) FROM fiscal_record WHERE chain_id = $1 AND kind = $2`, chain, kind)
	}
	open := x.Text(`SELECT COALESCE(MAX(session_id), '') FROM till_session WHERE register_id = $1 AND state = 'open'`, register)
	x.Exec(`UPDATE fiscal_chain SET seq = $2, head = $3, edge = $4, last_at = $5, period = $6, tickets = $7, zs = $8, days = $9,
		net_minor = $10, absolute_minor = $11 WHERE chain_id = $1`, chain, keep, leaves[keep-1][:], edgeBytes(leaves),
		x.Int(`SELECT at FROM fiscal_record WHERE chain_id = $1 AND seq = $2`, chain, keep), open,
		count("ticket"), count("z"), count("day"), said.Net, said.Absolute)
}

// leaves are the hashes of a chain's records.
func (x *Spoiler) leaves(chain string) (all []hash) {
	n := x.Int(`SELECT COUNT(*) FROM fiscal_record WHERE chain_id = $1`, chain)
	for seq := int64(1); seq <= n && x.err == nil; seq++ {
		var stored []byte
		x.Get([]any{&stored}, `SELECT hash FROM fiscal_record WHERE chain_id = $1 AND seq = $2`, chain, seq)
		all = append(all, hash(append(stored, make([]byte, len(hash{}))...)[:len(hash{})]))
	}
	return all
}

// unmake takes back what a record is about.
func (x *Spoiler) unmake(subject string) {
	kind, _, _ := strings.Cut(subject, "_")
	switch kind {
	case "sale":
		x.forget(subject)
		return
	case "ses":
		x.Exec(`DELETE FROM till_session WHERE session_id = $1`, subject)
	case "mov":
		x.Exec(`DELETE FROM cash_movement WHERE movement_id = $1`, subject)
	case "clo":
		x.Exec(`UPDATE till_session SET state = 'open', closed_at = NULL WHERE session_id = (SELECT session_id FROM closing WHERE closing_id = $1)`, subject)
		x.Exec(`DELETE FROM closing_vat WHERE closing_id = $1`, subject)
		x.Exec(`DELETE FROM closing WHERE closing_id = $1`, subject)
	}
	x.Exec(`DELETE FROM ledger_transfer WHERE source = $1`, subject)
	x.Exec(`DELETE FROM event WHERE subject = $1`, subject)
}

// TestFIS002_chainGone drops a chain as if its register had never sold, and a
// merchant's row, with which everything would be out of sight.
func TestFIS002_chainGone(t *testing.T) {
	Each(t, func(t *testing.T, engine db.Engine) {
		shop := Live(t, engine)
		copies := shop.Copies(t)
		t.Run("chain", func(t *testing.T) {
			shop := copies(t)
			Spoil(t, shop, func(x *Spoiler) {
				chain := x.Text(`SELECT chain_id FROM fiscal_chain WHERE owner_id = $1`, shop.Till)
				for _, subject := range x.Texts(`SELECT subject FROM fiscal_record WHERE chain_id = $1 AND seq > 1 ORDER BY seq DESC`, chain) {
					x.unmake(subject)
				}
				x.Exec(`DELETE FROM fiscal_record WHERE chain_id = $1`, chain)
				x.Exec(`DELETE FROM fiscal_chain WHERE chain_id = $1`, chain)
			})
			expectUnvouched(t, VerifyWith(t, shop.DSN, shop.PublicKey, ""))
			expect(t, shop.Verify(t), TillOrigin+": the whole chain is missing: a checkpoint saw ")
		})
		t.Run("merchant", func(t *testing.T) {
			shop := copies(t)
			var gone string
			Spoil(t, shop, func(x *Spoiler) {
				gone = x.Text(`SELECT merchant_id FROM merchant`)
				x.Exec(`DELETE FROM merchant`)
			})
			want := fmt.Sprintf("merchant %s: its row is missing, its chains are there", gone)
			expect(t, shop.Verify(t), want)
			expect(t, VerifyWith(t, shop.DSN, shop.PublicKey, ""), want)
		})
		t.Run("merchant and chains", func(t *testing.T) {
			shop := copies(t)
			Spoil(t, shop, func(x *Spoiler) {
				x.Exec(`DELETE FROM merchant`)
				x.Exec(`DELETE FROM fiscal_chain`)
			})
			expect(t, shop.Verify(t), HistoryOrigin+": the whole chain is missing: a checkpoint saw ")
		})
	})
}

// TestFIS002_backup restores yesterday's database and goes on selling on it: less
// at first than was sold before, then as much and more.
func TestFIS002_backup(t *testing.T) {
	Each(t, func(t *testing.T, engine db.Engine) {
		shop := Live(t, engine)
		yesterday := shop.Copy(t)
		sellOn(t, shop, 450, 120, 130)
		shop.checkpoint(t)
		for _, price := range []int64{450, 120, 130, 720} {
			sellOn(t, yesterday, price)
			expectUnvouched(t, VerifyWith(t, yesterday.DSN, yesterday.PublicKey, ""))
			v := VerifyWith(t, yesterday.DSN, yesterday.PublicKey, shop.Checkpoints)
			expect(t, v, TillOrigin+" record ")
			missing := strings.Contains(v.FirstError, "missing after it: a checkpoint outside the database saw")
			others := strings.Contains(v.FirstError, "the records up to here are not those a checkpoint outside the database vouches for")
			if !missing && !others || missing && price == 720 {
				t.Errorf("after a sale of %d: %q", price, v.FirstError)
			}
		}
	})
}

func sellOn(t *testing.T, shop *Shop, prices ...int64) {
	t.Helper()
	server := Serve(t, shop)
	for _, price := range prices {
		server.sell(t, NewBasket(shop.Till, [2]int64{price, 550}))
	}
	server.Stop()
}
