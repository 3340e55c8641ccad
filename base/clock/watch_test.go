package clock

import (
	"testing"
	"time"
)

// TestWatch sets the wall clock while the monotonic one goes on.
func TestWatch(t *testing.T) {
	wall := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var elapsed time.Duration
	w := newWatch(func() (time.Time, time.Duration) { return wall, elapsed })
	for _, step := range []struct {
		name       string
		wall, mono time.Duration
		jumped     bool
	}{
		{"time passes", time.Minute, time.Minute, false},
		{"a correction", time.Minute + time.Second, time.Minute, false},
		{"set back an hour", -time.Hour, time.Second, true},
		{"time passes again", time.Minute, time.Minute, false},
		{"set forward a day", 24 * time.Hour, time.Second, true},
		{"a suspended machine wakes: neither clock lost time", time.Hour, time.Hour, false},
	} {
		wall, elapsed = wall.Add(step.wall), elapsed+step.mono
		if jump, jumped := w.Jumped(); jumped != step.jumped {
			t.Errorf("%s: jumped %v by %v", step.name, jumped, jump.By)
		}
	}
}
