package clock

import (
	"testing"
	"time"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func TestRealIsUTCInMilliseconds(t *testing.T) {
	before := time.Now().Add(-time.Millisecond)
	now := Real{}.Now()
	if now.Location() != time.UTC || now.Nanosecond()%int(time.Millisecond) != 0 || now.Before(before) || now.After(time.Now()) {
		t.Errorf("%v", now)
	}
	fired := make(chan bool)
	Real{}.AfterFunc(0, func() { close(fired) })
	<-fired
	if timer := (Real{}).AfterFunc(time.Hour, func() { t.Error("called") }); !timer.Stop() || timer.Stop() {
		t.Error("Stop prevents once")
	}
}

func TestManualStandsUntilMoved(t *testing.T) {
	m := NewManual(noon().In(time.FixedZone("x", 3600)).Add(1500 * time.Microsecond))
	if got := m.Now(); !got.Equal(noon().Add(time.Millisecond)) || got.Location() != time.UTC {
		t.Errorf("%v", got)
	}
	m.Advance(time.Hour)
	if got := m.Now(); !got.Equal(noon().Add(time.Hour + time.Millisecond)) {
		t.Errorf("%v", got)
	}
	m.Set(noon().Add(-time.Hour))
	if got := m.Now(); !got.Equal(noon().Add(-time.Hour)) {
		t.Errorf("set back: %v", got)
	}
}

func TestManualCallsWhatIsDueOnce(t *testing.T) {
	m := NewManual(noon())
	fired := make(chan string, 10)
	call := func(name string) func() { return func() { fired <- name } }
	m.AfterFunc(time.Minute, call("minute"))
	hour := m.AfterFunc(time.Hour, call("hour"))
	stopped := m.AfterFunc(time.Minute, call("stopped"))
	if !stopped.Stop() || stopped.Stop() {
		t.Error("Stop prevents once")
	}
	m.Advance(time.Minute - time.Millisecond)
	m.Advance(time.Millisecond) // due to the millisecond
	if got := <-fired; got != "minute" {
		t.Errorf("%s was called", got)
	}
	m.Set(noon().Add(-time.Hour)) // a clock set back calls nothing, and forgets nothing
	m.Set(noon().Add(48 * time.Hour))
	if got := <-fired; got != "hour" {
		t.Errorf("%s was called", got)
	}
	if hour.Stop() {
		t.Error("Stop of what was called already")
	}
	m.Advance(48 * time.Hour)
	done := make(chan bool)
	m.AfterFunc(time.Millisecond, func() { close(done) })
	m.Advance(time.Millisecond)
	<-done
	if len(fired) != 0 {
		t.Errorf("%s was called again", <-fired)
	}
}

func TestManualMayBeUsedFromACallback(t *testing.T) {
	m := NewManual(noon())
	done := make(chan time.Time)
	m.AfterFunc(time.Second, func() {
		m.AfterFunc(time.Second, func() { done <- m.Now() })
		m.Advance(time.Second)
	})
	m.Advance(time.Second)
	if got := <-done; !got.Equal(noon().Add(2 * time.Second)) {
		t.Errorf("%v", got)
	}
}
