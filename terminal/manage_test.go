package terminal_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/terminal"
	"encaisse/terminal/terminaltest"
)

func TestTerminals(t *testing.T) {
	each(t, map[string]func(*testing.T, *terminaltest.Room){
		"NumbersAreDrawnAndUnique":                testNumbersAreDrawnAndUnique,
		"NumbersDrawnAtOnceDiffer":                testNumbersDrawnAtOnceDiffer,
		"PutIsTheSameTwiceAndMoves":               testPutIsTheSameTwiceAndMoves,
		"WhatIsSaidOfATerminalIsChecked":          testWhatIsSaidOfATerminalIsChecked,
		"WhoMayDoWhat":                            testWhoMayDoWhat,
		"SRC007_RenamedAndPushed":                 testRenamedAndPushed,
		"ACodeIsGoodOnceAndForAQuarterOfAnHour":   testACodeIsGoodOnce,
		"OneOfEightDevicesGetsTheTerminal":        testOneOfEightDevicesGetsTheTerminal,
		"SRC041_CCV008_BlockedAtOnce":             testBlockedAtOnce,
		"PairingIsInTheTrailOfWhoGaveTheCode":     testPairingIsInTheTrail,
		"CodesAndCredentialsAreKeptAsHashes":      testCodesAndCredentialsAreKeptAsHashes,
		"TerminalsOfAnotherMerchantAreNotFound":   testTerminalsOfAnotherMerchant,
		"SRC010_TheTillSeesWhichReadersAreOnline": testTheTillSeesWhichReadersAreOnline,
	})
}

func put(r *terminaltest.Room, t terminal.Terminal) (terminal.Terminal, bool, error) {
	if t.ID == "" {
		t.ID = id.New[id.Terminal](r.Clock.Now())
	}
	if t.Site == "" {
		t.Site = r.Site
	}
	if t.Contract == "" {
		t.Contract = "ctr_1"
	}
	if t.Alias == "" {
		t.Alias = "Comptoir"
	}
	return r.Hub.Put(context.Background(), r.Admin, t)
}

func testNumbersAreDrawnAndUnique(t *testing.T, r *terminaltest.Room) {
	one, _, err := put(r, terminal.Terminal{})
	if err != nil || one.Number != 1 || one.Acceptor != "00000001" || one.State != terminal.Active {
		t.Fatalf("%+v, %v", one, err)
	}
	seven, _, err := put(r, terminal.Terminal{Number: 7, Acceptor: "TPE00042"})
	if err != nil || seven.Number != 7 || seven.Acceptor != "TPE00042" {
		t.Fatalf("%+v, %v", seven, err)
	}
	if eight, _, err := put(r, terminal.Terminal{}); err != nil || eight.Number != 8 {
		t.Errorf("%+v, %v", eight, err)
	}
	_, _, err = put(r, terminal.Terminal{Number: 7})
	want(t, err, "terminal.number_taken")
	_, _, err = put(r, terminal.Terminal{Acceptor: "TPE00042"})
	want(t, err, "terminal.acceptor_taken")
	if _, _, err := put(r, terminal.Terminal{Number: 999}); err != nil {
		t.Error(err)
	}
	_, _, err = put(r, terminal.Terminal{})
	want(t, err, "terminal.too_many")
}

func testNumbersDrawnAtOnceDiffer(t *testing.T, r *terminaltest.Room) {
	for _, err := range atOnce(16, func(int) error { _, _, err := put(r, terminal.Terminal{}); return err }) {
		if err != nil {
			t.Error(err)
		}
	}
	all, err := r.Hub.List(t.Context(), r.Admin)
	if err != nil || len(all) != 16 {
		t.Fatal(len(all), err)
	}
	for i, one := range all {
		if one.Number != int64(i+1) {
			t.Errorf("the %dth has number %d", i+1, one.Number)
		}
	}
}

func testPutIsTheSameTwiceAndMoves(t *testing.T, r *terminaltest.Room) {
	first, created, err := put(r, terminal.Terminal{Alias: " Comptoir "})
	if err != nil || !created || first.Alias != "Comptoir" {
		t.Fatal(first, created, err)
	}
	again, created, err := put(r, terminal.Terminal{ID: first.ID})
	if err != nil || created || again.UpdatedAt != first.UpdatedAt {
		t.Error(again, created, err)
	}
	moved, created, err := put(r, terminal.Terminal{ID: first.ID, Contract: "ctr_2", Number: 1})
	if err != nil || created || moved.Contract != "ctr_2" || moved.Number != first.Number {
		t.Error(moved, created, err)
	}
	_, _, err = put(r, terminal.Terminal{ID: first.ID, Number: 2})
	want(t, err, "terminal.fixed")
	_, _, err = put(r, terminal.Terminal{ID: first.ID, Acceptor: "00000009"})
	want(t, err, "terminal.fixed")
}

func testWhatIsSaidOfATerminalIsChecked(t *testing.T, r *terminaltest.Room) {
	for code, bad := range map[string]terminal.Terminal{
		"id.malformed":                {ID: "term_1"},
		"terminal.alias":              {Alias: strings.Repeat("x", 61)},
		"terminal.number":             {Number: 1000},
		"terminal.acceptor":           {Acceptor: "1234"},
		"merchant.site_not_found":     {Site: id.New[id.Site](start)},
		"merchant.register_not_found": {Register: id.New[id.Register](start)},
	} {
		_, _, err := put(r, bad)
		want(t, err, code)
	}
}

func testWhoMayDoWhat(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	user := r.Admin
	user.Role = access.User
	_, _, err := r.Hub.Put(t.Context(), user, made)
	want(t, err, "access.forbidden")
	_, _, err = r.Hub.PairingCode(t.Context(), user, made.ID)
	want(t, err, "access.forbidden")
	_, err = r.Hub.Rename(t.Context(), user, made.ID, "Bar")
	want(t, err, "access.forbidden")
	_, err = r.Hub.Deactivate(t.Context(), user, made.ID)
	want(t, err, "access.forbidden")
	_, err = r.Hub.Reactivate(t.Context(), user, made.ID)
	want(t, err, "access.forbidden")
	if _, err := r.Hub.List(t.Context(), user); err != nil {
		t.Error("who sells chooses the reader:", err)
	}
	nobody := r.Admin
	nobody.Role = ""
	_, err = r.Hub.List(t.Context(), nobody)
	want(t, err, "access.forbidden")
	_, err = r.Hub.Get(t.Context(), nobody, made.ID)
	want(t, err, "access.forbidden")
}

func testRenamedAndPushed(t *testing.T, r *terminaltest.Room) {
	t.Log("coverage: SRC-007 partial: the terminal's name and who learns it; the field to click is the portal's")
	made := r.Terminal("Comptoir")
	w := r.Join(protocol, made, "ODD1", "1")
	renamed, err := r.Hub.Rename(t.Context(), r.Admin, made.ID, "Terrasse")
	if err != nil || renamed.Alias != "Terrasse" {
		t.Fatal(renamed, err)
	}
	m := w.Heard("parameters", func(m terminal.Message) bool { return m.Configure != nil })
	if m.Configure.Alias != "Terrasse" {
		t.Errorf("%+v", m.Configure)
	}
	_, err = r.Hub.Rename(t.Context(), r.Admin, made.ID, "")
	want(t, err, "terminal.alias")
	if err := r.Hub.Reconfigure(t.Context(), r.Admin.Merchant); err != nil {
		t.Fatal(err)
	}
	w.Heard("parameters again", func(m terminal.Message) bool { return m.Configure != nil })
}

func testACodeIsGoodOnce(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	code := r.Code(made)
	if len(code) != 8 || strings.ContainsAny(code, "0O1ILUV") || code != strings.ToUpper(code) {
		t.Errorf("%q is not easy to read", code)
	}
	if _, status := r.Pair("AAAAAAAA", "A920", "1"); status != http.StatusUnauthorized {
		t.Error("a wrong code:", status)
	}
	for model, serial := range map[string]string{"": "1", "A 920": "1", strings.Repeat("x", 21): "1", "A920": "", "A921": "é"} {
		if _, status := r.Pair(code, model, serial); status != http.StatusUnprocessableEntity {
			t.Errorf("%q %q: %d", model, serial, status)
		}
	}
	typed := strings.ToLower(code[:4]) + "-" + code[4:] + " "
	given, status := r.Pair(typed, "A920", "1234")
	if status != http.StatusCreated || given.Terminal != made.ID || given.Reader != "A920-1234" || given.Number != made.Number {
		t.Fatal(status, given)
	}
	if _, status := r.Pair(code, "A920", "1234"); status != http.StatusUnauthorized {
		t.Error("a second time:", status)
	}
	former, latter := r.Code(made), r.Code(made)
	if _, status := r.Pair(former, "A920", "1234"); status != http.StatusUnauthorized {
		t.Error("a newer code ends it:", status)
	}
	next, status := r.Pair(latter, "A920", "5678")
	if status != http.StatusCreated || next.Number != made.Number || next.Device == given.Device {
		t.Error(status, next)
	}
	if now, err := r.Hub.Get(t.Context(), r.Admin, made.ID); err != nil || now.Serial != "5678" || now.Number != made.Number {
		t.Errorf("%+v, %v", now, err)
	}
}

// TestACodeIsTooOld after a quarter of an hour, and guessing is slow.
func TestACodeIsTooOld(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r, c := still(t, d)
		made := r.Terminal("Comptoir")
		fresh := r.Code(made)
		c.Advance(terminal.PairingLifetime)
		if _, status := r.Pair(fresh, "A920", "1"); status != http.StatusUnauthorized {
			t.Error("too old:", status)
		}
		fresh = r.Code(made)
		c.Advance(terminal.PairingLifetime - time.Millisecond)
		if _, status := r.Pair(fresh, "A920", "1"); status != http.StatusCreated {
			t.Error("just in time:", status)
		}
		last := 0
		for range 12 {
			_, last = r.Pair("AAAAAAAA", "A920", "1")
		}
		if last != http.StatusTooManyRequests {
			t.Error("the twelfth guess:", last)
		}
		c.Advance(time.Minute)
		if _, status := r.Pair(r.Code(made), "A920", "2"); status != http.StatusCreated {
			t.Error("a minute later:", status)
		}
		if err := r.Hub.Prune(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func testOneOfEightDevicesGetsTheTerminal(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	code := r.Code(made)
	won := 0
	for _, err := range atOnce(8, func(i int) error {
		_, err := r.Hub.Pair(context.Background(), code, "A920", string(rune('1'+i)))
		return err
	}) {
		if err == nil {
			won++
		} else if !problem.Is(err, "terminal.pairing_code") {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d devices got it", won)
	}
}

func testBlockedAtOnce(t *testing.T, r *terminaltest.Room) {
	t.Log("coverage: SRC-041 partial: blocked at once; the case is support's to open")
	made := r.Terminal("Comptoir")
	given, _ := r.Pair(r.Code(made), "ODD1", "1")
	w := r.Again(protocol, made, given, "ODD1", "1")
	out, err := r.Hub.Deactivate(t.Context(), r.Admin, made.ID)
	if err != nil || out.State != terminal.Deactivated {
		t.Fatal(out, err)
	}
	if err := w.Over(); !strings.Contains(err.Error(), "terminal.deactivated") {
		t.Error(err)
	}
	if _, status := r.Dial(protocol, given.Credential, given.Reader); status != http.StatusUnauthorized {
		t.Error(status)
	}
	want(t, r.Open(r.Dialogue(made, 1)), "terminal.deactivated")
	_, _, err = r.Hub.PairingCode(t.Context(), r.Admin, made.ID)
	want(t, err, "terminal.deactivated")
	if p := r.Presence(made); p.State != terminal.Offline {
		t.Error(p)
	}
	if _, err := r.Hub.Reactivate(t.Context(), r.Admin, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, status := r.Dial(protocol, given.Credential, given.Reader); status != http.StatusUnauthorized {
		t.Error("the credential it had before:", status)
	}
	r.Join(protocol, made, "ODD1", "1")
	r.Await(made, terminal.Online)
}

func testPairingIsInTheTrail(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	giver := r.Admin
	giver.Person = id.New[id.Person](r.Clock.Now())
	code, _, err := r.Hub.PairingCode(t.Context(), giver, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, status := r.Pair(code, "A920", "77"); status != http.StatusCreated {
		t.Fatal(status)
	}
	trail, err := access.New(r.DB, r.Clock, access.Hashing{}).Trail(t.Context(), r.Admin, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var acts []string
	for _, e := range trail {
		if e.Subject == string(made.ID) {
			acts = append(acts, e.Action)
		}
		if e.Action == "terminal.paired" && (e.Actor != string(giver.Person) || !strings.Contains(string(e.After), `"serial":"77"`)) {
			t.Errorf("%+v", e)
		}
		if strings.Contains(string(e.After)+string(e.Before), code) {
			t.Error("the trail shows a code")
		}
	}
	if got := strings.Join(acts, " "); got != "terminal.created terminal.pairing_code terminal.paired" {
		t.Error(got)
	}
}

func testCodesAndCredentialsAreKeptAsHashes(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	given, _ := r.Pair(r.Code(made), "ODD1", "1")
	code := r.Code(made)
	err := r.DB.Read(t.Context(), func(tx *db.Tx) error {
		for secret, query := range map[string]string{
			given.Credential: `SELECT credential_hash, merchant_id || device_id || serial FROM terminal_device`,
			code:             `SELECT code_hash, merchant_id || terminal_id || actor FROM terminal_pairing`,
		} {
			rows := tx.Query(query)
			n := 0
			for rows.Next() {
				var hash []byte
				var rest string
				if err := rows.Scan(&hash, &rest); err != nil {
					return err
				}
				n++
				if len(hash) != 32 || strings.Contains(string(hash)+rest, secret) {
					t.Errorf("%s: kept as %x", query, hash)
				}
			}
			if err := rows.Err(); err != nil || n == 0 {
				t.Error(n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func testTerminalsOfAnotherMerchant(t *testing.T, r *terminaltest.Room) {
	other := terminaltest.NewRoom(t, r.DB, r.Clock, protocol)
	theirs := other.Terminal("Comptoir")
	_, err := r.Hub.Get(t.Context(), r.Admin, theirs.ID)
	want(t, err, "terminal.not_found")
	_, err = r.Hub.Rename(t.Context(), r.Admin, theirs.ID, "x")
	want(t, err, "terminal.not_found")
	_, _, err = r.Hub.PairingCode(t.Context(), r.Admin, theirs.ID)
	want(t, err, "terminal.not_found")
	d := r.Dialogue(theirs, 1)
	want(t, r.Open(d), "terminal.not_found")
	want(t, r.Hub.Print(t.Context(), r.Admin.Merchant, theirs.ID, []string{"x"}), "terminal.not_found")
	_, err = r.Hub.Diagnose(t.Context(), r.Admin.Merchant, theirs.ID)
	want(t, err, "terminal.not_found")
}

func testTheTillSeesWhichReadersAreOnline(t *testing.T, r *terminaltest.Room) {
	t.Log("coverage: SRC-010 partial: what the picker chooses from; the picker is the till's")
	r.Terminal("Réserve")
	online := r.Terminal("Comptoir")
	asleep := r.Terminal("Terrasse")
	r.Join(protocol, online, "ODD1", "1")
	w := r.Join(protocol, asleep, "ODD1", "2")
	w.Say(terminal.Message{Serial: "1", At: r.Clock.Now(), Notice: &terminal.Notice{News: terminal.NewsSleep}})
	r.Await(asleep, terminal.Asleep)
	w.Conn.CloseNow()
	d := r.Dialogue(online, 5_00)
	r.Send(d)
	all, err := r.Hub.List(t.Context(), r.Admin)
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	for i, expected := range []terminal.PresenceState{terminal.Offline, terminal.Online, terminal.Asleep} {
		if p := all[i].Presence; p.State != expected || p.Busy != (i == 1) || (p.Since == nil) != (i == 0) {
			t.Errorf("%s: %+v, want %s", all[i].Alias, p, expected)
		}
	}
	if p := all[1].Presence; p.Health.Battery != 80 || p.Health.Printer != terminal.PrinterOK || p.Software != "test" {
		t.Errorf("%+v", p)
	}
}
