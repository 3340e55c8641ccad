package sale

import (
	"context"
	"crypto/sha256"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/job"
	"encaisse/base/problem"
	"encaisse/merchant"
)

// Kinds of job that selling leaves behind.
const (
	JobDay        = "sale.day"          // close a register's business day at the site's hour
	JobCheckpoint = "fiscal.checkpoint" // append the merchant's checkpoints to the file outside the database
)

// dayDue names the business day a JobDay closes.
type dayDue struct {
	Register id.Register `json:"register_id"`
	Date     string      `json:"business_date"`
}

// dueDay leaves the job that closes the session's day when it has ended.
func dueDay(tx *db.Tx, s Session, where merchant.Site) error {
	return job.Enqueue(tx, s.OpenedAt, job.Spec{
		Merchant: s.Merchant, Kind: JobDay, Dedup: string(s.Register) + " " + s.BusinessDate,
		Payload: dayDue{Register: s.Register, Date: s.BusinessDate}, RunAt: endOfDay(where, s.BusinessDate),
	})
}

// endOfDay is the moment a business date gives way to the next.
func endOfDay(where merchant.Site, date string) time.Time {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		panic("sale: business date " + date) // decided by merchant.BusinessDate
	}
	return time.Date(day.Year(), day.Month(), day.Day()+1, 0, int(where.DayStartsAt), 0, 0, where.Location())
}

// RunDay closes the day a JobDay names: a session left open gets its Z, not
// counted, then the day is closed. Closed by hand before, it is left as it is.
func (s *Sales) RunDay(ctx context.Context, j job.Job) error {
	var due dayDue
	if err := j.Read(&due); err != nil {
		return err
	}
	p := access.System(j.Merchant)
	session, err := s.Session(ctx, p, due.Register)
	if err != nil && !problem.Is(err, "sale.register_closed") {
		return err
	}
	if err == nil && session.BusinessDate == due.Date {
		if err := s.closeDue(ctx, p, due, Z); err != nil {
			return err
		}
	}
	return s.closeDue(ctx, p, due, Day)
}

// closeDue closes under an id that depends on what is closed alone, so that two
// nodes or a second try close it once.
func (s *Sales) closeDue(ctx context.Context, p access.Principal, due dayDue, kind string) error {
	day, err := time.Parse(time.DateOnly, due.Date)
	if err != nil {
		return err
	}
	r := ClosingRequest{
		ID:       id.From[id.Closing](day, sha256.Sum256([]byte(string(due.Register)+" "+due.Date+" "+kind))),
		Register: due.Register, Kind: kind,
	}
	if kind == Day {
		r.BusinessDate = due.Date
	}
	_, _, err = s.Close(ctx, p, r)
	for _, done := range []string{"sale.day_closed", "sale.register_closed", "sale.session_closed"} {
		if problem.Is(err, done) {
			return nil
		}
	}
	return err
}

// dueCheckpoint leaves the job that carries a closing's checkpoint outside.
func dueCheckpoint(tx *db.Tx, z *Closing) error {
	return job.Enqueue(tx, z.ClosedAt, job.Spec{
		Merchant: z.Merchant, Kind: JobCheckpoint, Dedup: string(z.Merchant), Payload: struct{}{},
	})
}
