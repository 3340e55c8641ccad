package sim

import (
	"encoding/csv"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"encaisse/base/db"
)

// realBakery is where the real till's export lies, beside the project.
const realBakery = "../../../shared/data/pos/french_bakery"

// realFile is a file of the real bakery with what was computed from it elsewhere.
type realFile struct {
	lines, daily string
	total        Day // of the whole, as published with the file
}

var (
	twoMonths = realFile{"lines_2021-01_02.csv.gz", "daily_totals_2021-01_02.csv", Day{
		Tickets: 8_388, Lines: 14_379, Total: 32_085_82,
		Rates: map[int64]Rate{550: {28_899_05, 1_506_89}, 1000: {3_108_07, 282_52}, 2000: {78_70, 13_12}},
	}}
	twoYears = realFile{"lines_full.csv.gz", "daily_totals.csv", Day{
		Tickets: 136_451, Lines: 234_005, Total: 558_640_85, Returns: 767, Returned: -3_963_45,
		Rates: map[int64]Rate{550: {481_426_05, 25_152_74}, 1000: {74_885_67, 6_807_47}, 2000: {2_329_13, 388_20}},
	}}
)

// TestRealBakery replays what a real bakery sold in two years, killed now and
// then, and holds every day against what was computed from the file elsewhere.
func TestRealBakery(t *testing.T) {
	if _, err := os.Stat(realBakery); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the real bakery is not beside the project: ../shared/data")
	}
	t.Run("sqlite", func(t *testing.T) { replayReal(t, db.SQLite, twoYears, 4) })
	t.Run("postgres", func(t *testing.T) { replayReal(t, db.PostgreSQL, twoMonths, 2) })
	t.Run("postgres two years", func(t *testing.T) {
		if !Soak() {
			t.Skip("two years on PostgreSQL are for the soak: ENCAISSE_SOAK=1")
		}
		replayReal(t, db.PostgreSQL, twoYears, 4)
	})
}

func replayReal(t *testing.T, engine db.Engine, file realFile, kills int) {
	random := Seed(t)
	articles, lines := filepath.Join(realBakery, "articles.csv"), filepath.Join(realBakery, file.lines)
	want := dailyTotals(t, filepath.Join(realBakery, file.daily))
	sum := Sum(want)
	if file.total.Returns == 0 {
		file.total.Returns, file.total.Returned = sum.Returns, sum.Returned
	}
	if diff := cmp.Diff(file.total, sum); diff != "" {
		t.Fatalf("the daily totals do not add up to the published ones (-published +sum):\n%s", diff)
	}
	shop := Found(t, engine)
	watch := Watch(t, shop.DSN)
	for n := range kills {
		killReplay(t, shop, watch, random, sum.Tickets*int64(n)/int64(kills), sum.Tickets*int64(n+1)/int64(kills), articles, lines)
	}
	began := time.Now()
	r := shop.Replay(t, articles, lines)
	t.Logf("the last of %d runs sealed %d tickets at %.0f/s", kills+1, r.New, r.Rate)
	r.Expect(t, want)
	if diff := cmp.Diff(want, Closed(t, watch, shop.History)); diff != "" {
		t.Errorf("day closings (-file +have):\n%s", diff)
	}
	if diff := cmp.Diff(want, SoldDays(t, watch, shop.History)); diff != "" {
		t.Errorf("sales by day (-file +have):\n%s", diff)
	}
	again := shop.Replay(t, articles, lines)
	if again.New != 0 || again.Total != r.Total || again.Tickets != r.Tickets {
		t.Errorf("replayed once more: %+v, was %+v", again, r)
	}
	v := shop.MustVerify(t)
	if len(v.Warnings) > 0 || v.Checkpoints == 0 || v.Records < sum.Tickets {
		t.Errorf("verified %+v", v)
	}
	t.Logf("verified %d records in %.1f s with %d MiB; %.0f s since the last kill", v.Records, v.Seconds, v.PeakMiB, time.Since(began).Seconds())
}

// killReplay runs the replay until a random number of tickets between two is
// sealed, and kills it.
func killReplay(t *testing.T, shop *Shop, watch *db.DB, random *rand.Rand, least, most int64, articles, lines string) {
	t.Helper()
	at := least + 1 + random.Int64N((most-least)*9/10)
	replay := Start(t, shop.ReplayArgs(articles, lines)...)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-replay.Ended():
			t.Fatalf("the replay ended with code %d before ticket %d\n%s", replay.Code(), at, tail(replay.Stderr()))
		case <-tick.C:
		}
		if Number(t, watch, `SELECT tickets FROM fiscal_chain WHERE owner_id = $1`, shop.History) >= at {
			replay.Kill()
			t.Logf("killed from ticket %d on", at)
			return
		}
	}
}

// dailyTotals reads what each day must come to.
func dailyTotals(t *testing.T, path string) (days []Day) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := make(map[string]int)
	for i, name := range rows[0] {
		at[name] = i
	}
	for _, row := range rows[1:] {
		number := func(name string) int64 {
			n, err := strconv.ParseInt(strings.Replace(row[at[name]], ".", "", 1), 10, 64)
			if err != nil || at[name] == 0 {
				t.Fatalf("%s of %s: %v", name, row[0], err)
			}
			return n
		}
		day := Day{
			Date: row[0], Tickets: number("tickets"), Lines: number("lines"), Returns: number("refund_tickets"),
			Returned: number("refund_tickets_ttc"), Total: number("total_ttc"), Rates: make(map[int64]Rate),
		}
		for rate, name := range map[int64]string{550: "55", 1000: "100", 2000: "200"} {
			if r := (Rate{number("ttc_" + name), number("vat_perticket_" + name)}); r != (Rate{}) {
				day.Rates[rate] = r
			}
		}
		days = append(days, day)
	}
	return days
}
