package job

import (
	"strconv"
	"strings"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

func insert(tx *db.Tx, job id.Job, s Spec, payload string) {
	tx.Queue(`INSERT INTO job (merchant_id, job_id, kind, dedup, payload, state, run_at, attempts, lease_token, lease_until, last_error)
		VALUES ($1, $2, $3, $4, $5, 'waiting', $6, 0, '', 0, '')
		ON CONFLICT DO NOTHING`,
		s.Merchant, job, s.Kind, s.Dedup, payload, s.RunAt)
}

// isDue is the condition of a claim, for the time $1. A job that waits has no lease.
const isDue = `state IN ('waiting', 'running') AND run_at <= $1 AND lease_until <= $1`

// among is "kind IN ($first, …)" for that many kinds.
func among(kinds, first int) string {
	places := make([]string, kinds)
	for i := range places {
		places[i] = "$" + strconv.Itoa(first+i)
	}
	return "kind IN (" + strings.Join(places, ", ") + ")"
}

// anyDue tells whether a job of these kinds is due.
func anyDue(tx *db.Tx, now time.Time, kinds []string) (bool, error) {
	rows := tx.Query(`SELECT 1 FROM job WHERE `+isDue+` AND `+among(len(kinds), 2)+` LIMIT 1`, withKinds(kinds, now)...)
	defer rows.Close()
	found := rows.Next()
	return found, rows.Err()
}

// claim takes at most limit due jobs, those first that have been due longest. The
// condition stands in the outer WHERE too: on PostgreSQL a row that another claim took
// meanwhile is judged again.
func claim(tx *db.Tx, now time.Time, kinds []string, token string, limit int) ([]Job, error) {
	rows := tx.Query(`UPDATE job SET state = 'running', attempts = attempts + 1, lease_token = $2, lease_until = $3
		WHERE (merchant_id, job_id) IN (
			SELECT merchant_id, job_id FROM job WHERE `+isDue+` AND `+among(len(kinds), 5)+` ORDER BY run_at LIMIT $4)
		AND `+isDue+`
		RETURNING merchant_id, job_id, kind, dedup, payload, attempts, run_at`,
		withKinds(kinds, now, token, now.Add(Lease), limit)...)
	defer rows.Close()
	var jobs []Job
	for rows.Next() {
		j := Job{token: token}
		if err := rows.Scan(&j.Merchant, &j.ID, &j.Kind, &j.dedup, &j.payload, &j.Attempt, &j.runAt); err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}

func withKinds(kinds []string, args ...any) []any {
	for _, kind := range kinds {
		args = append(args, kind)
	}
	return args
}

// ours is the condition of every change of a claimed job.
const ours = `merchant_id = $1 AND job_id = $2 AND lease_token = $3 AND state = 'running'`

// markDone makes the job done, if it is ours still.
func markDone(tx *db.Tx, now time.Time, j Job) (bool, error) {
	n, err := tx.Exec(`UPDATE job SET state = 'done', lease_token = '', lease_until = $4 WHERE `+ours, j.Merchant, j.ID, j.token, now)
	return n == 1, err
}

// markDead gives the job up, if it is ours still.
func markDead(tx *db.Tx, now time.Time, j Job, why string) (bool, error) {
	n, err := tx.Exec(`UPDATE job SET state = 'dead', lease_token = '', lease_until = $4, last_error = $5 WHERE `+ours,
		j.Merchant, j.ID, j.token, now, why)
	return n == 1, err
}

// markWaiting makes the job wait until runAt with its count of attempts, if it is ours
// still. Where the same work was enqueued meanwhile this job is done: the other will
// do it, and only one may wait.
func markWaiting(tx *db.Tx, now time.Time, j Job, runAt time.Time, attempts int64, why string) (bool, error) {
	n, err := tx.Exec(`UPDATE job SET state = 'done', lease_token = '', lease_until = $4, last_error = $5 WHERE `+ours+`
		AND EXISTS (SELECT 1 FROM job other WHERE other.merchant_id = $1 AND other.kind = $6 AND other.dedup = $7 AND other.state = 'waiting')`,
		j.Merchant, j.ID, j.token, now, why, j.Kind, j.dedup)
	if err != nil || n == 1 {
		return n == 1, err
	}
	n, err = tx.Exec(`UPDATE job SET state = 'waiting', lease_token = '', lease_until = 0, run_at = $4, attempts = $5, last_error = $6 WHERE `+ours,
		j.Merchant, j.ID, j.token, runAt, attempts, why)
	return n == 1, err
}

// jobKey is the primary key of a job.
type jobKey struct {
	merchant id.Merchant
	job      id.Job
}

// oldDone lists jobs that were done before the given time.
func oldDone(tx *db.Tx, before time.Time, limit int) ([]jobKey, error) {
	rows := tx.Query(`SELECT merchant_id, job_id FROM job WHERE state = 'done' AND lease_until < $1 LIMIT $2`, before, limit)
	defer rows.Close()
	var keys []jobKey
	for rows.Next() {
		var k jobKey
		if err := rows.Scan(&k.merchant, &k.job); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

func remove(tx *db.Tx, keys []jobKey) {
	for _, k := range keys {
		tx.Queue(`DELETE FROM job WHERE merchant_id = $1 AND job_id = $2 AND state = 'done'`, k.merchant, k.job)
	}
}
