package sim

import (
	"net/http"
	"strings"
	"testing"

	"encaisse/base/db"
	"encaisse/base/id"
)

// TestFIS013_database takes cash out of a sealed sale by SQL: alone, with some of
// its totals, with all of them, with the record that sealed it.
func TestFIS013_database(t *testing.T) {
	t.Log("coverage: FIS-013 partial: there is no screen yet to try it from")
	tampered(t, []tamper{
		{name: "means of payment", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 4)
			x.Uncheck("tender")
			x.Exec(`UPDATE tender SET means = 'card' WHERE sale_id = $1`, k.ID)
			return k.Says("ticket 4: tenders[1].means: sealed cash, tables say card")
		}, adds: true}, // on SQLite the table is put back without its triggers first
		{name: "amount", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 4)
			x.Exec(`UPDATE tender SET amount_minor = 350, received_minor = 350 WHERE sale_id = $1`, k.ID)
			return k.Says("ticket 4: tenders[1].amount: sealed 450, tables say 350")
		}},
		{name: "received and handed back", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			x.Exec(`UPDATE tender SET received_minor = received_minor - 500, change_minor = change_minor - 500 WHERE sale_id = $1 AND position = 1`, k.ID)
			return k.Says("ticket 1: tenders[1].change: sealed 1000, tables say 500")
		}},
		{name: "one of two tenders gone", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 1)
			x.Exec(`DELETE FROM tender WHERE sale_id = $1 AND position = 2`, k.ID)
			return k.Says("ticket 1: number of tenders: sealed 2, tables say 1")
		}},
		{name: "with the totals of its sale", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 4)
			x.sellForLess(k)
			return k.Says("ticket 4: lines[1].ht: sealed 409, tables say 318")
		}},
		{name: "with the totals of its Z and of the chain", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 4)
			x.sellForLess(k)
			x.lessInZ(x.Closing(x.Shop.Till, "z", 1))
			return k.Says("ticket 4: lines[1].ht: sealed 409, tables say 318")
		}},
		{name: "with its record and hash", do: func(x *Spoiler) string {
			k := x.Ticket(x.Shop.Till, 4)
			x.sellForLess(k)
			x.lessInZ(x.Closing(x.Shop.Till, "z", 1))
			payload := x.payload(k)
			for sealed, less := range map[string]string{
				`"ht":409`: `"ht":318`, `"ttc":450`: `"ttc":350`, `"unit":450`: `"unit":350`, `"vat":41`: `"vat":32`,
				`"amount":450`: `"amount":350`, `"received":450`: `"received":350`, `"total":450`: `"total":350`,
			} {
				payload = strings.ReplaceAll(payload, sealed, less)
			}
			x.rewrite(k, payload)
			return k.Says("its signature is not of a trusted key over the records up to here")
		}},
		{name: "a return that nobody brought back", adds: true, do: func(x *Spoiler) string {
			x.Double("sale", "sale_id = '"+x.Ticket(x.Shop.Till, 3).ID+"'", map[string]string{"sale_id": "'sale_none'", "number": "1000"})
			return x.tooMany("sale", "sales")
		}},
	})
}

// sellForLess makes a sale of one line of 4.50 at 10 % one of 3.50, with
// everything the tables derive from it.
func (x *Spoiler) sellForLess(k Ticket) {
	x.Exec(`UPDATE sale_line SET unit_minor = 350, ttc_minor = 350, ht_minor = 318 WHERE sale_id = $1`, k.ID)
	x.Exec(`UPDATE sale_vat SET ttc_minor = 350, ht_minor = 318, vat_minor = 32 WHERE sale_id = $1`, k.ID)
	x.Exec(`UPDATE tender SET amount_minor = 350, received_minor = 350 WHERE sale_id = $1`, k.ID)
	x.Exec(`UPDATE sale SET total_minor = 350 WHERE sale_id = $1`, k.ID)
	x.Exec(`UPDATE ledger_transfer SET amount_minor = CASE credit WHEN 'sales:1000' THEN 318 WHEN 'vat:1000' THEN 32 ELSE 350 END WHERE source = $1`, k.ID)
}

// lessInZ takes the euro out of the Z, its VAT, its transfer and the chain's totals.
func (x *Spoiler) lessInZ(z Ticket) {
	x.Exec(`UPDATE closing SET net_minor = net_minor - 100, absolute_minor = absolute_minor - 100, cash_minor = cash_minor - 100,
		expected_minor = expected_minor - 100, difference_minor = difference_minor + 100,
		perpetual_net_minor = perpetual_net_minor - 100, perpetual_absolute_minor = perpetual_absolute_minor - 100 WHERE closing_id = $1`, z.ID)
	x.Exec(`UPDATE closing_vat SET ttc_minor = ttc_minor - 100, ht_minor = ht_minor - 91, vat_minor = vat_minor - 9,
		perpetual_net_minor = perpetual_net_minor - 100, perpetual_absolute_minor = perpetual_absolute_minor - 100
		WHERE closing_id = $1 AND rate_bp = 1000`, z.ID)
	x.Exec(`UPDATE ledger_transfer SET amount_minor = amount_minor + 100 WHERE source = $1 AND position = 1`, z.ID)
	x.Exec(`UPDATE fiscal_chain SET net_minor = net_minor - 100, absolute_minor = absolute_minor - 100 WHERE owner_id = $1`, x.Shop.Till)
}

// payload is the sealed content of a record.
func (x *Spoiler) payload(k Ticket) string {
	var payload []byte
	x.Get([]any{&payload}, `SELECT payload FROM fiscal_record WHERE subject = $1`, k.ID)
	return string(payload)
}

// rewrite gives a record another content, and the hash that goes with it.
func (x *Spoiler) rewrite(k Ticket, payload string) {
	hash := leafHash([]byte(payload))
	x.Exec(`UPDATE fiscal_record SET payload = $2, hash = $3 WHERE subject = $1`, k.ID, []byte(payload), hash[:])
}

// TestFIS013_api tries the same through the API: a sealed sale is not sent again
// with other content, and there is no way to change or delete one.
func TestFIS013_api(t *testing.T) {
	Each(t, func(t *testing.T, engine db.Engine) {
		shop := Found(t, engine)
		shop.KeepDay(t)
		server := Serve(t, shop)
		server.Open(t, shop.Till, 0)
		basket := NewBasket(shop.Till, [2]int64{450, 1000})
		server.sell(t, basket)
		less := NewBasket(shop.Till, [2]int64{350, 1000})
		less.ID = basket.ID
		if status, _, code, err := server.Put(less); status != http.StatusConflict || code != "sale.other_content" || err != nil {
			t.Errorf("other content: status %d %s, error %v", status, code, err)
		}
		tender := "/v1/sales/" + basket.ID + "/tenders/" + string(NewID[id.Tender]())
		for _, path := range []string{"/v1/sales/" + basket.ID, "/v1/sales", tender} {
			for _, method := range []string{http.MethodDelete, http.MethodPatch, http.MethodPost} {
				status, _, err := server.Do(method, path, less.Body)
				if err != nil || status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
					t.Errorf("%s %s: status %d, error %v", method, path, status, err)
				}
			}
		}
		if x := server.X(t, shop.Till); x.Cash != Euros(450) || x.Tickets != 1 {
			t.Errorf("X %+v", x)
		}
		server.Stop()
		shop.MustVerify(t)
	})
}
