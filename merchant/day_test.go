package merchant_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/merchant"
)

func site(zone string, dayStartsAt int64) merchant.Site {
	return merchant.Site{Zone: zone, DayStartsAt: dayStartsAt}
}

func TestBusinessDate(t *testing.T) {
	for _, c := range []struct {
		name   string
		zone   string
		starts int64
		at     string
		want   string
	}{
		{"afternoon", "Europe/Paris", 240, "2026-11-22T15:00:00+01:00", "2026-11-22"},
		{"a bar's night belongs to the evening", "Europe/Paris", 240, "2026-11-23T03:59:59.999+01:00", "2026-11-22"},
		{"four o'clock", "Europe/Paris", 240, "2026-11-23T04:00:00+01:00", "2026-11-23"},
		{"at midnight", "Europe/Paris", 0, "2026-11-23T00:00:00+01:00", "2026-11-23"},
		{"before the new year", "Europe/Paris", 240, "2027-01-01T02:00:00+01:00", "2026-12-31"},
		{"four o'clock after a night of 23 hours", "Europe/Paris", 240, "2026-03-29T04:00:00+02:00", "2026-03-29"},
		{"just before it", "Europe/Paris", 240, "2026-03-29T03:59:00+02:00", "2026-03-28"},
		{"four o'clock after a night of 25 hours", "Europe/Paris", 240, "2026-10-25T04:00:00+01:00", "2026-10-25"},
		{"just before it", "Europe/Paris", 240, "2026-10-25T03:59:00+01:00", "2026-10-24"},
		{"an hour that does not exist begins at its end", "Europe/Paris", 150, "2026-03-29T03:00:00+02:00", "2026-03-29"},
		{"half past two, first time", "Europe/Paris", 150, "2026-10-25T02:30:00+02:00", "2026-10-25"},
		{"two again: the day has begun", "Europe/Paris", 150, "2026-10-25T02:00:00+01:00", "2026-10-25"},
		{"Martinique", "America/Martinique", 240, "2026-11-23T07:59:00Z", "2026-11-22"},
		{"Réunion", "Indian/Reunion", 240, "2026-11-23T00:00:00Z", "2026-11-23"},
		{"back over midnight: the day has begun", "America/Havana", 0, "2026-11-01T05:30:00Z", "2026-11-01"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := merchant.BusinessDate(site(c.zone, c.starts), at); got != c.want {
			t.Errorf("%s: %s at %s is %s, want %s", c.name, c.zone, c.at, got, c.want)
		}
	}
}

// TestBusinessDateLaws: over any stretch of time, clock changes included, dates
// never go back, none is left out, and each begins when the wall clock first
// shows the hour at which the site's day begins.
func TestBusinessDateLaws(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	var sites []merchant.Site
	for _, zone := range []string{
		"Europe/Paris", "Europe/London", "Atlantic/Azores", "America/Havana", "America/Martinique", "America/Miquelon", "Pacific/Noumea",
	} {
		in := founding()
		in.Zone = zone
		sites = append(sites, found(t, d, in).Site)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(sites).Draw(t, "site")
		s.DayStartsAt = rapid.Int64Range(0, 1439).Draw(t, "starts")
		// The nights in which clocks change, and other ones.
		around := rapid.SampledFrom([]string{"2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01", "2026-07-14"}).Draw(t, "around")
		start, err := time.Parse(time.DateOnly, around)
		if err != nil {
			t.Fatal(err)
		}
		checkDays(t, s, start.Add(-36*time.Hour), start.Add(60*time.Hour))
	})
}

func checkDays(t *rapid.T, s merchant.Site, from, to time.Time) {
	zone := s.Location()
	before := merchant.BusinessDate(s, from)
	for at := from.Add(time.Minute); at.Before(to); at = at.Add(time.Minute) {
		date := merchant.BusinessDate(s, at)
		if date == before {
			continue
		}
		yesterday, err := time.Parse(time.DateOnly, before)
		if err != nil || date != yesterday.AddDate(0, 0, 1).Format(time.DateOnly) {
			t.Fatalf("%s follows %s at %s", date, before, at.In(zone))
		}
		local := at.In(zone)
		shows := int64(local.Hour()*60 + local.Minute())
		past := at.Add(-time.Minute).In(zone)
		skipped := past.Day() == local.Day() && int64(past.Hour()*60+past.Minute()) < s.DayStartsAt && shows > s.DayStartsAt ||
			past.Day() != local.Day() && shows > s.DayStartsAt // the hour was left out by the change of clocks
		if local.Format(time.DateOnly) != date || shows != s.DayStartsAt && !skipped {
			t.Fatalf("%s begins at %s, not when the clock shows %d minutes", date, local, s.DayStartsAt)
		}
		before = date
	}
}

// TestBusinessDateLawsCanFail: the obvious rule, local time less the hours
// before the day begins, breaks them on the nights in which clocks change.
func TestBusinessDateLawsCanFail(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	naive := func(at time.Time) string { return at.Add(-4 * time.Hour).In(zone).Format(time.DateOnly) }
	at := time.Date(2026, 3, 29, 2, 30, 0, 0, time.UTC) // 04:30 on the wall
	if naive(at) == merchant.BusinessDate(site("Europe/Paris", 240), at) {
		t.Error("the naive rule is right where it must be wrong")
	}
}
