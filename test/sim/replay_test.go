package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"encaisse/base/db"
)

// lingerMost is how long after a record was seen the kill may still wait: about
// as long as a commit takes, so that it falls anywhere in the next one.
const lingerMost = 4 * time.Millisecond

// TestReplayKilled kills a replay again and again, at every step of a day, and
// runs it again: what is there in the end is what the file says, and was sealed
// once.
func TestReplayKilled(t *testing.T) {
	for _, c := range []struct {
		engine db.Engine
		kills  int
	}{{db.SQLite, 20}, {db.PostgreSQL, 6}} {
		t.Run(c.engine.String(), func(t *testing.T) {
			random := Seed(t)
			shop := Found(t, c.engine)
			bakery := NewBakery(t, random, 4*c.kills, 25)
			k := &killer{t: t, shop: shop, random: random, bakery: bakery, watch: Watch(t, shop.DSN), hits: make(map[string]int)}
			for n := range 3 * c.kills {
				if n >= c.kills && k.everyStep() {
					break
				}
				k.kill()
				shop.MustVerify(t)
			}
			k.report(c.kills)
			r := shop.Replay(t, bakery.Articles, bakery.Lines)
			r.Expect(t, bakery.Days)
			if again := shop.Replay(t, bakery.Articles, bakery.Lines); again.New != 0 {
				t.Errorf("%d tickets were new to a replay that was done", again.New)
			}
			if diff := cmp.Diff(bakery.Days, SoldDays(t, k.watch, shop.History)); diff != "" {
				t.Errorf("sales by day (-want +have):\n%s", diff)
			}
			shop.MustVerify(t)
		})
	}
}

// steps of a day in a replay, named after the last record sealed.
var steps = [...]string{"session opened", "ticket", "z", "day"}

// killer kills replays of one bakery.
type killer struct {
	t      *testing.T
	shop   *Shop
	random *rand.Rand
	bakery Bakery
	watch  *db.DB
	hits   map[string]int // by step
	kills  int
}

// kill starts the replay, lets it reach the next record of a step that was hit
// least, and kills it a moment later.
func (k *killer) kill() {
	k.t.Helper()
	want := k.least()
	now, _ := k.stand()
	replay := Start(k.t, k.shop.ReplayArgs(k.bakery.Articles, k.bakery.Lines)...)
	linger := time.Duration(k.random.Int64N(int64(lingerMost)))
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-replay.Ended():
			k.t.Fatalf("the replay ended with code %d before it could be killed\n%s", replay.Code(), tail(replay.Stderr()))
		case <-tick.C:
		}
		if seq, step := k.stand(); seq > now && step == want {
			break
		}
	}
	<-time.After(linger)
	replay.Kill()
	_, step := k.stand()
	k.hits[step]++
	k.kills++
}

// least is the step that was hit least so far.
func (k *killer) least() string {
	least := steps[k.random.IntN(len(steps))]
	for _, step := range steps {
		if k.hits[step] < k.hits[least] {
			least = step
		}
	}
	return least
}

// stand tells how many records the history has and what the last one is.
func (k *killer) stand() (seq int64, step string) {
	Read(k.t, k.watch, func(tx *db.Tx) error {
		seq, step = 0, ""
		rows := tx.Query(`SELECT seq, kind FROM fiscal_record WHERE chain_id = (SELECT chain_id FROM fiscal_chain WHERE owner_id = $1)
			ORDER BY seq DESC LIMIT 1`, k.shop.History)
		for rows.Next() {
			if err := rows.Scan(&seq, &step); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if step == "event" {
		step = steps[0]
	}
	return seq, step
}

func (k *killer) everyStep() bool {
	for _, step := range steps {
		if k.hits[step] == 0 {
			return false
		}
	}
	return true
}

// report prints how often each step was hit; a step never hit is a failure.
func (k *killer) report(least int) {
	k.t.Helper()
	k.t.Logf("%d kills, after the last record was: %v", k.kills, k.hits)
	if k.kills < least || !k.everyStep() {
		k.t.Errorf("want %d kills and each of %v hit", least, steps)
	}
}

// TestBakeryHasEverything holds the invented file against what it claims to hold.
func TestBakeryHasEverything(t *testing.T) {
	bakery := NewBakery(t, Seed(t), 2, 10)
	for _, day := range bakery.Days {
		if day.Returns != 1 || len(day.Rates) != 3 {
			t.Errorf("%+v: want one return and three rates", day)
		}
	}
}
