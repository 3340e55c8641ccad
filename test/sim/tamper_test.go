package sim

import (
	"fmt"
	"testing"

	"encaisse/base/db"
)

// tamper is one thing done to a database, and how verify must then begin what it says.
type tamper struct {
	name string
	do   func(x *Spoiler) (want string)
	adds bool // no trigger is against it: it only adds rows, for one
}

// tampered does each of them to a copy of a shop's database: while the triggers
// are there it is refused, without them verify finds it and names the place.
func tampered(t *testing.T, tampers []tamper) {
	t.Helper()
	Each(t, func(t *testing.T, engine db.Engine) {
		t.Parallel()
		shop := Live(t, engine)
		if v := shop.MustVerify(t); len(v.Warnings) > 0 {
			t.Fatalf("before anything was done: %v", v.Warnings)
		}
		copies := shop.Copies(t)
		for _, one := range tampers {
			t.Run(one.name, func(t *testing.T) {
				spoiled := copies(t)
				var want string
				refused := Spoil(t, spoiled, func(x *Spoiler) { want = one.do(x) })
				if !one.adds && !db.IsViolation(refused, db.Sealed) {
					t.Errorf("with its triggers the database says %v, want that it is sealed", refused)
				}
				expect(t, spoiled.Verify(t), want)
			})
		}
	})
}

// line makes the tamper of one column of the second line of the first ticket.
func line(column, value, field, sealed, says string) tamper {
	return tamper{name: "line " + column, do: func(x *Spoiler) string {
		k := x.Ticket(x.Shop.Till, 1)
		x.Exec(`UPDATE sale_line SET `+column+` = `+value+` WHERE sale_id = $1 AND line = 2`, k.ID)
		return k.Says("ticket 1: lines[2].%s: sealed %s, tables say %s", field, sealed, says)
	}}
}

// sale makes the tamper of one column of the first ticket.
func sale(column, value, says string) tamper {
	return tamper{name: "sale " + column, do: func(x *Spoiler) string {
		k := x.Ticket(x.Shop.Till, 1)
		x.Exec(`UPDATE sale SET `+column+` = `+value+` WHERE sale_id = $1`, k.ID)
		return k.Says("ticket 1: %s", says)
	}}
}

// TestFIS002_tables edits what the tables say of a sealed sale and of what closes it.
func TestFIS002_tables(t *testing.T) {
	t.Log("coverage: FIS-002 partial: closings of months and years and the signed archive are still to come")
	tampered(t, append(append(saleTampers(), closingTampers()...), chainTampers()...))
}

func saleTampers() []tamper {
	return []tamper{
		line("label", "'Baguette'", "label", "Tarte aux figues", "Baguette"),
		line("article", "'TARTE'", "article", "nothing", "TARTE"),
		line("nature", "'service'", "nature", "goods", "service"),
		line("quantity_milli", "400", "quantity", "0.5", "0.4"),
		line("unit_minor", "1700", "unit", "1800", "1700"),
		line("vat_bp", "2000", "vat_bp", "550", "2000"),
		line("reduction_minor", "100", "reduction", "nothing", "100"),
		line("share_minor", "36", "share", "35", "36"),
		line("ttc_minor", "ttc_minor - 100", "ttc", "865", "765"),
		line("ht_minor", "ht_minor - 100", "ht", "820", "720"),
		sale("sealed_at", "sealed_at - 3600000", "time: sealed "),
		sale("operator", "2", "operator: sealed 0, tables say 2"),
		sale("external_ref", "'commande-8'", "external_ref: sealed commande-7, tables say commande-8"),
		sale("business_date", "'2020-01-01'", "business_date: sealed "),
		sale("total_minor", "total_minor - 100", "total: sealed 1200, tables say 1100"),
		sale("reduction_minor", "149", "reduction.amount: sealed 49, tables say 149"),
		sale("reduction_name", "'Perte'", "reduction.name: sealed Geste, tables say Perte"),
		sale("currency", "'CHF'", "currency: sealed EUR, tables say CHF"),
		sale("document", "'return'", "event code: sealed 0, tables give 190"),
		sale("session_id", "(SELECT session_id FROM till_session WHERE state = 'open')", "the tables put it in another till session"),
		sale("register_id", "'reg_none'", "its sale is missing from the tables"),
		{name: "sale number", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			x.Exec(`UPDATE sale SET number = 1000 WHERE sale_id = $1`, k.ID)
			return k.Says("ticket 1: its sale is missing from the tables")
		}},
		{name: "two numbers exchanged", do: func(x *Spoiler) string {
			a, b := x.Ticket(x.Shop.Till, 1), x.Ticket(x.Shop.Till, 2)
			x.Exec(`UPDATE sale SET number = 1000 WHERE sale_id = $1`, a.ID)
			x.Exec(`UPDATE sale SET number = 1 WHERE sale_id = $1`, b.ID)
			x.Exec(`UPDATE sale SET number = 2 WHERE sale_id = $1`, a.ID)
			return a.Says("ticket 1: the tables give it to %s, the record to %s", b.ID, a.ID)
		}},
		{name: "VAT moved to another rate", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			x.Exec(`UPDATE sale_vat SET rate_bp = 2000 WHERE sale_id = $1 AND rate_bp = 1000`, k.ID)
			return k.Says("ticket 1: vat[2].rate_bp: sealed 1000, tables say 2000")
		}},
		{name: "sale gone from the tables", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 2)
			x.forget(k.ID)
			return k.Says("ticket 2: its sale is missing from the tables")
		}},
		{name: "sale gone with its record", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 2)
			x.forget(k.ID)
			x.Exec(`DELETE FROM fiscal_record WHERE subject = $1`, k.ID)
			return k.Says("missing: ")
		}},
		{name: "ledger amount", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			x.Exec(`UPDATE ledger_transfer SET amount_minor = amount_minor - 1 WHERE source = $1 AND position = 2`, k.ID)
			return k.Says("%s: ledger transfer 2: ", k.ID)
		}},
		{name: "ledger currency", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			x.Exec(`UPDATE ledger_transfer SET currency = 'CHF' WHERE source = $1 AND position = 2`, k.ID)
			return k.Says("%s: ledger transfer 2: currency: sealed EUR, the ledger has CHF", k.ID)
		}},
		{name: "ledger time", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			x.Exec(`UPDATE ledger_transfer SET at = at - 1 WHERE source = $1 AND position = 2`, k.ID)
			return k.Says("%s: ledger transfer 2: time: sealed ", k.ID)
		}},
		{name: "ledger position", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			last := x.Int(`SELECT MAX(position) FROM ledger_transfer WHERE source = $1`, k.ID)
			x.Exec(`UPDATE ledger_transfer SET position = 90 WHERE source = $1 AND position = $2`, k.ID, last)
			return k.Says("%s: the ledger has transfer 90 where %d follows", k.ID, last)
		}},
		{name: "line number", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			x.Exec(`UPDATE sale_line SET line = 9 WHERE sale_id = $1 AND line = 3`, k.ID)
			return k.Says("ticket 1: the tables have line 9 where 3 follows")
		}},
		{name: "tender position", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			x.Exec(`UPDATE tender SET position = 9 WHERE sale_id = $1 AND position = 2`, k.ID)
			return k.Says("ticket 1: the tables have tender 9 where 2 follows")
		}},
		{name: "ledger account", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			x.Exec(`UPDATE ledger_transfer SET debit = 'safe' WHERE source = $1 AND position = 5`, k.ID)
			return k.Says("%s: ledger transfer 5: ", k.ID)
		}},
	}
}

// forget deletes a sale and all that was booked with it.
func (x *Spoiler) forget(sale string) {
	for _, table := range [...]string{"sale_line", "sale_vat", "tender", "sale"} {
		x.Exec(`DELETE FROM `+table+` WHERE sale_id = $1`, sale)
	}
	x.Exec(`DELETE FROM ledger_transfer WHERE source = $1`, sale)
	x.Exec(`DELETE FROM event WHERE subject = $1`, sale)
}

// closing makes the tamper of one column of a closing.
func closing(kind, column, says string) tamper {
	return tamper{name: kind + " " + column, do: func(x *Spoiler) string {
		register, number, called := x.Shop.Till, int64(1), "z 1: "
		if kind == "day" {
			register, number, called = x.Shop.History, 2, "day 2: "
		}
		k := x.Closing(register, kind, number)
		x.Exec(`UPDATE closing SET `+column+` = `+column+` - 1 WHERE closing_id = $1`, k.ID)
		return k.Says("%s%s", called, says)
	}}
}

func closingTampers() []tamper {
	var all []tamper
	for _, kind := range [...]string{"z", "day"} {
		for column, field := range map[string]string{
			"net_minor": "net", "absolute_minor": "absolute", "lines": "lines", "returns": "returns", "first_ticket": "first_ticket",
			"last_ticket": "last_ticket", "cash_minor": "cash", "expected_minor": "expected", "float_minor": "float",
		} {
			all = append(all, closing(kind, column, field+": sealed "))
		}
		all = append(all, closing(kind, "perpetual_net_minor", "perpetual totals "), closing(kind, "perpetual_absolute_minor", "perpetual totals "),
			closing(kind, "closed_at", "time or operator "), tamper{name: kind + " perpetual turnover of a rate", do: func(x *Spoiler) string {
				register := map[string]string{"z": x.Shop.Till, "day": x.Shop.History}[kind]
				k := x.Closing(register, kind, 1)
				x.Exec(`UPDATE closing_vat SET perpetual_net_minor = perpetual_net_minor - 1 WHERE closing_id = $1 AND rate_bp = 550`, k.ID)
				return k.Says("%s 1: vat[1].perpetual_net: sealed ", kind)
			}})
	}
	return append(all, closing("z", "counted_minor", "counted: sealed "), closing("z", "difference_minor", "difference: sealed 35, tables say 34"),
		tamper{name: "Z gone", do: func(x *Spoiler) string {
			k := x.Closing(x.Shop.Till, "z", 1)
			x.Exec(`DELETE FROM closing WHERE closing_id = $1`, k.ID)
			return k.Says("z 1: its closing is missing from the tables")
		}},
		tamper{name: "till session of a day", do: func(x *Spoiler) string {
			k := x.Closing(x.Shop.History, "day", 2)
			x.Exec(`UPDATE closing SET session_id = 'ses_none' WHERE closing_id = $1`, k.ID)
			return k.Says("day ")
		}},
		tamper{name: "session float", do: func(x *Spoiler) string {
			session := x.Text(`SELECT session_id FROM till_session WHERE register_id = $1 AND state = 'closed'`, x.Shop.Till)
			seq, origin := x.record(session)
			x.Exec(`UPDATE till_session SET float_minor = float_minor + 1000 WHERE session_id = $1`, session)
			return fmt.Sprintf("%s record %d: %s: event.float: sealed 10000, tables say 11000", origin, seq, session)
		}},
		tamper{name: "cash taken out", do: func(x *Spoiler) string {
			movement := x.Text(`SELECT movement_id FROM cash_movement WHERE direction = 'out'`)
			seq, origin := x.record(movement)
			x.Exec(`UPDATE cash_movement SET amount_minor = 1000 WHERE movement_id = $1`, movement)
			return fmt.Sprintf("%s record %d: %s: event.amount: sealed 2000, tables say 1000", origin, seq, movement)
		}},
		tamper{name: "cash movement gone", do: func(x *Spoiler) string {
			movement := x.Text(`SELECT movement_id FROM cash_movement WHERE direction = 'in'`)
			seq, origin := x.record(movement)
			x.Exec(`DELETE FROM cash_movement WHERE movement_id = $1`, movement)
			return fmt.Sprintf("%s record %d: %s: its cash movement is missing from the tables", origin, seq, movement)
		}},
	)
}

// chain makes the tamper of one column of a chain's row.
func chain(column, value, says string) tamper {
	return tamper{name: "chain " + column, do: func(x *Spoiler) string {
		x.Exec(`UPDATE fiscal_chain SET `+column+` = `+value+` WHERE owner_id = $1`, x.Shop.Till)
		return TillOrigin + says
	}}
}

// moved is a tamper of what moves on with every record: no trigger is against it.
func moved(one tamper) tamper {
	one.adds = true
	return one
}

func chainTampers() []tamper {
	return []tamper{
		{name: "chain seq", do: func(x *Spoiler) string {
			seq := x.Int(`SELECT seq FROM fiscal_chain WHERE owner_id = $1`, x.Shop.Till)
			x.Exec(`UPDATE fiscal_chain SET seq = seq - 1 WHERE owner_id = $1`, x.Shop.Till)
			return fmt.Sprintf("%s record %d: the chain's row does not end with this record", TillOrigin, seq-1)
		}},
		moved(chain("edge", "head", " record ")),
		moved(chain("software", "'other'", `: the chain's row names software "other", its last record "`)),
		moved(chain("signer_id", "'sig_none'", ": the chain's row names signer sig_none, of whom there is no key")),
		chain("tickets", "tickets - 1", ": the chain's row counts other numbers than its records"),
		chain("zs", "zs - 1", ": the chain's row counts other numbers than its records"),
		chain("absolute_minor", "absolute_minor - 1", ": the chain's row has other perpetual totals than its records"),
		chain("last_at", "last_at - 1", ": the chain's row has another time than its last record"),
	}
}
