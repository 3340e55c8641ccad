package db_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"testing"

	"encaisse/base/db"
	"encaisse/base/problem"
)

// What may happen to a write in the storm.
const (
	goesWell = iota
	goesWellWithHook
	failsItself
	breaksARule
	losesTheGroup // SQLite only; on PostgreSQL the same statement breaks a rule
	failsInItsHook
	panics
	panicsInItsHook
	leavesForGood // runtime.Goexit
	givesUp
	outcomes
)

// storm is many writes at the same time, each of which ends in one of the ways
// above. What Write said of each must be what the table holds.
type storm struct {
	d     *db.DB
	mu    sync.Mutex
	kept  []string // said to be written
	hits  [outcomes]int
	wrong []string
}

func TestStorm(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		perWriter := 40
		if os.Getenv("ENCAISSE_SOAK") != "" {
			perWriter = 20_000
		}
		if d.Engine() == db.SQLite {
			write(t, d, func(tx *db.Tx) error {
				_, err := tx.Exec(`CREATE TRIGGER thing_loses BEFORE INSERT ON thing WHEN NEW.thing_id LIKE '%poison'
					BEGIN SELECT RAISE(ROLLBACK, 'sealed:thing'); END`)
				return err
			})
		}
		write(t, d, func(tx *db.Tx) error { return insert(tx, "there") })
		s := &storm{d: d, kept: []string{"there"}}
		var wg sync.WaitGroup
		for w := range uint64(16) {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, w))
				for i := range perWriter {
					done := make(chan struct{})
					go func() { // Goexit ends a goroutine
						defer close(done)
						s.one(fmt.Sprintf("w%02d-%05d", w, i), outcome(r))
					}()
					<-done
				}
			})
		}
		wg.Wait()
		sort.Strings(s.kept)
		for _, wrong := range s.wrong {
			t.Error(wrong)
		}
		if have := strings.TrimSpace(ids(t, d)); have != strings.Join(s.kept, " ") {
			t.Errorf("the table differs from what was said to be written (seed %d):\n%s\n%s", seed, have, s.kept)
		}
		t.Logf("outcomes %v, mean group %.1f", s.hits, d.Stats().MeanGroup())
		for outcome, n := range s.hits {
			if n == 0 {
				t.Errorf("outcome %d never happened", outcome)
			}
		}
	})
}

// outcome draws one: mostly those that leave a group whole, or there would be none.
func outcome(r *rand.Rand) int {
	if r.IntN(10) < 8 {
		return []int{goesWell, goesWell, goesWellWithHook, failsItself, breaksARule, givesUp}[r.IntN(6)]
	}
	return r.IntN(outcomes)
}

// one makes one write with the given outcome and notes what was said of it.
func (s *storm) one(id string, outcome int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if outcome == givesUp {
		go cancel()
	}
	answered := false
	defer func() {
		recovered := recover()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hits[outcome]++
		if (recovered != nil) != (outcome == panics || outcome == panicsInItsHook) {
			s.wrong = append(s.wrong, fmt.Sprintf("%s, outcome %d: recovered %v", id, outcome, recovered))
		}
		if recovered == nil && answered == (outcome == leavesForGood) {
			s.wrong = append(s.wrong, fmt.Sprintf("%s, outcome %d: answered %v", id, outcome, answered))
		}
	}()
	err := s.d.Write(ctx, func(tx *db.Tx) error { return act(tx, id, outcome) })
	answered = true
	s.judge(id, outcome, err)
}

// act is the fn of a write.
func act(tx *db.Tx, id string, outcome int) error {
	if err := insert(tx, id); err != nil {
		return err
	}
	switch outcome {
	case goesWellWithHook:
		tx.AtCommit(func(tx *db.Tx) error { return insert(tx, id+"-hook") })
	case failsItself:
		return errOwn
	case breaksARule:
		return insert(tx, "there")
	case losesTheGroup:
		tx.Queue(queued, "m", "poison")
		return insert(tx, "there")
	case failsInItsHook:
		tx.AtCommit(func(tx *db.Tx) error { return errors.Join(insert(tx, id+"-hook"), errOwn) })
	case panics:
		panic(id)
	case panicsInItsHook:
		tx.AtCommit(func(*db.Tx) error { panic(id) })
	case leavesForGood:
		runtime.Goexit()
	}
	return nil
}

// judge holds the answer against the outcome.
func (s *storm) judge(id string, outcome int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	right := false
	switch outcome {
	case goesWell, goesWellWithHook:
		right = err == nil
	case failsItself, failsInItsHook:
		right = errors.Is(err, errOwn)
	case breaksARule:
		right = db.IsViolation(err, db.Unique)
	case losesTheGroup:
		right = db.IsViolation(err, db.Sealed) || db.IsViolation(err, db.Unique)
	case givesUp:
		right = err == nil || problem.Is(err, "db.unavailable")
	}
	if !right {
		s.wrong = append(s.wrong, fmt.Sprintf("%s, outcome %d: %v", id, outcome, err))
	}
	if err == nil {
		s.kept = append(s.kept, id)
		if outcome == goesWellWithHook {
			s.kept = append(s.kept, id+"-hook")
		}
	}
}
