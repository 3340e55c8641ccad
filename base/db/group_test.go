package db_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"encaisse/base/db"
	"encaisse/base/problem"
)

// crowd holds the writer's turn with one fn while others queue up behind it, so
// that what they do together is certain.
type crowd struct {
	d    *db.DB
	wg   sync.WaitGroup
	hold chan struct{}
	errs []error
}

func gather(t *testing.T, d *db.DB) *crowd {
	c := &crowd{d: d, hold: make(chan struct{})}
	held := make(chan struct{})
	c.wg.Go(func() {
		err := d.Write(context.Background(), func(*db.Tx) error {
			select {
			case <-held:
			default:
				close(held)
			}
			<-c.hold
			return nil
		})
		if err != nil {
			t.Errorf("the one that holds the turn: %v", err)
		}
	})
	<-held
	return c
}

// join queues a write up and returns when it waits.
func (c *crowd) join(ctx context.Context, fn func(*db.Tx) error) (index int) {
	index = len(c.errs)
	c.errs = append(c.errs, nil)
	c.queue(func() { c.errs[index] = c.d.Write(ctx, fn) })
	return index
}

// queue runs a function that writes, and returns when its write waits.
func (c *crowd) queue(writes func()) {
	waiting := db.Waiting(c.d)
	c.wg.Go(writes)
	untilWaiting(c.d, waiting+1)
}

// untilWaiting returns when n writes wait: in microseconds.
func untilWaiting(d *db.DB, n int) {
	for db.Waiting(d) < n {
		runtime.Gosched()
	}
}

// release lets all of them go and waits for their answers.
func (c *crowd) release() {
	close(c.hold)
	c.wg.Wait()
}

func TestWaitingWritesShareACommit(t *testing.T) {
	d := onSQLite(t, db.Options{})
	before := d.Stats()
	c := gather(t, d)
	const n = 130
	for i := range n {
		c.join(t.Context(), func(tx *db.Tx) error { return insert(tx, key(i)) })
	}
	c.release()
	for i, err := range c.errs {
		if err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	after := d.Stats()
	commits, writes := after.Commits-before.Commits, after.Writes-before.Writes
	if commits != 3 || writes != n+1 { // 64 with the one that held the turn, 64, 3
		t.Errorf("%d commits for %d writes, want 3 for %d", commits, writes, n+1)
	}
	if after.MeanGroup() <= 1 {
		t.Errorf("a mean group of %v", after.MeanGroup())
	}
}

func TestMaxGroupBoundsTheGroup(t *testing.T) {
	d := onSQLite(t, db.Options{MaxGroup: 2})
	before := d.Stats()
	c := gather(t, d)
	for i := range 5 {
		c.join(t.Context(), func(tx *db.Tx) error { return insert(tx, key(i)) })
	}
	c.release()
	if commits := d.Stats().Commits - before.Commits; commits != 3 {
		t.Errorf("%d commits, want 3", commits)
	}
}

// First come, first served.
func TestTurnsAreInOrder(t *testing.T) {
	d := onSQLite(t, db.Options{MaxGroup: 4})
	c := gather(t, d)
	var order []int
	for i := range 20 {
		c.join(t.Context(), func(*db.Tx) error { order = append(order, i); return nil })
	}
	c.release()
	for i, have := range order {
		if have != i {
			t.Fatalf("the order is %v", order)
		}
	}
}

func TestNeighboursOfAnErrorAreUnharmed(t *testing.T) {
	d := onSQLite(t, db.Options{})
	write(t, d, func(tx *db.Tx) error { return insert(tx, "there") })
	c := gather(t, d)
	ok := []int{}
	fine := func(id string) { ok = append(ok, c.join(t.Context(), func(tx *db.Tx) error { return insert(tx, id) })) }
	fine("a")
	own := c.join(t.Context(), func(tx *db.Tx) error { return errors.Join(insert(tx, "no1"), errOwn) })
	fine("b")
	broken := c.join(t.Context(), func(tx *db.Tx) error { insert(tx, "no2"); insert(tx, "there"); return nil })
	fine("c")
	open := c.join(t.Context(), func(tx *db.Tx) error { insert(tx, "no3"); tx.Query("SELECT 1").Next(); return nil })
	fine("d")
	syntax := c.join(t.Context(), func(tx *db.Tx) error { insert(tx, "no4"); _, err := tx.Exec("NONSENSE"); return err })
	fine("e")
	c.release()
	for _, i := range ok {
		if c.errs[i] != nil {
			t.Errorf("a neighbour: %v", c.errs[i])
		}
	}
	if !errors.Is(c.errs[own], errOwn) {
		t.Errorf("its own error: %v", c.errs[own])
	}
	wantViolation(t, c.errs[broken], db.Unique, "thing_pkey")
	wantCode(t, c.errs[open], "db.rows_open")
	if c.errs[syntax] == nil {
		t.Error("nonsense passed")
	}
	wantIDs(t, d, "a b c d e there ")
}

func TestNeighboursOfAPanicAreUnharmed(t *testing.T) {
	d := onSQLite(t, db.Options{})
	c := gather(t, d)
	a := c.join(t.Context(), func(tx *db.Tx) error { return insert(tx, "a") })
	var recovered atomic.Int64
	c.queue(func() {
		defer func() {
			if recover() == "so there" {
				recovered.Add(1)
			}
		}()
		d.Write(t.Context(), func(tx *db.Tx) error { insert(tx, "no"); panic("so there") })
	})
	b := c.join(t.Context(), func(tx *db.Tx) error { return insert(tx, "b") })
	c.release()
	if c.errs[a] != nil || c.errs[b] != nil || recovered.Load() != 1 {
		t.Errorf("%v, %v, recovered %d", c.errs[a], c.errs[b], recovered.Load())
	}
	wantIDs(t, d, "a b ")
}

// fn runs on the goroutine that called Write: what it leaves in the caller's
// variables needs no lock, which the race detector would say.
func TestFnRunsOnItsCallersGoroutine(t *testing.T) {
	d := onSQLite(t, db.Options{})
	c := gather(t, d)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			mine := 0
			if err := d.Write(t.Context(), func(tx *db.Tx) error { mine++; return insert(tx, key(i)) }); err != nil {
				t.Error(err)
			}
			if mine != 1 {
				t.Errorf("fn ran %d times", mine)
			}
		})
	}
	c.release()
	wg.Wait()
}

func TestContextBoundsOnlyTheWait(t *testing.T) {
	d := onSQLite(t, db.Options{})
	ended, end := context.WithCancel(t.Context())
	end()
	if err := d.Write(ended, func(*db.Tx) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that had ended: %v", err)
	}

	c := gather(t, d)
	ctx, cancel := context.WithCancelCause(t.Context())
	gaveUp := make(chan error)
	go func() { gaveUp <- d.Write(ctx, func(*db.Tx) error { t.Error("ran"); return nil }) }()
	untilWaiting(d, 1)
	cancel(errOwn)
	err := <-gaveUp // while the turn is held by somebody else
	if !errors.Is(err, errOwn) || problem.As(err).Kind != problem.Unavailable {
		t.Errorf("gave up with %v", err)
	}

	running, stop := context.WithCancel(t.Context())
	began := c.join(running, func(tx *db.Tx) error { // it has begun: nothing cancels it
		stop()
		return insert(tx, "a")
	})
	c.release()
	if c.errs[began] != nil {
		t.Errorf("a write that had begun: %v", c.errs[began])
	}
	wantIDs(t, d, "a ")
}

// A caller is answered only after the commit that holds its write: when it is
// answered, a reader sees the write. That holds for one that fails, too: what it
// saw may be what the commit has yet to make true.
func TestAnswersComeAfterTheCommit(t *testing.T) {
	d := onSQLite(t, db.Options{})
	c := gather(t, d)
	for i := range 40 {
		c.queue(func() {
			err := d.Write(context.Background(), func(tx *db.Tx) error {
				if i%4 == 3 {
					return errOwn
				}
				return insert(tx, key(i))
			})
			if (err != nil) != (i%4 == 3) {
				t.Errorf("write %d: %v", i, err)
			}
			err = d.Read(context.Background(), func(tx *db.Tx) error {
				return tx.QueryRow("SELECT thing_id FROM thing WHERE thing_id = $1", key(i-i%4)).Scan(new(string))
			})
			if err != nil {
				t.Errorf("write %d was answered before its group was committed: %v", i, err)
			}
		})
	}
	c.release()
}

// When SQLite gives up the transaction, its members run again singly: the one to
// blame gets its error, the others are written.
func TestLostGroupRunsAgainSingly(t *testing.T) {
	d := onSQLite(t, db.Options{})
	write(t, d, func(tx *db.Tx) error {
		_, err := tx.Exec(`CREATE TRIGGER thing_loses BEFORE INSERT ON thing WHEN NEW.thing_id = 'poison'
			BEGIN SELECT RAISE(ROLLBACK, 'sealed:thing'); END`)
		return err
	})
	before := d.Stats()
	c := gather(t, d)
	runs := make([]int, 6)
	for i := range runs {
		id := key(i)
		if i == 3 {
			id = "poison"
		}
		c.join(t.Context(), func(tx *db.Tx) error { runs[i]++; return insert(tx, id) })
	}
	c.release()
	for i, err := range c.errs {
		if (err != nil) != (i == 3) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	wantViolation(t, c.errs[3], db.Sealed, "thing")
	if fmt.Sprint(runs) != "[2 2 2 2 1 1]" && fmt.Sprint(runs) != "[2 2 2 2 2 2]" {
		t.Errorf("they ran %v times", runs)
	}
	wantIDs(t, d, key(0)+" "+key(1)+" "+key(2)+" "+key(4)+" "+key(5)+" ")
	if after := d.Stats(); after.Writes-before.Writes != 6 { // with the one that held the turn
		t.Errorf("%d writes, want 6", after.Writes-before.Writes)
	}
}

// A hook that fails takes the group with it, which then runs again singly.
func TestHookThatFailsHarmsNobodyElse(t *testing.T) {
	for name, hook := range map[string]func(tx *db.Tx) error{
		"own error":      func(*db.Tx) error { return errOwn },
		"database error": func(tx *db.Tx) error { insert(tx, "a"); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			d := onSQLite(t, db.Options{})
			c := gather(t, d)
			hooked := 0
			a := c.join(t.Context(), func(tx *db.Tx) error {
				tx.AtCommit(func(hook *db.Tx) error { hooked++; return insert(hook, "hooked") })
				return insert(tx, "a")
			})
			bad := c.join(t.Context(), func(tx *db.Tx) error { tx.AtCommit(hook); return insert(tx, "no") })
			b := c.join(t.Context(), func(tx *db.Tx) error { return insert(tx, "b") })
			c.release()
			if c.errs[a] != nil || c.errs[b] != nil || c.errs[bad] == nil {
				t.Errorf("%v, %v, to blame: %v", c.errs[a], c.errs[b], c.errs[bad])
			}
			if hooked != 2 {
				t.Errorf("the good hook ran %d times, want 2", hooked)
			}
			wantIDs(t, d, "a b hooked ")
		})
	}
}

// Every fn of a group runs before the first hook of it: what the fns started on
// other goroutines goes on meanwhile.
func TestHooksRunAfterEveryFnOfTheGroup(t *testing.T) {
	d := onSQLite(t, db.Options{})
	c := gather(t, d)
	var order []string
	note := func(what string) { order = append(order, what) }
	for _, who := range []string{"a", "b"} {
		c.join(t.Context(), func(tx *db.Tx) error {
			note("fn " + who)
			tx.AtCommit(func(*db.Tx) error { note("hook " + who); return nil })
			return insert(tx, who)
		})
	}
	c.join(t.Context(), func(tx *db.Tx) error {
		tx.AtCommit(func(*db.Tx) error { note("never"); return nil })
		return errOwn
	})
	c.release()
	if have := fmt.Sprint(order); have != "[fn a fn b hook a hook b]" {
		t.Errorf("the order is %s", have)
	}
}

func TestPanicInAHookHarmsNobodyElse(t *testing.T) {
	d := onSQLite(t, db.Options{})
	c := gather(t, d)
	a := c.join(t.Context(), func(tx *db.Tx) error { return insert(tx, "a") })
	c.queue(func() {
		defer func() {
			if recover() != "so there" {
				t.Error("the panic was lost")
			}
		}()
		d.Write(t.Context(), func(tx *db.Tx) error {
			tx.AtCommit(func(*db.Tx) error { panic("so there") })
			return insert(tx, "no")
		})
	})
	b := c.join(t.Context(), func(tx *db.Tx) error { return insert(tx, "b") })
	c.release()
	if c.errs[a] != nil || c.errs[b] != nil {
		t.Errorf("%v, %v", c.errs[a], c.errs[b])
	}
	wantIDs(t, d, "a b ")
}

func TestQueueHasALimit(t *testing.T) {
	d := onSQLite(t, db.Options{})
	c := gather(t, d)
	db.FillQueue(d)
	err := d.Write(t.Context(), func(*db.Tx) error { t.Error("ran"); return nil })
	wantCode(t, err, "db.unavailable")
	c.release()
	write(t, d, func(tx *db.Tx) error { return insert(tx, "a") })
}
