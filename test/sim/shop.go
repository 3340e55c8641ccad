package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/money"
)

// SIRET of every shop made here: the example that documentation everywhere has.
const SIRET = "73282932000074"

// Origins of the chains of a shop.
const (
	HistoryOrigin = "encaisse/" + SIRET + "/register-1"
	TillOrigin    = "encaisse/" + SIRET + "/register-2"
)

// Shop is an installation with its first merchant.
type Shop struct {
	Engine      db.Engine
	Dir         string // of its files
	DSN         string
	KeyFile     string
	Checkpoints string

	Merchant  string `json:"merchant_id"`
	Site      string `json:"site_id"`
	Till      string `json:"till_register_id"`
	History   string `json:"history_register_id"`
	APIKey    string `json:"api_key"`
	PublicKey string `json:"public_key_file"`
}

// Engines are those every simulation runs on.
func Engines() []db.Engine { return []db.Engine{db.SQLite, db.PostgreSQL} }

// Each runs a test on each engine, as a subtest named after it.
func Each(t *testing.T, test func(t *testing.T, engine db.Engine)) {
	t.Helper()
	for _, engine := range Engines() {
		t.Run(engine.String(), func(t *testing.T) { test(t, engine) })
	}
}

// Found makes a shop with `encaisse init`.
func Found(t testing.TB, engine db.Engine) *Shop { return FoundAs(t, engine, SIRET) }

// FoundAs is Found for a company of another SIRET.
func FoundAs(t testing.TB, engine db.Engine, siret string) *Shop {
	t.Helper()
	dir := t.TempDir()
	s := &Shop{
		Engine: engine, Dir: dir, DSN: dbtest.DSN(t, engine),
		KeyFile: filepath.Join(dir, "master.key"), Checkpoints: filepath.Join(dir, "checkpoints"),
	}
	MustRun(t, s.with("init", "--json", "--company", "Le Fournil imaginaire", "--siret", siret, "--email", "a@fournil.example")...).Last(t, s)
	return s
}

// File is the database file of a shop on SQLite.
func (s *Shop) File() string { return strings.TrimPrefix(s.DSN, "sqlite:") }

// with are the arguments of a command on this shop's database.
func (s *Shop) with(command string, more ...string) []string {
	return append([]string{command, "--db", s.DSN, "--key-file", s.KeyFile, "--checkpoints", s.Checkpoints}, more...)
}

// Replayed is what replay prints.
type Replayed struct {
	Tickets int64       `json:"tickets"`
	Lines   int64       `json:"lines"`
	Total   int64       `json:"total_minor"`
	VAT     []money.VAT `json:"vat"`
	Days    int64       `json:"days"`
	New     int64       `json:"new_tickets"`
	Seconds float64     `json:"seconds"`
	Rate    float64     `json:"tickets_per_second"`
}

// ReplayArgs are the arguments of a replay of a file on this shop.
func (s *Shop) ReplayArgs(articles, file string) []string {
	return s.with("replay", "--json", "--articles", articles, file)
}

// Replay replays a file.
func (s *Shop) Replay(t testing.TB, articles, file string) Replayed {
	t.Helper()
	var r Replayed
	MustRun(t, s.ReplayArgs(articles, file)...).Last(t, &r)
	return r
}

// Verified is what verify prints, and how it ended.
type Verified struct {
	Code        int      `json:"-"`
	Merchants   int      `json:"merchants"`
	Chains      int      `json:"chains"`
	Records     int64    `json:"records"`
	Checkpoints int      `json:"checkpoints"`
	Seconds     float64  `json:"seconds"`
	PeakMiB     int64    `json:"peak_mib"`
	OK          bool     `json:"ok"`
	FirstError  string   `json:"first_error"`
	Warnings    []string `json:"warnings"`
}

// Verify verifies the shop with everything that is kept outside its database:
// the public key, and the checkpoints where there are any.
func (s *Shop) Verify(t testing.TB) Verified {
	t.Helper()
	checkpoints := s.Checkpoints
	if _, err := os.Stat(checkpoints); err != nil {
		checkpoints = ""
	}
	return VerifyWith(t, s.DSN, s.PublicKey, checkpoints)
}

// VerifyWith verifies a database with a file of public keys and one of
// checkpoints, either of which may be empty.
func VerifyWith(t testing.TB, dsn, key, checkpoints string) Verified {
	t.Helper()
	args := []string{"verify", "--json", "--db", dsn}
	if key != "" {
		args = append(args, "--key", key)
	}
	if checkpoints != "" {
		args = append(args, "--checkpoints", checkpoints)
	}
	out := Run(t, args...)
	v := Verified{Code: out.Code}
	if out.Stdout == "" {
		t.Fatalf("encaisse verify: exit code %d\n%s", out.Code, tail(out.Stderr))
	}
	out.Last(t, &v)
	if v.OK != (v.Code == 0) || v.OK != (v.FirstError == "") || !v.OK && v.Code != 1 {
		t.Errorf("verify ended with code %d, ok %v, first error %q", v.Code, v.OK, v.FirstError)
	}
	return v
}

// MustVerify wants a verification that finds nothing.
func (s *Shop) MustVerify(t testing.TB) Verified {
	t.Helper()
	v := s.Verify(t)
	if !v.OK {
		t.Fatalf("verify: %s", v.FirstError)
	}
	return v
}

// KeepDay moves the hour at which the shop's business day ends half a day away,
// so that no test closes its till only because of the time it runs at. The
// program must not be running.
func (s *Shop) KeepDay(t testing.TB) {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * 60 // minutes
	now := time.Now().In(paris)
	d, done := Behind(t, s.DSN)
	defer done()
	Write(t, d, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE site SET day_starts_at = $1`, (now.Hour()*60+now.Minute()+day/2)%day)
		return err
	})
}
