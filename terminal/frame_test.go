package terminal_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/i18n"
	"encaisse/base/web"
	"encaisse/merchant"
	"encaisse/terminal"
	"encaisse/terminal/terminaltest"
)

// TestTheDoorInItsFrame: behind the frame of the real server a link is a link,
// and a refusal is a problem with its sentence.
func TestTheDoorInItsFrame(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	r := terminaltest.NewRoom(t, d, clock.Real{}, protocol)
	catalogue, err := i18n.New()
	if err != nil {
		t.Fatal(err)
	}
	frame := web.New(web.Options{Catalogue: catalogue})
	hub := terminal.New(d, clock.Real{}, terminal.Options{
		Protocols: []terminal.Protocol{protocol}, Merchants: merchant.New(d, clock.Real{}), Refuse: frame.WriteProblem, MaxLinks: 1,
	})
	server := httptest.NewUnstartedServer(nil)
	server.Config = frame.Server(frame.Wrap(hub.Serve(r.Desk)))
	server.Start()
	defer server.Close()
	made := r.Terminal("Comptoir")
	given, _ := r.Pair(r.Code(made), "ODD1", "1")
	dial := func(credential string) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+given.Connect, &websocket.DialOptions{
			Subprotocols: given.Protocols, HTTPHeader: http.Header{"Authorization": {"Bearer " + credential}},
		})
	}
	refused := func(credential string, status int, code string) {
		t.Helper()
		_, answer, err := dial(credential)
		if err == nil || answer.StatusCode != status {
			t.Fatalf("%v, %v", answer, err)
		}
		var doc web.Document
		if err := json.NewDecoder(answer.Body).Decode(&doc); err != nil || doc.Code != code || !strings.HasSuffix(doc.Detail, ".") {
			t.Errorf("%+v, %v", doc, err)
		}
	}
	refused("dt_nobody", http.StatusUnauthorized, "terminal.credential")
	conn, _, err := dial(given.Credential)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	reader(t, conn, given.Reader)
	r.Await(made, terminal.Offline) // the other hub has it: one database, and on SQLite one program
	terminaltest.Until(t, "online", func() bool {
		one, err := hub.Get(t.Context(), r.Admin, made.ID)
		return err == nil && one.Presence.State == terminal.Online
	})
	refused(given.Credential, http.StatusServiceUnavailable, "terminal.too_many_links")
}
