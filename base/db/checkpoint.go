package db

import (
	"errors"
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
	// restartWait is how long a restart waits for readers before it gives up
	// until the next one.
	restartWait = 10 * time.Millisecond
	// walFrameHeader is what the WAL adds to every page.
	walFrameHeader = 24
)

// checkpoint moves the WAL into the database file from a connection of its own:
// inside the writer it would stop every write for as long as it takes.
type checkpoint struct {
	writer  *writer
	mu      sync.Mutex // one checkpoint at a time
	conn    *liteConn
	page    int64
	grown   chan struct{} // a group was committed
	quit    chan struct{}
	ended   chan struct{}
	restart atomic.Bool  // the WAL is over its bound
	past    atomic.Int64 // frames of the WALs before this one
	last    int64        // frames of this WAL when last seen
}

func newCheckpoint(path string, w *writer) (*checkpoint, error) {
	conn, err := openLite(path, sqlite.OpenReadWrite, "PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=0")
	if err != nil {
		return nil, err
	}
	conn.conn.SetBusyTimeout(restartWait)
	c := &checkpoint{
		writer: w, conn: conn, page: 4096,
		grown: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
	}
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
	if c.restart.Load() && c.mu.TryLock() {
		defer c.mu.Unlock()
		c.restart.Store(false)
		c.run("RESTART")
	}
}

func (c *checkpoint) loop() {
	defer close(c.ended)
	for {
		select {
		case <-c.quit:
			return
		case <-c.grown:
		}
		c.mu.Lock()
		frames, err := c.run("PASSIVE")
		c.mu.Unlock()
		if err != nil {
			c.writer.db.options.Logger.Warn("db: checkpoint failed", "error", err)
		}
		if frames*(c.page+walFrameHeader) > walBound {
			c.restart.Store(true)
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

// run makes one checkpoint and tells how many frames the WAL holds.
func (c *checkpoint) run(mode string) (int64, error) {
	stmt, err := c.conn.conn.Prepare("PRAGMA wal_checkpoint(" + mode + ")")
	if err != nil {
		return 0, err
	}
	row, err := stmt.Step()
	if err != nil || !row {
		return 0, err
	}
	frames := stmt.ColumnInt64(1)
	if frames < c.last {
		c.past.Add(c.last)
	}
	c.last = frames
	return frames, stmt.Reset()
}

func (c *checkpoint) walBytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run("NOOP")
	return (c.past.Load() + c.last) * (c.page + walFrameHeader)
}

func (c *checkpoint) close() error {
	close(c.quit)
	<-c.ended
	return errors.Join(c.conn.close())
}
