package db

import "time"

// What the tests need to see, or to reach, from outside.
const (
	MaxRetries = maxRetries
	SlowWrite  = slowWrite
	RowsWrite  = rowsWrite
	StackStep  = stackStep
)

// Waiting is how many writes wait for their turn.
func Waiting(d *DB) int {
	q := d.backend.(*lite).writer.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length
}

// FillQueue fills the queue with writes that gave up.
func FillQueue(d *DB) {
	q := d.backend.(*lite).writer.queue
	for {
		r := &request{words: make(chan word, 1)}
		r.state.Store(abandoned)
		if q.push(r) != nil {
			return
		}
	}
}

// WithWALBound makes the WAL small.
func WithWALBound(o Options, bytes int64) Options {
	o.walBound = bytes
	return o
}

// WALBefore is how much is in the WALs before this one: more than nothing once
// the WAL began again. Late tells that a restart could not be finished.
func WALBefore(d *DB) (bytes int64, late bool) {
	c := d.backend.(*lite).checkpoint
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.past, c.retry > c.bound
}

// WALSize is how large the WAL is.
func WALSize(d *DB) int64 {
	c := d.backend.(*lite).checkpoint
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run("NOOP")
	return c.size
}

// Passive makes a checkpoint and tells whether it asks for a restart; Over tells
// whether a restart was done and the next write begins the WAL again.
func Passive(d *DB) (asks bool) { return d.backend.(*lite).checkpoint.passive() }

// Over: see Passive.
func Over(d *DB) bool {
	c := d.backend.(*lite).checkpoint
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over == c.salt
}

// WriterWith opens the connection that writes, with pragmas of the test's own.
func WriterWith(path string, pragmas ...string) error {
	conn, err := openWriter(path, pragmas...)
	if err != nil {
		return err
	}
	return conn.close()
}

// RestartWait is restartWait.
const RestartWait time.Duration = restartWait
