package api_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"encaisse/base/card"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
)

// panPlant is a secret of its own in one encoding: found, it can only be found there.
type panPlant struct {
	panSecret
	bytes []byte
}

// panPlants makes a number, a track and a PIN block for every encoding.
func panPlants() (out []panPlant) {
	text := func(s string) []byte { return []byte(s) }
	track := func(s string) []byte { return []byte(strings.ReplaceAll(s, "d", "=")) }
	packed := func(before string) func(string) []byte {
		return func(s string) []byte {
			nibbles := before + s
			return decodeHex([]byte(nibbles + strings.Repeat("f", len(nibbles)%2)))
		}
	}
	encodings := map[string]func(string) []byte{
		"text": text, "capitals": func(s string) []byte { return text(strings.ToUpper(s)) }, "track with =": track,
		"groups of four":      func(s string) []byte { return text(s[:4] + " " + s[4:8] + "-" + s[8:]) },
		"packed from a byte":  packed(""),
		"packed amid a byte":  packed("3"),
		"hex of text":         func(s string) []byte { return text(hex.EncodeToString(track(s))) },
		"capital hex of text": func(s string) []byte { return text(strings.ToUpper(hex.EncodeToString(track(s)))) },
		"list of bytes":       func(s string) []byte { return fmt.Append(nil, struct{ B []byte }{text(s)}) },
		"list of packed":      func(s string) []byte { return fmt.Append(nil, packed("")(s)) },
		"base64 in base64": func(s string) []byte {
			return text(base64.StdEncoding.EncodeToString(text(base64.URLEncoding.EncodeToString(track(s)))))
		},
	}
	for i := range 3 { // characters of base64 depend on where among three bytes it begins
		before := strings.Repeat("\xfb", i) // which only one alphabet writes with + and /
		for name, under := range map[string]func(string) []byte{"text": text, "packed from a byte": packed(""), "packed amid a byte": packed("7")} {
			for alphabet, coding := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64url": base64.RawURLEncoding} {
				encodings[fmt.Sprint(alphabet, " of ", name, " at ", i)] = func(s string) []byte {
					return text(coding.EncodeToString([]byte(before + string(under(s)) + before)))
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(encodings)) {
		n := fmt.Sprintf("%08d", 31_415_926+len(out)*7)
		for kind, digits := range map[string]string{"number": "4111" + n + "1111", "track 2": "5555" + n + "4444d9912201" + serviceZeros, "PIN block": "0412ae" + n + "eb"} {
			out = append(out, panPlant{panSecret{kind + " as " + name, digits}, encodings[name](digits)})
		}
	}
	return out
}

// TestPAN_SearcherFindsAPlantedOne in each place and each encoding: a searcher that
// finds nothing would pass TestPAN_IsFoundNowhereAfterACardDay.
func TestPAN_SearcherFindsAPlantedOne(t *testing.T) {
	plants := panPlants()
	all := newPANSearcher()
	for _, p := range plants {
		all.secrets = append(all.secrets, p.panSecret)
	}
	none := newPANSearcher(panSecrets(card.Deck()[0])...)
	check := func(t *testing.T, place string, content []byte) {
		found := all.find(content)
		for _, p := range plants {
			if !slices.Contains(found, p.name) {
				t.Errorf("%s: %s is not found", place, p.name)
			}
		}
		if others := none.find(content); len(others) > 0 {
			t.Errorf("%s: %v are found, which are not there", place, others)
		}
	}
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			d, dsn := dbtest.Open(t, engine)
			plantRows(t, d, plants)
			check(t, "database", panDatabase(t, d, dsn))
		})
	}
	log := &panLog{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, p := range plants {
		logger.Debug("planted", "value", string(p.bytes))
	}
	check(t, "log", log.bytes())
	bodies, headers, stream := planted(t, plants)
	check(t, "answers", bodies)
	check(t, "headers", headers)
	check(t, "stream", stream)
}

func plantRows(t *testing.T, d *db.DB, plants []panPlant) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec("CREATE TABLE planted (value BYTEA NOT NULL)"); err != nil {
			return err
		}
		for _, p := range plants {
			tx.Queue("INSERT INTO planted (value) VALUES ($1)", p.bytes)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// planted is what is kept of a server that tells plants: as bodies, in headers, and
// as events, where bytes can stand in quotes alone.
func planted(t *testing.T, plants []panPlant) (bodies, headers, stream []byte) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/bodies/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		_, _ = w.Write(plants[n].bytes)
	})
	mux.HandleFunc("/headers/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		w.Header().Set("X-Planted", strconv.QuoteToASCII(string(plants[n].bytes)))
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, p := range plants {
			fmt.Fprintf(w, "data: %q\n\n", p.bytes)
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	tell := func(place string) []byte {
		told := &panRecorder{}
		caller := &http.Client{Transport: told}
		for n := range plants {
			got, err := caller.Get(fmt.Sprint(server.URL, place, n))
			if err != nil {
				t.Fatal(err)
			}
			got.Body.Close()
		}
		return told.bytes()
	}
	follower := client{&world{t: t, server: server}, "", ""}.follow(t, "", "/events", nil)
	for line := range follower.lines {
		stream = append(stream, line+"\n"...)
	}
	return tell("/bodies/"), tell("/headers/"), stream
}
