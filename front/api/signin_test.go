package api_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/web"
)

// TestUPM016_ACodeHasSixDigits: five, seven, letters and other digits are refused
// before anything is looked up.
func TestUPM016_ACodeHasSixDigits(t *testing.T) {
	t.Log("coverage: UPM-016 partial: the numeric keypad comes with the screens")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newWorld(t, d).bakery()
		before := s.rows()
		for _, code := range []any{"40718", "4071820", "40718a", "abcdef", "", "４０７１８２", " 40718"} {
			client{s.world, "", ""}.call(http.MethodPost, "/v1/sessions", object{"email": "boss@" + s.domain, "code": code}).
				refused(invalid, "access.code_shape", "#/code")
		}
		client{s.world, "", ""}.call(http.MethodPost, "/v1/sessions", object{"email": "boss@" + s.domain, "code": 407182}).
			refused(invalid, "request.string", "#/code")
		client{s.world, "", ""}.call(http.MethodPost, "/v1/sessions", object{"email": "boss@" + s.domain}).
			refused(invalid, "request.required", "#/code")
		client{s.world, "", ""}.call(http.MethodPost, "/v1/sessions", `{"email":"a\u0000@b.example","code":"407182"}`).
			refused(invalid, "request.text", "#/email")
		s.unchanged(before, "a code of another shape")
		in := client{s.world, "", ""}.call(http.MethodPost, "/v1/sessions", object{"email": " BOSS@" + strings.ToUpper(s.domain), "code": bossCode}).
			want(http.StatusCreated)
		if in.text("person.role") != "administrator" || in.text("expires_at") != "2026-11-30T06:00:00.000Z" || in.int("person.operator") != 1 {
			t.Errorf("signed in: %s", in.body)
		}
	})
}

// from is a client whose requests come from another address of this machine, and say
// so besides.
func (w *world) from(address string) client {
	w.t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	w.t.Cleanup(transport.CloseIdleConnections)
	other := *w
	other.transport = transport
	return client{&other, "", ""}
}

// try signs in with forged addresses in the headers.
func (c client) try(email, code string, n int) answered {
	c.t.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	forged := fmt.Sprintf("203.0.113.%d", n)
	for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP"} {
		header.Set(name, forged)
	}
	return c.send(http.MethodPost, "/v1/sessions", fmt.Appendf(nil, `{"email":%q,"code":%q}`, email, code), header)
}

// TestDRV11_TenWrongCodesLockAnAddress for a quarter of an hour, from wherever they come.
func TestDRV11_TenWrongCodesLockAnAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newWorld(t, d).bakery()
		email := "user@" + s.domain
		for n := range access.MaxTries {
			a := s.from(fmt.Sprintf("127.0.0.%d", n+2)).try(email, "111222", n).refused(http.StatusUnauthorized, "access.refused", "")
			if a.header.Get("WWW-Authenticate") == "" {
				t.Error("a 401 without WWW-Authenticate")
			}
		}
		locked := func(n int) answered {
			return s.from(fmt.Sprintf("127.0.1.%d", n+2)).try(email, userCode, 100+n).refused(http.StatusTooManyRequests, "access.locked", "")
		}
		for n := range 3 { // the right code from new addresses
			locked(n)
		}
		// An address nobody has is locked in the same way: the answer tells nothing.
		for n := range access.MaxTries {
			s.from(fmt.Sprintf("127.0.2.%d", n+2)).try("nobody@"+s.domain, "111222", n).refused(http.StatusUnauthorized, "access.refused", "")
		}
		unknown := s.from("127.0.3.2").try("nobody@"+s.domain, "111222", 1).refused(http.StatusTooManyRequests, "access.locked", "")
		if known := locked(3); known.text("detail") != unknown.text("detail") {
			t.Errorf("known: %s, unknown: %s", known.body, unknown.body)
		}
		s.user.get("/v1/me").want(http.StatusOK) // who is in stays in
		s.signIn("boss", bossCode)               // and others come in
		s.clock.Advance(access.LockFor - time.Second)
		locked(4)
		s.clock.Advance(time.Second)
		s.signIn("user", userCode)
	})
}

// TestSignInIsLimitedPerNetwork: who tries many addresses is slowed down, others are not.
func TestSignInIsLimitedPerNetwork(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	s := newWorld(t, d).bakery()
	busy := s.from("127.0.0.9")
	for n := range 30 {
		busy.try(fmt.Sprintf("a%d@nowhere.example", n), "111222", n).refused(http.StatusUnauthorized, "access.refused", "")
	}
	a := busy.try("boss@"+s.domain, bossCode, 31).refused(http.StatusTooManyRequests, "request.too_many", "")
	if a.header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
	}
	s.from("127.0.0.10").try("boss@"+s.domain, bossCode, 1).want(http.StatusCreated)
	s.clock.Advance(2 * time.Second)
	busy.try("boss@"+s.domain, bossCode, 32).want(http.StatusCreated)
}

// TestSignInIsLimitedPerNetworkBehindAProxy: who is behind the proxy has a limit of
// one's own, and who is not behind it gains nothing by saying so.
func TestSignInIsLimitedPerNetworkBehindAProxy(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	w.proxies = web.Proxies{netip.MustParsePrefix("127.0.0.9/32")}
	w.server = httptest.NewServer(w.open(nil))
	t.Cleanup(w.server.Close)
	s := w.bakery()
	proxy := s.from("127.0.0.9")
	for n := range 30 {
		proxy.try(fmt.Sprintf("a%d@nowhere.example", n), "111222", 7).refused(http.StatusUnauthorized, "access.refused", "")
	}
	proxy.try("boss@"+s.domain, bossCode, 7).refused(http.StatusTooManyRequests, "request.too_many", "")
	proxy.try("boss@"+s.domain, bossCode, 8).want(http.StatusCreated)
	stranger := s.from("127.0.0.10")
	for n := range 30 {
		stranger.try(fmt.Sprintf("b%d@nowhere.example", n), "111222", n).refused(http.StatusUnauthorized, "access.refused", "")
	}
	stranger.try("boss@"+s.domain, bossCode, 31).refused(http.StatusTooManyRequests, "request.too_many", "")
}

func TestSessions(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	s := newWorld(t, d).bakery()
	second, third := s.signIn("user", userCode), s.signIn("user", userCode)
	if list := s.user.get("/v1/sessions").want(http.StatusOK); len(list.list("sessions")) != 3 {
		t.Errorf("sessions: %s", list.body)
	}
	third.call(http.MethodDelete, "/v1/sessions/current", nil).want(http.StatusNoContent)
	third.get("/v1/me").refused(http.StatusUnauthorized, "access.bearer", "")
	if ended := s.user.call(http.MethodDelete, "/v1/sessions/others", nil).want(http.StatusOK); ended.int("ended") != 1 {
		t.Errorf("ended: %s", ended.body)
	}
	second.get("/v1/me").refused(http.StatusUnauthorized, "access.bearer", "")
	me := s.user.get("/v1/me").want(http.StatusOK)
	if me.text("role") != "user" || me.text("person_id") != string(s.userID) || me.at("key_id") != nil || me.text("merchant_id") != string(s.founded.Merchant.ID) {
		t.Errorf("me: %s", me.body)
	}
	s.clock.Advance(access.SessionIdle + time.Minute)
	s.user.get("/v1/me").refused(http.StatusUnauthorized, "access.bearer", "")
}

// TestBearers: what is no bearer is nobody.
func TestBearers(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	s := newWorld(t, d).bakery()
	for _, header := range []string{"", "Bearer", "Bearer ", "Basic " + s.key.bearer, s.key.bearer, "Bearer x", "Bearer " + s.key.bearer + "x", "Bearer " + strings.Repeat("s", 10_000)} {
		client{s.world, "", ""}.send(http.MethodGet, "/v1/me", nil, http.Header{"Authorization": {header}}).refused(http.StatusUnauthorized, "access.bearer", "")
	}
	client{s.world, "", ""}.send(http.MethodGet, "/v1/me", nil, http.Header{"Authorization": {"bearer " + s.key.bearer}}).want(http.StatusOK)
}
