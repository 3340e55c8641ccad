package db

import "sync/atomic"

// Stats is what the database did since it was opened.
type Stats struct {
	Commits  int64 // transactions that wrote
	Writes   int64 // calls of Write that they held
	WALBytes int64 // what went into the write-ahead log; on PostgreSQL of the whole cluster
}

// MeanGroup is how many writes shared a commit on average.
func (s Stats) MeanGroup() float64 {
	if s.Commits == 0 {
		return 0
	}
	return float64(s.Writes) / float64(s.Commits)
}

type counters struct {
	commits atomic.Int64
	writes  atomic.Int64
}

// Stats tells what the database did since it was opened.
func (d *DB) Stats() Stats {
	return Stats{
		Commits:  d.count.commits.Load(),
		Writes:   d.count.writes.Load(),
		WALBytes: d.backend.walBytes(),
	}
}
