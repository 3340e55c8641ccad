package api_test

import (
	"net/http"
	"strings"
	"testing"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/ledger"
	"encaisse/terminal/emulator"
)

// TestMAG007_UPM021_ADeclinedCardLeavesTheOtherMeansAndTheBalance pays 30.15 with 10 in cash,
// 8 by a card that is declined, again by one that is not, and the rest by card.
func TestMAG007_UPM021_ADeclinedCardLeavesTheOtherMeansAndTheBalance(t *testing.T) {
	t.Log("coverage: MAG-007 partial: vouchers do not exist yet, cash stands in for one")
	t.Log("coverage: UPM-021 partial: there is no screen yet")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newCounter(t, d)
		sale := c.openBasket(object{"article_id": c.wine}, object{"article_id": c.bread})
		cash := c.boss.call(http.MethodPut, "/v1/sales/"+sale+"/tenders/"+fresh[id.Tender](c.world), object{
			"means": "cash", "amount": eur(10_00), "received": eur(20_00),
		}).want(http.StatusCreated)
		if cash.int("due.amount") != 20_15 || cash.int("tenders.0.change.amount") != 10_00 || cash.text("state") != "open" {
			t.Fatalf("after the cash: %s", cash.body)
		}
		c.reader.Next(emulator.Hand{Card: "refused"})
		declined, asked := c.card(sale, 8_00)
		if asked.int("due.amount") != 12_15 || asked.text("tenders.1.state") != "processing" {
			t.Fatalf("asked: %s", asked.body)
		}
		c.boss.call(http.MethodPut, "/v1/sales/"+sale+"/tenders/"+fresh[id.Tender](c.world), object{"means": "cash", "amount": eur(12_16)}).
			refused(http.StatusConflict, "sale.tender_over_due", "#/amount")
		after := c.settled(sale)
		if after.text("tenders.1.state") != "failed" || after.int("due.amount") != 20_15 || after.int("accepted.amount") != 10_00 {
			t.Fatalf("declined: %s", after.body)
		}
		first := after.text("tenders.1.payment_id")
		if p := c.boss.get("/v1/payments/" + first).want(http.StatusOK); p.text("state") != "failed" || p.text("cause") != "refused" || p.int("captured.amount") != 0 {
			t.Fatalf("declined payment: %s", p.body)
		}
		c.removeCard()
		c.reader.Next(emulator.Hand{Card: "cb"})
		c.card(sale, 8_00)
		if after = c.settled(sale); after.text("state") != "open" || after.int("due.amount") != 12_15 || after.text("tenders.2.payment_id") == first {
			t.Fatalf("a part by card: %s", after.body)
		}
		c.removeCard()
		c.reader.Next(emulator.Hand{Card: "cb", Gesture: emulator.Tap})
		last, _ := c.card(sale, 12_15)
		after = c.settled(sale)
		if after.text("state") != "sealed" || after.int("number") != 1 || len(after.list("tenders")) != 3 || after.int("due.amount") != 0 {
			t.Fatalf("sealed: %s", after.body)
		}
		again := c.boss.call(http.MethodPut, "/v1/sales/"+sale+"/tenders/"+last, object{
			"means": "card", "amount": eur(12_15), "terminal_id": c.terminal,
		}).want(http.StatusOK)
		if string(again.body) != string(after.body) {
			t.Errorf("the same tender again:\n%s\nis:\n%s", again.body, after.body)
		}
		c.boss.call(http.MethodPut, "/v1/sales/"+sale+"/tenders/"+declined, object{
			"means": "card", "amount": eur(8_01), "terminal_id": c.terminal,
		}).refused(http.StatusConflict, "sale.other_content", "")
		x := c.boss.get("/v1/registers/" + c.register + "/x").want(http.StatusOK)
		if x.int("totals.card.amount") != 20_15 || x.int("totals.cash.amount") != 10_00 || x.int("totals.held.amount") != 0 ||
			x.int("totals.expected.amount") != 160_00 || x.int("totals.card_manual.amount") != 0 {
			t.Errorf("X: %s", x.body)
		}
		c.boss.call(http.MethodPut, "/v1/registers/"+c.register+"/closings/"+fresh[id.Closing](c.world), object{"kind": "z"}).want(http.StatusCreated)
		c.verified()
	})
}

// removeCard waits until no card is in the reader.
func (c *counter) removeCard() {
	c.t.Helper()
	c.reader.Remove()
	c.until("the reader is free", func() bool {
		return c.boss.get("/v1/terminals/"+c.terminal).want(http.StatusOK).at("presence.busy") == false
	})
}

// TestDRV02_TheSlipOfAPayment reads the slip and the EMV section of a chip payment.
func TestDRV02_SRC023_SRC024_SRC025_SRC026_SRC027_SRC028_TheSlipOfAPayment(t *testing.T) {
	for _, row := range []string{"DRV-02", "SRC-023", "SRC-024", "SRC-025", "SRC-026", "SRC-027", "SRC-028"} {
		t.Log("coverage: " + row + " partial: the slip is read as data, there is no receipt yet")
	}
	d, _ := dbtest.Open(t, db.SQLite)
	c := newCounter(t, d)
	sale := c.openBasket(object{"article_id": c.wine})
	c.reader.Next(emulator.Hand{Card: "cb"})
	c.card(sale, 28_90)
	p := c.boss.get("/v1/payments/" + c.settled(sale).text("tenders.0.payment_id")).want(http.StatusOK)
	for path, want := range map[string]string{
		"slip.trade_name": "Boulangerie Fournil", "slip.contract_number": "1999887", "slip.type": "debit", "slip.letters": "C@", "emv.arc": "00",
		"state": "succeeded", "offer": "void",
	} {
		if got := p.text(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for path, length := range map[string]int{"emv.tvr": 10, "emv.tsi": 4, "emv.cryptogram": 16, "slip.file_number": 11} {
		if got := p.text(path); len(got) != length {
			t.Errorf("%s: %q", path, got)
		}
	}
	if aid := p.text("emv.aid"); !strings.HasPrefix(aid, "A000000042") || aid != p.text("slip.aid") || p.text("emv.iad") == "" {
		t.Errorf("AID %s, slip %s, IAD %s", aid, p.text("slip.aid"), p.text("emv.iad"))
	}
	if masked := p.text("slip.masked"); !strings.Contains(masked, "**") || masked != p.text("card.masked") {
		t.Errorf("masked: %s", masked)
	}
	if number := p.text("slip.file_number"); !strings.HasPrefix(number, "001") || !strings.HasSuffix(number, "01") {
		t.Errorf("file number: %s", number)
	}
	if len(p.list("history")) == 0 || len(p.list("operations")) < 2 || len(p.list("attempts")) != 1 {
		t.Errorf("history, operations, attempts: %s", p.body)
	}
	c.user.get("/v1/payments/"+p.text("id")).refused(http.StatusNotFound, "payment.not_found", "")
}

// TestUPM028_NoCardWithoutConnection: nothing that was approved offline is taken, no
// card data has a field, and a reader that is away is said to be.
func TestUPM028_SRC032_NoCardWithoutConnection(t *testing.T) {
	t.Log("coverage: UPM-028 partial: over the API; there is no screen yet")
	t.Log("coverage: SRC-032 partial: offline alone; the others are held in package payment")
	d, _ := dbtest.Open(t, db.SQLite)
	c := newCounter(t, d)
	sale := c.openBasket(object{"article_id": c.wine})
	path := "/v1/sales/" + sale + "/tenders/" + fresh[id.Tender](c.world)
	offline := object{"means": "card", "amount": eur(28_90), "reference": "7", "offline": true}
	c.boss.call(http.MethodPut, path, offline).refused(http.StatusConflict, "sale.offline_card_refused", "#/offline")
	for _, field := range []string{"pan", "track2", "card", "cvv", "approval_code", "expiry"} {
		body := object{"means": "card", "amount": eur(28_90), "terminal_id": c.terminal, field: "4970101234567890"}
		if a := c.boss.call(http.MethodPut, path, body).refused(http.StatusUnprocessableEntity, "request.unknown", ""); strings.Contains(string(a.body), "4970") {
			t.Errorf("%s: the answer repeats it: %s", field, a.body)
		}
	}
	c.must(c.reader.SetNetwork(emulator.NetworkNone))
	c.until("the reader is away", func() bool {
		return c.boss.get("/v1/terminals/"+c.terminal).want(http.StatusOK).text("presence.state") == "offline"
	})
	c.card(sale, 28_90)
	after := c.settled(sale)
	p := c.boss.get("/v1/payments/" + after.text("tenders.0.payment_id")).want(http.StatusOK)
	if p.text("state") != "failed" || p.text("cause") != "offline" || after.int("due.amount") != 28_90 {
		t.Errorf("without connection: %s", p.body)
	}
	manual := c.boss.call(http.MethodPut, path, object{"means": "card", "amount": eur(28_90), "reference": "Ticket 0042"}).want(http.StatusCreated)
	if manual.text("state") != "sealed" || manual.at("tenders.0.manual") != true || manual.text("tenders.0.reference") != "Ticket 0042" {
		t.Errorf("SRC-030: %s", manual.body)
	}
	c.verified()
}

// TestCCV011_AStatusSaidByHandSealsTheSale, marked everywhere, beside the automatic one.
func TestCCV011_AStatusSaidByHandSealsTheSale(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	c := newCounter(t, d)
	sale := c.openBasket(object{"article_id": c.wine})
	c.reader.Next(emulator.Hand{Card: "refused"})
	c.card(sale, 28_90)
	paid := c.settled(sale).text("tenders.0.payment_id")
	path := "/v1/payments/" + paid + "/manual-status"
	body := object{"status": "success", "reason": "Ticket du terminal présenté"}
	c.user.call(http.MethodPut, path, body).refused(http.StatusForbidden, "access.forbidden", "")
	got := c.manager.call(http.MethodPut, path, body).want(http.StatusOK)
	if got.text("state") != "failed" || got.text("manual_status.status") != "success" || got.text("manual_status.reason") == "" || got.text("manual_status.by") == "" {
		t.Errorf("the payment: %s", got.body)
	}
	sealed := c.boss.get("/v1/sales/" + sale).want(http.StatusOK)
	if sealed.text("state") != "sealed" || sealed.at("tenders.0.manual") != true {
		t.Errorf("the sale: %s", sealed.body)
	}
	x := c.boss.get("/v1/registers/" + c.register + "/x").want(http.StatusOK)
	if x.int("totals.card_manual.amount") != 28_90 {
		t.Errorf("X: %s", x.body)
	}
	c.verified()
	c.confirmed(t, paid)
	whole := c.paidByCard(28_90, c.wine)
	c.manager.call(http.MethodPut, "/v1/payments/"+whole+"/manual-status", body).refused(http.StatusConflict, "payment.manual_not_offered", "")
	c.verified()
}

// confirmed lets an acquirer say, after all, what a person said first: the ticket
// stands, the amount leaves the account of what nobody had confirmed. Twice is once.
func (c *counter) confirmed(t *testing.T, paid string) {
	t.Helper()
	said, err := c.payments.Get(c.t.Context(), access.System(c.founded.Merchant.ID), id.Payment(paid))
	c.must(err)
	said.Captured = said.Amount.Minor
	for range 2 {
		c.must(c.db.Write(c.t.Context(), func(tx *db.Tx) error { return c.sales.Captured(tx, said) }))
	}
	c.must(c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		left, err := ledger.Balance(tx, c.founded.Merchant.ID, ledger.CardByHand)
		if err == nil && left != 0 {
			t.Errorf("%d by hand are left", left)
		}
		return err
	}))
	c.verified()
}

// TestSRC012_CancelAtTheTill: cancelled while no card is in, abandoned while it is in
// doubt; the basket stays.
func TestSRC012_SRC033_CancelAtTheTill(t *testing.T) {
	t.Log("coverage: SRC-012 partial: there is no screen yet")
	t.Log("coverage: SRC-033 partial: there is no screen yet")
	d, _ := dbtest.Open(t, db.SQLite)
	c := newCounter(t, d)
	sale := c.openBasket(object{"article_id": c.wine})
	tender, _ := c.card(sale, 28_90)
	of := "/v1/sales/" + sale
	c.until("the reader asks for a card", func() bool {
		list := c.boss.get("/v1/payments?sale_id=" + sale).want(http.StatusOK)
		return list.at("payments.0.stage") == "waiting_card"
	})
	c.boss.call(http.MethodPost, of+"/abandon", object{}).refused(http.StatusConflict, "sale.tender_pending", "#/tenders")
	c.boss.call(http.MethodPost, of+"/tenders/"+tender+"/cancel", nil).want(http.StatusAccepted)
	if after := c.settled(sale); after.text("tenders.0.state") != "failed" || after.int("due.amount") != 28_90 {
		t.Errorf("cancelled: %s", after.body)
	}
	c.boss.call(http.MethodPost, of+"/tenders/"+tender+"/cancel", nil).refused(http.StatusConflict, "payment.over", "")
	c.boss.call(http.MethodPost, of+"/tenders/"+fresh[id.Tender](c.world)+"/cancel", nil).refused(http.StatusNotFound, "sale.tender_not_found", "")
	c.boss.call(http.MethodPost, of+"/tenders/"+tender+"/abandon", nil).refused(http.StatusConflict, "payment.not_in_doubt", "")
	left := c.boss.call(http.MethodPost, of+"/abandon", object{"reason": "Client parti"}).want(http.StatusOK)
	if left.text("state") != "abandoned" {
		t.Errorf("abandoned: %s", left.body)
	}
	if page := c.boss.get("/v1/sales?state=abandoned").want(http.StatusOK); page.text("sales.0.id") != sale {
		t.Errorf("list: %s", page.body)
	}
	c.verified()
}

// TestUPM026_OnePaymentHoweverOftenItIsAsked: the same tender by eight clients is one
// payment, and one capture.
func TestUPM026_DRV07_OnePaymentHoweverOftenItIsAsked(t *testing.T) {
	t.Log("coverage: UPM-026 partial: there is no screen yet that could be hidden")
	t.Log("coverage: DRV-07 partial: the network is cut at each point in test/sim")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newCounter(t, d)
		sale, tender := c.openBasket(object{"article_id": c.wine}), fresh[id.Tender](c.world)
		c.reader.Next(emulator.Hand{Card: "cb"})
		answers := make(chan answered, 8)
		for range cap(answers) {
			go func() {
				answers <- c.boss.call(http.MethodPut, "/v1/sales/"+sale+"/tenders/"+tender, object{
					"means": "card", "amount": eur(28_90), "terminal_id": c.terminal,
				})
			}()
		}
		asked := 0
		for range cap(answers) {
			switch a := <-answers; a.status {
			case http.StatusAccepted:
				asked++
			case http.StatusOK:
			default:
				t.Errorf("%d: %s", a.status, a.body)
			}
		}
		if got := c.settled(sale); asked != 1 || got.text("state") != "sealed" {
			t.Errorf("%d asked, %s", asked, got.body)
		}
		if page := c.boss.get("/v1/payments?sale_id=" + sale).want(http.StatusOK); len(page.list("payments")) != 1 {
			t.Errorf("payments: %s", page.body)
		}
		if n := len(c.host.Approvals()); n != 1 {
			t.Errorf("%d approvals at the host", n)
		}
		c.verified()
	})
}

// TestADoubtSaysWhatComesNext: a reader that is cut after it was asked is in doubt,
// listed with its countdown, and settled when it is back.
func TestUPM023_ADoubtSaysWhatComesNext(t *testing.T) {
	t.Log("coverage: UPM-023 partial: the link to the reader alone")
	d, _ := dbtest.Open(t, db.SQLite)
	c := newCounter(t, d)
	sale := c.openBasket(object{"article_id": c.wine})
	c.card(sale, 28_90)
	c.until("the reader asks for a card", func() bool {
		return c.boss.get("/v1/payments?sale_id="+sale).want(http.StatusOK).at("payments.0.stage") == "waiting_card"
	})
	c.must(c.reader.SetNetwork(emulator.NetworkNone))
	var list answered
	c.until("the payment is in doubt", func() bool {
		list = c.boss.get("/v1/payments?state=unknown").want(http.StatusOK)
		return len(list.list("payments")) == 1
	})
	if list.text("payments.0.doubt.next") != "ask" || list.text("payments.0.doubt.next_try_at") == "" || list.text("payments.0.deadline") == "" {
		t.Errorf("the doubt: %s", list.body)
	}
	if doubts := c.boss.get("/v1/doubts").want(http.StatusOK); doubts.text("doubts.0.payment_id") != list.text("payments.0.id") {
		t.Errorf("doubts: %s", doubts.body)
	}
	c.reader.Next(emulator.Hand{Card: "cb"})
	c.must(c.reader.SetNetwork(emulator.NetworkWiFi))
	c.until("the reader is back", func() bool {
		return c.boss.get("/v1/terminals/"+c.terminal).want(http.StatusOK).text("presence.state") == "online"
	})
	c.boss.call(http.MethodPost, "/v1/payments/"+list.text("payments.0.id")+"/enquire", nil).want(http.StatusOK)
}

// TestAnApprovalThatNobodyTakesIsUndone: the till closed while the card was asked for.
func TestAnApprovalThatNobodyTakesIsUndone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newCounter(t, d)
		sale := c.openBasket(object{"article_id": c.wine})
		c.card(sale, 28_90)
		c.until("the reader asks for a card", func() bool {
			return c.boss.get("/v1/payments?sale_id="+sale).want(http.StatusOK).at("payments.0.stage") == "waiting_card"
		})
		c.boss.call(http.MethodPut, "/v1/registers/"+c.register+"/closings/"+fresh[id.Closing](c.world), object{"kind": "z"}).want(http.StatusCreated)
		c.must(c.reader.Present("cb", emulator.Tap))
		after := c.settled(sale)
		if after.text("tenders.0.state") != "failed" || after.int("due.amount") != 28_90 || after.text("state") != "open" {
			t.Errorf("the basket: %s", after.body)
		}
		p := c.boss.get("/v1/payments/" + after.text("tenders.0.payment_id")).want(http.StatusOK)
		if p.text("state") != "orphaned" || p.int("captured.amount") != 0 {
			t.Errorf("the payment: %s", p.body)
		}
		c.until("the host has undone it", func() bool {
			approvals := c.host.Approvals()
			return len(approvals) == 1 && approvals[0].State == "reversed"
		})
		c.verified()
	})
}

// TestSRC010_SRC011_TheReaderIsChosenAndPrints: the list says which can be reached, and
// a slip comes out where it was asked for alone.
func TestSRC010_SRC011_TheReaderIsChosenAndPrints(t *testing.T) {
	t.Log("coverage: SRC-010 partial: there is no screen yet")
	t.Log("coverage: SRC-011 partial: there is no screen yet")
	d, _ := dbtest.Open(t, db.SQLite)
	c := newCounter(t, d)
	c.boss.call(http.MethodPut, "/v1/terminals/"+fresh[id.Terminal](c.world), object{
		"site_id": string(c.founded.Site.ID), "contract_id": c.contract, "alias": "Terrasse",
	}).want(http.StatusCreated)
	list := c.user.get("/v1/terminals").want(http.StatusOK)
	if list.text("terminals.0.presence.state") != "online" || list.text("terminals.1.presence.state") != "offline" ||
		list.text("terminals.1.alias") != "Terrasse" || list.int("terminals.1.number") != 2 {
		t.Errorf("terminals: %s", list.body)
	}
	c.paidByCard(28_90, c.wine)
	if n := len(c.reader.Slips()); n != 0 {
		t.Errorf("%d slips that nobody asked for", n)
	}
	sale := c.openBasket(object{"article_id": c.wine})
	c.reader.Next(emulator.Hand{Card: "cb"})
	c.boss.call(http.MethodPut, "/v1/sales/"+sale+"/tenders/"+fresh[id.Tender](c.world), object{
		"means": "card", "amount": eur(28_90), "terminal_id": c.terminal, "print_slip": true,
	}).want(http.StatusAccepted)
	c.settled(sale)
	c.until("the slip is out", func() bool { return len(c.reader.Slips()) > 0 })
}

// TestUPM030_UPM031_TheContractDecides which cards are taken.
func TestUPM030_UPM031_TheContractDecides(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	c := newCounter(t, d)
	contract := func(schemes ...object) {
		c.boss.call(http.MethodPut, "/v1/contracts/"+c.contract, object{
			"name": "Carte bancaire", "connector": "iso8583", "acceptor": "1999887", "mcc": "5462", "city": "Lyon", "schemes": schemes,
		}).want(http.StatusOK)
	}
	cause := func(name string) string {
		sale := c.openBasket(object{"article_id": c.wine})
		c.reader.Next(emulator.Hand{Card: name})
		c.card(sale, 28_90)
		after := c.settled(sale)
		p := c.boss.get("/v1/payments/" + after.text("tenders.0.payment_id")).want(http.StatusOK)
		c.removeCard()
		said, _ := p.json["cause"].(string)
		return said
	}
	contract(object{"scheme": "cb"}, object{"scheme": "mastercard"}, object{"scheme": "amex"})
	if got := cause("visa"); got != "scheme" {
		t.Errorf("Visa without contract: %q", got)
	}
	if got := cause("amex"); got != "affiliation" {
		t.Errorf("Amex without affiliation: %q", got)
	}
	contract(object{"scheme": "cb"}, object{"scheme": "visa"})
	if got := cause("visa"); got != "" {
		t.Errorf("Visa with contract: %q", got)
	}
	if list := c.manager.get("/v1/contracts").want(http.StatusOK); len(list.list("contracts.0.schemes")) != 2 {
		t.Errorf("contracts: %s", list.body)
	}
	c.verified()
}
