package sim

import (
	"fmt"
	"strings"
	"testing"
)

// TestFIS002_journal edits, moves and removes records themselves.
func TestFIS002_journal(t *testing.T) {
	tampered(t, append(recordTampers(), placeTampers()...))
}

// record makes the tamper of the record of the second ticket.
func record(name, set, says string) tamper {
	return tamper{name: name, do: func(x *Spoiler) string {
		k := x.Ticket(x.Shop.Till, 2)
		x.Exec(`UPDATE fiscal_record SET `+set+` WHERE subject = $1`, k.ID)
		return k.Says("%s", says)
	}}
}

func recordTampers() []tamper {
	const unsigned = "its signature is not of a trusted key over the records up to here"
	return []tamper{
		{name: "one byte of its content", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 2)
			payload := strings.Replace(x.payload(k), "Pain 1", "Pain 2", 1)
			x.Exec(`UPDATE fiscal_record SET payload = $2 WHERE subject = $1`, k.ID, []byte(payload))
			return k.Says("altered: its content does not have its hash")
		}},
		{name: "content of the same meaning", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 2)
			x.rewrite(k, strings.Replace(x.payload(k), `{"absolute":`, `{ "absolute":`, 1))
			return k.Says("altered: not a canonical record")
		}},
		{name: "content with its hash", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 2)
			x.rewrite(k, strings.Replace(x.payload(k), `"operator":0`, `"operator":2`, 1))
			x.Exec(`UPDATE sale SET operator = 2 WHERE sale_id = $1`, k.ID)
			return k.Says(unsigned)
		}},
		{name: "hash", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 2)
			x.Exec(`UPDATE fiscal_record SET hash = (SELECT head FROM fiscal_chain WHERE owner_id = $2) WHERE subject = $1`, k.ID, x.Shop.Till)
			return k.Says("altered: its content does not have its hash")
		}},
		{name: "signature of another record", do: func(x *Spoiler) string {
			a, b := x.Ticket(x.Shop.Till, 2), x.Ticket(x.Shop.Till, 3)
			var signature []byte
			x.Get([]any{&signature}, `SELECT signature FROM fiscal_record WHERE subject = $1`, b.ID)
			x.Exec(`UPDATE fiscal_record SET signature = $2 WHERE subject = $1`, a.ID, signature)
			return a.Says(unsigned)
		}},
		{name: "no signature", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 2)
			x.Exec(`UPDATE fiscal_record SET signature = $2 WHERE subject = $1`, k.ID, []byte{})
			return k.Says(unsigned)
		}},
		record("kind of its row", "kind = 'z'", "kind or time in its row differ from its content"),
		record("time of its row", "at = at - 1", "kind or time in its row differ from its content"),
		record("subject of its row", "subject = 'sale_none'", "ticket 2: the tables give it to "),
		{name: "two records exchanged", do: func(x *Spoiler) string {
			a, b := x.Ticket(x.Shop.Till, 2), x.Ticket(x.Shop.Till, 3)
			for _, step := range [][2]int64{{a.Seq, 1_000_000}, {b.Seq, a.Seq}, {1_000_000, b.Seq}} {
				x.Exec(`UPDATE fiscal_record SET seq = $2 WHERE seq = $1 AND chain_id = (SELECT chain_id FROM fiscal_chain WHERE owner_id = $3)`,
					step[0], step[1], x.Shop.Till)
			}
			return a.Says("out of its place: its content says record %d", b.Seq)
		}},
		{name: "a record of another chain in its place", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 2)
			for _, column := range [...]string{"payload", "hash", "signature"} {
				x.Exec(`UPDATE fiscal_record SET `+column+` = (SELECT r.`+column+` FROM fiscal_record r JOIN fiscal_chain c ON c.chain_id = r.chain_id
					WHERE c.owner_id = $2 AND r.seq = $3) WHERE subject = $1`, k.ID, x.Shop.History, k.Seq)
			}
			return k.Says("from another chain: " + HistoryOrigin)
		}},
	}
}

func placeTampers() []tamper {
	last := func(x *Spoiler) int64 { return x.Int(`SELECT seq FROM fiscal_chain WHERE owner_id = $1`, x.Shop.Till) }
	gone := func(name string, which func(x *Spoiler) (seq int64), says func(x *Spoiler, seq int64) string) tamper {
		return tamper{name: name + " gone", do: func(x *Spoiler) string {
			seq := which(x)
			x.Exec(`DELETE FROM fiscal_record WHERE seq >= $1 AND seq < $1 + $2 AND chain_id = (SELECT chain_id FROM fiscal_chain WHERE owner_id = $3)`,
				seq, map[bool]int{true: 3, false: 1}[name == "last three records"], x.Shop.Till)
			return TillOrigin + says(x, seq)
		}}
	}
	missing := func(_ *Spoiler, seq int64) string {
		return fmt.Sprintf(" record %d: missing: the next one is record %d", seq, seq+1)
	}
	return []tamper{
		gone("first record", func(*Spoiler) int64 { return 1 }, missing),
		gone("middle record", func(x *Spoiler) int64 { return last(x) / 2 }, missing),
		gone("last record", last, func(_ *Spoiler, seq int64) string {
			return fmt.Sprintf(" record %d: 1 record is missing after it", seq-1)
		}),
		gone("last three records", func(x *Spoiler) int64 { return last(x) - 2 }, func(_ *Spoiler, seq int64) string {
			return fmt.Sprintf(" record %d: 3 records are missing after it", seq-1)
		}),
		{name: "a record after the last", adds: true, do: func(x *Spoiler) string {
			x.Double("fiscal_record", "subject = '"+x.Ticket(x.Shop.Till, 2).ID+"'", map[string]string{"seq": "1000", "subject": "'sale_none'"})
			return x.tooMany("fiscal_record", "records")
		}},
		{name: "a record of no chain", adds: true, do: func(x *Spoiler) string {
			x.Double("fiscal_record", "subject = '"+x.Ticket(x.Shop.Till, 2).ID+"'", map[string]string{"chain_id": "'chn_none'", "subject": "'sale_none'"})
			return x.tooMany("fiscal_record", "records")
		}},
		{name: "mark of history", do: func(x *Spoiler) string {
			x.Exec(`UPDATE fiscal_chain SET history = NOT history WHERE owner_id = $1`, x.Shop.History)
			return HistoryOrigin + " record 1: history mark differs from its chain"
		}},
		{name: "public name of a chain", do: func(x *Spoiler) string {
			x.Exec(`UPDATE fiscal_chain SET origin = 'encaisse/0' WHERE owner_id = $1`, x.Shop.Till)
			return "encaisse/0 record 1: from another chain: " + TillOrigin
		}},
		{name: "owner of a chain", do: func(x *Spoiler) string {
			x.Exec(`UPDATE fiscal_chain SET owner_id = 'reg_none' WHERE owner_id = $1`, x.Shop.Till)
			return TillOrigin + " record 1: its row is about " + x.Shop.Till + ", its content about the owner of its chain"
		}},
		{name: "head of a chain", adds: true, do: func(x *Spoiler) string {
			seq := last(x)
			x.Exec(`UPDATE fiscal_chain SET head = (SELECT hash FROM fiscal_record WHERE subject = $2) WHERE owner_id = $1`, x.Shop.Till, x.Ticket(x.Shop.Till, 2).ID)
			return fmt.Sprintf("%s record %d: the chain's row does not end with this record", TillOrigin, seq)
		}},
		{name: "perpetual net of a chain", adds: true, do: func(x *Spoiler) string {
			x.Exec(`UPDATE fiscal_chain SET net_minor = net_minor - 100 WHERE owner_id = $1`, x.Shop.Till)
			return TillOrigin + ": the chain's row has other perpetual totals than its records"
		}},
		{name: "a chain beyond its records", adds: true, do: func(x *Spoiler) string {
			seq := last(x)
			x.Exec(`UPDATE fiscal_chain SET seq = seq + 1 WHERE owner_id = $1`, x.Shop.Till)
			return fmt.Sprintf("%s record %d: 1 record is missing after it", TillOrigin, seq)
		}},
		{name: "open period of a chain", adds: true, do: func(x *Spoiler) string {
			x.Exec(`UPDATE fiscal_chain SET period = (SELECT session_id FROM till_session WHERE register_id = $1 AND state = 'closed') WHERE owner_id = $1`, x.Shop.Till)
			return TillOrigin
		}},
	}
}

// tooMany is what verify says of rows that belong to nothing.
func (x *Spoiler) tooMany(table, called string) string {
	return fmt.Sprintf("%s: %d in the tables, ", called, x.Int(`SELECT COUNT(*) FROM `+table))
}

// TestFIS002_stray adds rows that belong to nothing that was sealed.
func TestFIS002_stray(t *testing.T) {
	stray := func(table, called string, but map[string]string) tamper {
		return tamper{name: called, adds: true, do: func(x *Spoiler) string {
			x.Double(table, "1 = 1", but)
			return x.tooMany(table, called)
		}}
	}
	tampered(t, []tamper{
		stray("sale", "sales", map[string]string{"sale_id": "'sale_none'", "number": "1000"}),
		stray("sale_line", "sale lines", map[string]string{"sale_id": "'sale_none'"}),
		stray("sale_vat", "VAT rows", map[string]string{"sale_id": "'sale_none'"}),
		stray("tender", "tenders", map[string]string{"sale_id": "'sale_none'"}),
		stray("till_session", "till sessions", map[string]string{"session_id": "'ses_none'", "state": "'closed'"}),
		stray("cash_movement", "cash movements", map[string]string{"movement_id": "'mov_none'"}),
		stray("closing", "closings", map[string]string{"closing_id": "'clo_none'", "number": "1000", "session_id": "NULL", "business_date": "'2020-01-01'"}),
		stray("closing_vat", "closing VAT rows", map[string]string{"closing_id": "'clo_none'"}),
		stray("ledger_transfer", "ledger transfers", map[string]string{"source": "'sale_none'"}),
		{name: "a line on a sealed sale", adds: true, do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 2)
			x.Double("sale_line", "sale_id = '"+k.ID+"'", map[string]string{"line": "9"})
			return k.Says("ticket 2: number of lines: sealed 3, tables say 4")
		}},
		{name: "a tender on a sealed sale", adds: true, do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 2)
			x.Double("tender", "sale_id = '"+k.ID+"'", map[string]string{"position": "9"})
			return k.Says("ticket 2: number of tenders: sealed 1, tables say 2")
		}},
		{name: "a rate on a sealed Z", adds: true, do: func(x *Spoiler) string {
			k := x.Closing(x.Shop.Till, "z", 1)
			x.Double("closing_vat", "closing_id = '"+k.ID+"'", map[string]string{"rate_bp": "5000"})
			return k.Says("z 1: number of vat: sealed 3, tables say 4")
		}},
	})
}
