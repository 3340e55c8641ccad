package sim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"encaisse/acquirer/simulator"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/i18n"
	"encaisse/base/id"
	"encaisse/terminal/emulator"
	"encaisse/terminal/nexo"
)

// longest is how long something may take that must come, by the machine's clock.
const longest = 10 * time.Minute

// How long it is between two looks at what must come, by the world's: at first
// and in the end.
const (
	shortestPause = 50 * time.Millisecond
	longestPause  = 2 * time.Second
)

// cardWorld is a shop that takes cards, with the bank behind it and whatever may
// happen to both.
type cardWorld struct {
	t         testing.TB
	day       *cardDay
	engine    db.Engine
	nodes     int
	api       bool
	catalogue *i18n.Catalogue
	clock     *cardClock
	logged    *journalBuffer
	log       *slog.Logger
	dsn, file string
	watch     *db.DB
	shop      *cardShop

	host        *simulator.Simulator
	hostAddress string
	rack        *emulator.Rack
	readers     []*emulator.Emulator
	table       *table

	ctx    context.Context
	cancel context.CancelFunc
	beside sync.WaitGroup // what ends with the world

	mu      sync.Mutex
	houses  []*cardHouse // a node each; nil while nobody is there
	graves  []*cardHouse
	deaths  int
	strikes map[id.Terminal][]strike
	legs    map[id.Terminal]cardLeg // what the till is at
	calm    bool                    // nothing goes wrong any more
	faults  []string
	chance  *rand.Rand
}

// journalBuffer is a log that many write.
type journalBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *journalBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *journalBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.text.Bytes())
}

// worldOptions choose what is around a day.
type worldOptions struct {
	engine db.Engine
	nodes  int
	api    bool       // the HTTP door is open
	level  slog.Level // of the log that is kept
	lasts  bool       // the database stays on disk, for whoever searches it
}

// newCardWorld opens a shop in the morning of a day.
func newCardWorld(t testing.TB, day *cardDay, o worldOptions) *cardWorld {
	t.Helper()
	looks := int64(looksSQLite)
	if o.engine == db.PostgreSQL {
		looks = looksPostgres
	}
	w := &cardWorld{
		t: t, day: day, engine: o.engine, nodes: max(1, o.nodes), api: o.api, clock: newCardClock(cardMorning, looks), logged: &journalBuffer{},
		rack: emulator.NewRack(), table: newTable(), strikes: make(map[id.Terminal][]strike), legs: make(map[id.Terminal]cardLeg),
		chance: rand.New(rand.NewPCG(day.seed, 4711)),
	}
	w.log = slog.New(slog.NewTextHandler(w.logged, &slog.HandlerOptions{Level: o.level, ReplaceAttr: w.stamped}))
	if o.api {
		w.catalogue = must(w, i18n.New)
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	t.Cleanup(w.close)
	w.place(o)
	w.beside.Go(func() { w.clock.run(w.ctx) })
	w.openHost()
	w.houses = make([]*cardHouse, w.nodes)
	for i := range w.nodes {
		h, err := w.build(i)
		w.must(err)
		w.houses[i] = h
	}
	w.watch = w.watchRows()
	for i := range w.shop.readers {
		w.readers = append(w.readers, w.openReader(i))
	}
	return w
}

// stamped gives log lines the day's time and not the machine's.
func (w *cardWorld) stamped(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		a.Value = slog.StringValue(w.clock.manual.Now().Format("15:04:05.000"))
	}
	return a
}

func must[T any](w *cardWorld, fn func() (T, error)) T {
	w.t.Helper()
	v, err := fn()
	w.must(err)
	return v
}

func (w *cardWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("day %d: %v", w.day.seed, err)
	}
}

// place puts the database where it is: a copy of the founded shop in memory, so
// that the disk of a busy machine decides nothing, or one on PostgreSQL.
func (w *cardWorld) place(o worldOptions) {
	if o.engine == db.PostgreSQL {
		w.dsn = dbtest.DSN(w.t, db.PostgreSQL)
		d, err := db.Open(context.Background(), w.dsn, db.Options{})
		w.must(err)
		w.shop, err = foundCards(context.Background(), d, w.clock)
		w.must(errors.Join(err, d.Close()))
		return
	}
	made := must(w, foundOnce)
	w.shop = made.shop
	dir := w.t.TempDir()
	if !o.lasts {
		if quick, err := os.MkdirTemp("/dev/shm", "encaisse-day"); err == nil {
			dir = quick
			w.t.Cleanup(func() { _ = os.RemoveAll(quick) })
		}
	}
	w.file = filepath.Join(dir, "encaisse.db")
	w.dsn = "sqlite:" + w.file
	w.must(os.WriteFile(w.file, made.file, 0o600))
}

// watchRows opens the database for reading alone, beside the houses.
func (w *cardWorld) watchRows() *db.DB {
	d, err := db.Open(context.Background(), w.dsn, db.Options{ReadOnly: true, Readers: 1})
	w.must(err)
	w.t.Cleanup(func() { _ = d.Close() })
	return d
}

func (w *cardWorld) openHost() {
	host, err := simulator.New(simulator.Options{Clock: w.clock, Log: w.log, Seed: w.day.seed})
	w.must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.host, w.hostAddress = host, listener.Addr().String()
	w.beside.Go(func() { _ = host.Serve(w.ctx, lineListener{listener, newLines(w.clock)}) })
}

func (w *cardWorld) openReader(i int) *emulator.Emulator {
	given := w.shop.readers[i]
	e, err := emulator.New(emulator.Options{
		Clock: w.clock, Log: w.log, Protocol: nexo.New("test"), Hub: "http://hub.example", Serial: given.serial, Seed: w.day.seed + uint64(i),
		Rack: w.rack, Dial: w.dial,
	})
	w.must(err)
	w.must(e.Adopt(given.credential))
	e.SetPace(0)
	e.Start()
	w.until("the reader is online", e.Connected)
	return e
}

// errNobody says that no process answers.
var errNobody = errors.New("sim: connection refused")

// dial connects a reader to one of the houses that are there.
func (w *cardWorld) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	h := w.house()
	if h == nil {
		return nil, errNobody
	}
	return new(net.Dialer).DialContext(ctx, "tcp", h.listener.Addr().String())
}

// house is one that is alive, chance says which; nil where none is.
func (w *cardWorld) house() *cardHouse {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := w.chance.IntN(len(w.houses))
	for i := range w.houses {
		if h := w.houses[(first+i)%len(w.houses)]; h != nil && !h.dead.Load() {
			return h
		}
	}
	return nil
}

// someHouse waits for one.
func (w *cardWorld) someHouse() *cardHouse {
	var found *cardHouse
	w.until("a process is there", func() bool {
		found = w.house()
		return found != nil
	})
	return found
}

// die kills a house, and lets another one take its place after a while.
func (w *cardWorld) die(h *cardHouse) {
	if h.dead.Load() {
		return
	}
	h.kill()
	w.mu.Lock()
	if w.houses[h.node] == h {
		w.houses[h.node] = nil
	}
	w.graves = append(w.graves, h)
	after := w.day.reborn[w.deaths%len(w.day.reborn)]
	w.deaths++
	w.mu.Unlock()
	w.beside.Go(func() {
		w.clock.wait(w.ctx, after)
		if w.ctx.Err() != nil {
			return
		}
		next, err := w.build(h.node)
		if err != nil {
			w.fault("no process takes over: %v", err)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.houses[h.node] = next
	})
}

// fault notes what should not have happened.
func (w *cardWorld) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := w.clock.manual.Now().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
	if len(w.faults) < 20 {
		w.faults = append(w.faults, text)
	}
}

// faultsFound are the notes.
func (w *cardWorld) faultsFound() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.faults...)
}

// until waits for what must come, in the world's time. It is bound by the
// machine's: a world that stands still is a fault.
func (w *cardWorld) until(what string, holds func() bool) bool {
	over, pause := time.Now().Add(longest), shortestPause
	for !holds() {
		if w.ctx.Err() != nil {
			return false
		}
		if time.Now().After(over) {
			w.fault("waited in vain: %s", what)
			w.cancel()
			return false
		}
		w.clock.wait(w.ctx, pause)
		pause = min(2*pause, longestPause)
	}
	return true
}

// close ends the world.
func (w *cardWorld) close() {
	w.cancel()
	for _, r := range w.readers {
		_ = r.Close()
	}
	w.beside.Wait()
	w.mu.Lock()
	all := append(w.graves, w.houses...)
	w.mu.Unlock()
	for _, h := range all {
		if h != nil {
			h.stop()
		}
	}
}

// readerOf finds a terminal by its number at the acquirer.
func (w *cardWorld) readerOf(acceptor string) id.Terminal {
	for _, r := range w.shop.readers {
		if r.terminal.Acceptor == strings.TrimSpace(acceptor) {
			return r.terminal.ID
		}
	}
	return ""
}
