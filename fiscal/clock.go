package fiscal

import (
	"context"
	"strings"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/merchant"
)

// ClockJumped journals a jump of the machine's clock on the chain of every
// site: a silent set-back is one of the things a register must not allow.
func (j *Journal) ClockJumped(ctx context.Context, d *db.DB, jump clock.Jump) error {
	merchants, err := merchant.All(ctx, d)
	if err != nil {
		return err
	}
	for _, m := range merchants {
		err := d.Write(ctx, func(tx *db.Tx) error { return j.clockJumped(tx, m, jump) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) clockJumped(tx *db.Tx, m id.Merchant, jump clock.Jump) error {
	chains, err := readChains(tx, m)
	if err != nil {
		return err
	}
	for _, c := range chains {
		if !strings.HasPrefix(c.owner, id.Site("").Prefix()+"_") {
			continue
		}
		_, err := j.Append(tx, Entry{
			Merchant: m, Owner: c.owner, Kind: KindEvent, Subject: c.owner, At: jump.Now, Clamp: true, Local: time.UTC,
			Body: Event("clock.jumped", func(c *Canon) {
				c.Str("expected", jump.Expected.UTC().Format(recordTime))
				c.Int("jump_ms", jump.By.Milliseconds())
				c.Str("shown", jump.Now.UTC().Format(recordTime))
			}),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
