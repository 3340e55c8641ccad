package clock

import "time"

// jumpTolerance is how far the wall clock may drift from the monotonic one
// between two looks before it counts as a jump: time correction stays below.
const jumpTolerance = 2 * time.Second

// Watch finds jumps of the machine's wall clock: it holds it against the
// monotonic clock, which nobody sets.
type Watch struct {
	wall    time.Time     // at the last look
	elapsed time.Duration // monotonic, at the same moment
	read    func() (wall time.Time, elapsed time.Duration)
}

// Jump is a jump of the wall clock.
type Jump struct {
	Expected time.Time     // what the wall clock would have shown
	Now      time.Time     // what it shows
	By       time.Duration // Now − Expected
}

// NewWatch begins to watch the machine's clock.
func NewWatch() *Watch {
	began := time.Now()
	return newWatch(func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0).UTC(), now.Sub(began)
	})
}

func newWatch(read func() (time.Time, time.Duration)) *Watch {
	wall, elapsed := read()
	return &Watch{wall: wall, elapsed: elapsed, read: read}
}

// Jumped looks at the clock and tells whether it jumped since the last look.
func (w *Watch) Jumped() (Jump, bool) {
	wall, elapsed := w.read()
	expected := w.wall.Add(elapsed - w.elapsed)
	w.wall, w.elapsed = wall, elapsed
	jump := Jump{Expected: expected, Now: wall, By: wall.Sub(expected)}
	return jump, jump.By.Abs() > jumpTolerance
}
