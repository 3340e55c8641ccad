package db

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"encaisse/base/clock"
)

const (
	// checkpointPause is the time between two checkpoints while writes go on.
	checkpointPause = 100 * time.Millisecond
	// walBound is how large the WAL grows before the writer stands still between
	// two groups, so that the WAL can begin again at its start.
	walBound = 64 << 20
	// restartWait is how long that may take at most because of readers: they hold
	// what they see. Then the WAL grows by a quarter of its bound before the next try.
	restartWait = 10 * time.Millisecond
	// walHeader and walFrameHeader are what the WAL has in front of everything and
	// in front of each page.
	walHeader      = 32
	walFrameHeader = 24
)

// checkpoint moves the WAL into the database file from a connection of its own:
// inside the writer it would stop every write for as long as it takes.
type checkpoint struct {
	writer *writer
	wal    string // the WAL's path
	bound  int64  // of the WAL's size
	frame  int64  // bytes of a frame
	grown  chan struct{}
	quit   chan struct{}
	ended  chan struct{}

	restart atomic.Bool // the WAL is over its bound: the writer should stand still

	mu    sync.Mutex // over everything below: one checkpoint at a time
	conn  *liteConn
	size  int64  // bytes in this WAL when last seen
	past  int64  // bytes in the WALs before it
	salt  uint32 // tells this WAL from those before
	over  uint32 // the salt of the WAL that the next write begins again
	retry int64  // size from which a restart is tried
}

func newCheckpoint(path string, w *writer) (*checkpoint, error) {
	conn, err := openLite(path, sqlite.OpenReadWrite, "PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=0")
	if err != nil {
		return nil, err
	}
	page, err := conn.pragma("PRAGMA page_size")
	if err != nil {
		return nil, errors.Join(err, conn.close())
	}
	pageSize, err := strconv.ParseInt(page, 10, 64)
	if err != nil {
		return nil, errors.Join(err, conn.close())
	}
	conn.conn.SetBusyTimeout(restartWait)
	bound := w.db.options.walBound
	c := &checkpoint{
		writer: w, wal: path + "-wal", bound: bound, frame: pageSize + walFrameHeader, conn: conn, retry: bound,
		grown: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	c.run("NOOP") // what is there already is not ours to count
	c.past = -c.size
	w.between = c.between
	go c.loop()
	return c, nil
}

// between runs on the writer's goroutine when no transaction is open.
func (c *checkpoint) between() {
	select {
	case c.grown <- struct{}{}:
	default:
	}
	if !c.restart.Load() || !c.mu.TryLock() { // not now: a checkpoint runs
		return
	}
	defer c.mu.Unlock()
	c.restart.Store(false)
	if done := c.run("RESTART"); done {
		c.over, c.retry = c.salt, c.bound
	} else {
		c.retry = c.size + c.bound/4
	}
}

// loop makes a checkpoint whenever the WAL has grown, with a pause after each.
func (c *checkpoint) loop() {
	defer close(c.ended)
	for {
		select {
		case <-c.quit:
			return
		case <-c.grown:
		}
		if c.passive() {
			c.restart.Store(true)
			c.writer.queue.signal()
		}
		pause := make(chan struct{})
		timer := clock.Real{}.AfterFunc(checkpointPause, func() { close(pause) })
		select {
		case <-c.quit:
			timer.Stop()
			return
		case <-pause:
		}
	}
}

// passive moves what no reader holds, beside the writer, and tells whether the
// writer should stand still for the rest.
func (c *checkpoint) passive() (full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run("PASSIVE")
	return c.size >= c.retry && c.salt != c.over
}

// run makes one checkpoint, notes the size of the WAL, and tells whether the
// checkpoint did all it was to do.
func (c *checkpoint) run(mode string) (done bool) {
	if c.conn == nil { // closed
		return false
	}
	stmt, err := c.conn.conn.Prepare("PRAGMA wal_checkpoint(" + mode + ")")
	if err == nil {
		_, err = stmt.Step()
	}
	if err != nil {
		c.writer.db.options.Logger.Warn("db: checkpoint failed", "mode", mode, "error", err)
		return false
	}
	done = stmt.ColumnInt64(0) == 0
	size := stmt.ColumnInt64(1) * c.frame
	stmt.Reset()
	if salt := readSalt(c.wal); salt != c.salt {
		c.past += c.size
		c.salt = salt
	}
	c.size = size
	return done
}

// readSalt reads the number that changes when the WAL begins again at its start.
func readSalt(wal string) uint32 {
	f, err := os.Open(wal)
	if err != nil {
		return 0
	}
	defer f.Close()
	var header [walHeader]byte
	if _, err := io.ReadFull(f, header[:]); err != nil {
		return 0
	}
	return binary.BigEndian.Uint32(header[16:])
}

// walBytes is how much was written to the WAL since the database was opened.
func (c *checkpoint) walBytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run("NOOP")
	return c.past + c.size
}

func (c *checkpoint) close() error {
	close(c.quit)
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run("NOOP")
	conn := c.conn
	c.conn = nil
	return conn.close()
}
