package db

import (
	"runtime"
	"strings"
	"time"
)

// callerDepth is how many frames are searched for the caller of a slow write.
const callerDepth = 32

// watch measures one fn.
type watch struct {
	db    *DB
	since time.Time
}

func (d *DB) watch() watch { return watch{d, d.options.Clock.Now()} }

// end names the caller of an fn that held the turn too long or touched too many
// rows: everybody else waited for it. Longer work goes in chunks.
func (w watch) end(tx *Tx) {
	took := w.db.options.Clock.Now().Sub(w.since)
	if took <= slowWrite && tx.touched <= rowsWrite {
		return
	}
	w.db.options.Logger.Warn("db: a write is too long",
		"caller", outside(), "ms", took.Milliseconds(), "rows", tx.touched)
}

// outside is the first function on the stack that is not of this package.
func outside() string {
	var pcs [callerDepth]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.Contains(f.Function, "encaisse/base/db.") || strings.HasSuffix(f.File, "_test.go") {
			return f.Function
		}
		if !more {
			return "unknown"
		}
	}
}
