package access_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
)

func testSessionEndsWithoutUse(t *testing.T, h *house) {
	s := h.in(h.at("camille"), goodCode)
	h.clock.Set(start.Add(access.SessionIdle))
	_, err := h.Authenticate(t.Context(), s.Token)
	want(t, err, "access.bearer")
}

// testSessionGoesOnWithUseUntilItsAbsoluteEnd: used every three hours it lives
// for a week, and then no longer.
func testSessionGoesOnWithUseUntilItsAbsoluteEnd(t *testing.T, h *house) {
	s := h.in(h.at("camille"), goodCode)
	for at := start.Add(3 * time.Hour); at.Before(s.ExpiresAt); at = at.Add(3 * time.Hour) {
		h.clock.Set(at)
		if _, err := h.Authenticate(t.Context(), s.Token); err != nil {
			t.Fatal(at, err)
		}
	}
	h.clock.Set(s.ExpiresAt)
	_, err := h.Authenticate(t.Context(), s.Token)
	want(t, err, "access.bearer")
}

// TestAuthenticateWritesNothing: on a database that refuses to be written to, a
// session that was used within the hour and a key are known all the same.
func TestAuthenticateWritesNothing(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			d, dsn := dbtest.Open(t, engine)
			h := newHouse(t, d)
			s := h.in(h.at("camille"), goodCode)
			_, secret, err := h.CreateKey(t.Context(), s.Principal, "Site web", access.User)
			if err != nil {
				t.Fatal(err)
			}
			read, err := db.Open(t.Context(), dsn, db.Options{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			defer read.Close()
			gate := access.New(read, h.clock, cheap)
			h.clock.Advance(59 * time.Minute)
			for _, bearer := range []string{s.Token, secret} {
				if _, err := gate.Authenticate(t.Context(), bearer); err != nil {
					t.Error(err)
				}
			}
			if _, err := gate.SignIn(t.Context(), h.at("camille"), goodCode); err == nil {
				t.Error("this database can be written to")
			}
		})
	}
}

// testUseMovesTheIdleEndOnOnceAnHour and no more often: it is a write.
func testUseMovesTheIdleEndOnOnceAnHour(t *testing.T, h *house) {
	s := h.in(h.at("camille"), goodCode)
	ends := map[time.Time]bool{}
	for range 36 {
		h.clock.Advance(5 * time.Minute)
		if _, err := h.Authenticate(t.Context(), s.Token); err != nil {
			t.Fatal(err)
		}
		sessions, err := h.Sessions(t.Context(), s.Principal)
		if err != nil {
			t.Fatal(err)
		}
		for _, open := range sessions {
			if open.Current {
				ends[open.IdleUntil] = true
			}
		}
	}
	if len(ends) != 3 { // the first one and, after more than an hour each, two more
		t.Errorf("%d idle ends in three hours: %v", len(ends), ends)
	}
}

func testSignOut(t *testing.T, h *house) {
	s, other := h.in(h.at("camille"), goodCode), h.in(h.at("camille"), goodCode)
	if err := h.SignOut(t.Context(), s.Token); err != nil {
		t.Fatal(err)
	}
	h.last("session.closed", string(s.Principal.Person), s.Principal)
	_, err := h.Authenticate(t.Context(), s.Token)
	want(t, err, "access.bearer")
	if _, err := h.Authenticate(t.Context(), other.Token); err != nil {
		t.Error("another session:", err)
	}
	if err := h.SignOut(t.Context(), s.Token); err != nil {
		t.Error("again:", err)
	}
}

func testSessionsAreListedAndTheOthersEnded(t *testing.T, h *house) {
	var last access.Session
	for range 3 {
		h.clock.Advance(time.Minute)
		last = h.in(h.at("camille"), goodCode)
	}
	h.add(h.at("sacha"), access.User)
	sessions, err := h.Sessions(t.Context(), last.Principal)
	if err != nil || len(sessions) != 4 {
		t.Fatal(sessions, err)
	}
	for i, s := range sessions {
		if s.Current != (i == 0) || s.ExpiresAt.Sub(s.CreatedAt) != access.SessionLifetime || s.IdleUntil.Sub(s.CreatedAt) != access.SessionIdle {
			t.Errorf("session %d: %+v", i, s)
		}
	}
	if ended, err := h.SignOutOthers(t.Context(), last.Principal); err != nil || ended != 3 {
		t.Error(ended, err)
	}
	if _, err := h.Authenticate(t.Context(), last.Token); err != nil {
		t.Error(err)
	}
	if sessions, err = h.Sessions(t.Context(), last.Principal); err != nil || len(sessions) != 1 {
		t.Error(sessions, err)
	}
}

func testAPersonHasTwentySessionsAtMost(t *testing.T, h *house) {
	first := h.in(h.at("camille"), goodCode)
	for range 25 {
		h.clock.Advance(time.Second)
		h.in(h.at("camille"), goodCode)
	}
	sessions, err := h.Sessions(t.Context(), first.Principal)
	if err != nil || len(sessions) != 20 {
		t.Error(len(sessions), err)
	}
	_, err = h.Authenticate(t.Context(), first.Token)
	want(t, err, "access.bearer")
}

func testKeys(t *testing.T, h *house) {
	k, secret, err := h.CreateKey(t.Context(), h.admin, " Site  web ", access.Manager)
	if err != nil {
		t.Fatal(err)
	}
	h.last("key.created", string(k.ID), h.admin)
	if !strings.HasPrefix(secret, "sk_live_") || len(secret) < 8+43 || !strings.HasSuffix(secret, k.Hint) || len(k.Hint) != 4 || k.Name != "Site web" {
		t.Errorf("%+v", k)
	}
	p, err := h.Authenticate(t.Context(), secret)
	if err != nil || p != (access.Principal{Merchant: h.admin.Merchant, Name: "Site web", Role: access.Manager, Key: k.ID}) || p.Actor() != string(k.ID) {
		t.Errorf("%+v, %v", p, err)
	}
	h.clock.Advance(time.Hour)
	for range 2 { // twice is once
		if err := h.RevokeKey(t.Context(), h.admin, k.ID); err != nil {
			t.Fatal(err)
		}
	}
	h.last("key.revoked", string(k.ID), h.admin)
	_, err = h.Authenticate(t.Context(), secret)
	want(t, err, "access.bearer")
	keys, err := h.Keys(t.Context(), h.admin)
	if err != nil || len(keys) != 1 || keys[0].RevokedAt == nil || !keys[0].RevokedAt.Equal(start.Add(time.Hour)) {
		t.Error(keys, err)
	}
	other := h.settle(h.at("lou"))
	want(t, h.RevokeKey(t.Context(), other, k.ID), "access.key_not_found")
	want(t, h.RevokeKey(t.Context(), h.admin, id.New[id.Key](start)), "access.key_not_found")
	want(t, h.ChangeCode(t.Context(), p, goodCode, "918273"), "access.not_a_person")
}

func testKeyRefusals(t *testing.T, h *house) {
	_, _, err := h.CreateKey(t.Context(), h.admin, "", access.User)
	want(t, err, "access.key_name")
	_, _, err = h.CreateKey(t.Context(), h.admin, "x", "owner")
	want(t, err, "access.role")
	manager := h.add(h.at("manager"), access.Manager).Principal
	_, _, err = h.CreateKey(t.Context(), manager, "x", access.User)
	want(t, err, "access.forbidden")
	_, err = h.Keys(t.Context(), manager)
	want(t, err, "access.forbidden")
	var last access.Key
	for i := range access.MaxKeys {
		if last, _, err = h.CreateKey(t.Context(), h.admin, fmt.Sprint(i), access.User); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = h.CreateKey(t.Context(), h.admin, "one too many", access.User)
	want(t, err, "access.too_many_keys")
	if err := h.RevokeKey(t.Context(), h.admin, last.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err = h.CreateKey(t.Context(), h.admin, "room again", access.User); err != nil {
		t.Error(err)
	}
}

func testBearersThatAreNone(t *testing.T, h *house) {
	s := h.in(h.at("camille"), goodCode)
	for _, bearer := range []string{
		"", "st_", "sk_live_", s.Token[3:], s.Token + "0", "sk_live_" + s.Token[3:], strings.ToUpper(s.Token), strings.Repeat("st_", 1000),
	} {
		_, err := h.Authenticate(t.Context(), bearer)
		want(t, err, "access.bearer")
	}
}

// testNoSecretIsKept looks for the secrets in every column of every table of
// access, after finding something that must be there.
func testNoSecretIsKept(t *testing.T, h *house) {
	s := h.in(h.at("camille"), goodCode)
	_, secret, err := h.CreateKey(t.Context(), s.Principal, "Site web", access.User)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.ChangeCode(t.Context(), s.Principal, goodCode, "918273"); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	dump := func(query string, columns int) {
		err := h.db.Read(t.Context(), func(tx *db.Tx) error {
			rows := tx.Query(query)
			for rows.Next() {
				cells, dest := make([]*string, columns), make([]any, columns)
				for i := range cells {
					dest[i] = &cells[i]
				}
				if err := rows.Scan(dest...); err != nil {
					return err
				}
				for _, c := range cells {
					if c != nil {
						all.WriteString(*c + "\n")
					}
				}
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	dump(`SELECT email, code_hash FROM login`, 2)
	dump(`SELECT name, role, hint FROM api_key`, 3)
	dump(`SELECT actor, action, subject, before_state, after_state FROM audit_entry`, 5)
	hashes := func(query string) {
		err := h.db.Read(t.Context(), func(tx *db.Tx) error {
			rows := tx.Query(query)
			for rows.Next() {
				var hash []byte
				if err := rows.Scan(&hash); err != nil {
					return err
				}
				all.Write(hash)
				if len(hash) != 32 {
					t.Errorf("%s: %d bytes, want a SHA-256", query, len(hash))
				}
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	hashes(`SELECT token_hash FROM session`)
	hashes(`SELECT key_hash FROM api_key`)
	for _, planted := range []string{h.at("camille"), "$argon2id$", "session.opened", secret[len(secret)-4:]} {
		if !strings.Contains(all.String(), planted) {
			t.Errorf("%q is not found: the search is blind", planted)
		}
	}
	for name, s := range map[string]string{
		"token": s.Token, "token without its prefix": s.Token[3:], "key": secret, "key without its prefix": secret[8:], "code": "918273", "old code": goodCode,
	} {
		if strings.Contains(all.String(), s) {
			t.Errorf("the %s is kept in clear", name)
		}
	}
}

func TestPruneForgetsWhatHasEnded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		s := h.in(h.at("camille"), goodCode)
		_, err := h.SignIn(t.Context(), h.at("nobody"), goodCode)
		want(t, err, "access.refused")
		if n, err := h.Prune(t.Context()); err != nil || n != 0 {
			t.Error(n, err)
		}
		h.clock.Advance(access.SessionIdle)
		if n, err := h.Prune(t.Context()); err != nil || n != 2 {
			t.Error("both sessions:", n, err)
		}
		h.clock.Advance(access.SessionIdle + time.Millisecond)
		if n, err := h.Prune(t.Context()); err != nil || n != 1 {
			t.Error("the tries of nobody:", n, err)
		}
		_, err = h.Authenticate(t.Context(), s.Token)
		want(t, err, "access.bearer")
	})
}
