package merchant

import (
	"time"
)

const (
	dateLayout = "2006-01-02"
	hour       = 60 // minutes
)

// BusinessDate is the date under which the site counts what happens at the
// given moment: the local date, until DayStartsAt still that of the day before.
//
// A business day begins when the site's wall clock first shows DayStartsAt. In
// the night when clocks are set back they may show it twice: the day that has
// begun stays begun, so that dates never go backwards.
func BusinessDate(site Site, at time.Time) string {
	zone := site.zone()
	local := at.In(zone)
	date := wallDate(local, site.DayStartsAt)
	since, _ := local.ZoneBounds()
	if since.IsZero() {
		return date
	}
	return max(date, wallDate(since.Add(-time.Millisecond).In(zone), site.DayStartsAt))
}

// wallDate reads the clock on the wall. It does not subtract a duration: after
// a night of 23 hours that would put 04:30 on the day before.
func wallDate(local time.Time, dayStartsAt int64) string {
	if int64(local.Hour()*hour+local.Minute()) < dayStartsAt {
		// Noon, so that no change of clocks touches the date before.
		local = time.Date(local.Year(), local.Month(), local.Day()-1, 12, 0, 0, 0, time.UTC)
	}
	return local.Format(dateLayout)
}

func (s Site) zone() *time.Location {
	if s.location != nil {
		return s.location
	}
	l, err := loadZone(s.Zone)
	if err != nil {
		// Sites are validated when they are made: only a literal in Go gets here.
		panic("merchant: site without a time zone: " + err.Error())
	}
	return l
}
