// Package db is the one door to the database. It speaks to SQLite and to
// PostgreSQL with the same SQL text, and it makes one promise on both: when
// Write returns nil, what fn wrote is on the disk.
//
// # The words
//
// A write is one call of [DB.Write]: a function fn that is handed a [Tx], the
// only thing it may touch. fn may be run more than once, so it keeps no result
// of a former run. A read is one call of [DB.Read]: fn sees one consistent
// snapshot and writes nothing.
//
// # SQLite
//
// One file, in WAL mode, with synchronous=FULL; one connection that writes, a
// few that read, one that moves the WAL back into the file. A flush of the disk
// is what a commit costs, so writes share it: the writer takes the writes that
// wait, at most MaxGroup, runs each in a savepoint of its own and commits them
// together. It never waits for company: alone, a write is a group of one.
//
// Each fn runs on the goroutine that called Write, while that goroutine holds
// the writer's turn; the turn goes from caller to caller and comes back to the
// writer's goroutine, which commits and answers all of them. An error or a panic
// rolls back to the savepoint of the one that caused it. When SQLite itself gave
// up the whole transaction, the group is lost and its members run again one by
// one, so that the one to blame gets the error and its neighbours do not.
//
// The context bounds only the wait in the queue. Once fn has begun nothing
// cancels it, and Write returns what really happened.
//
// # PostgreSQL
//
// A pool; a write is a READ COMMITTED transaction that is run again when the
// server reports a serialisation failure or a deadlock; a read is REPEATABLE
// READ, READ ONLY. BEGIN travels with the first statement and COMMIT with the
// last ones queued, so that a write made of [Tx.Queue] alone is one round trip.
// Guards live in rows (constraints, unique indexes, conditional UPDATEs that
// return the row), so nothing relies on a stricter isolation.
//
// # Errors
//
// The first database error ends fn: the Tx refuses every further statement and
// what fn wrote is rolled back even if fn returns nil. A broken constraint is a
// [Violation]; a database that is busy, full or gone is a problem of kind
// Unavailable; a row that is not there is [ErrNone], which ends nothing.
package db
