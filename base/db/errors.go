package db

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"zombiezen.com/go/sqlite"

	"encaisse/base/problem"
)

// ViolationKind is which sort of rule of the schema was broken.
type ViolationKind int

// The kinds of violation.
const (
	Unique ViolationKind = iota + 1
	Check
	ForeignKey
	NotNull
	Sealed // a row that is written once was to be changed or deleted
)

// String is the kind's name for logs.
func (k ViolationKind) String() string {
	return [...]string{"none", "unique", "check", "foreign key", "not null", "sealed"}[k]
}

// Violation is a statement refused by the schema. Constraint names the rule: the
// index or constraint of a unique one (the same name on both engines), "table.column"
// of a NOT NULL, the table of a sealed row. Of a check it is the constraint's name on
// PostgreSQL and its text on SQLite, and SQLite does not name a foreign key.
type Violation struct {
	Kind       ViolationKind
	Constraint string
	cause      error
}

// Error is for logs.
func (v *Violation) Error() string {
	return "db: " + v.Kind.String() + " violation of " + v.Constraint
}

// Unwrap is the driver's own error.
func (v *Violation) Unwrap() error { return v.cause }

// IsViolation tells whether err is a violation of that kind.
func IsViolation(err error, kind ViolationKind) bool {
	var v *Violation
	return errors.As(err, &v) && v.Kind == kind
}

// misuse is a mistake of the program, always the same value.
func misuse(code string) error { return problem.New(problem.Internal, code) }

var (
	errNested   = misuse("db.nested")    // Read or Write called from inside an fn
	errOver     = misuse("db.tx_over")   // a Tx was used after its fn returned
	errRowsOpen = misuse("db.rows_open") // a statement while rows are read, or rows left open
	errNoRow    = misuse("db.no_row")    // Scan without a row
	errReadTx   = misuse("db.read_tx")   // a statement that writes, in a Read
	errHook     = misuse("db.hook")      // AtCommit in a Read or in a hook
	errReadOnly = misuse("db.read_only") // Write on a database opened with ReadOnly
	errControl  = misuse("db.control")   // BEGIN, COMMIT and the like from an fn
	errClosed   = errors.New("db: closed")
	errQueue    = errors.New("db: too many writes wait")
)

// unavailable is what a caller may try again.
func unavailable(cause error) error {
	return problem.New(problem.Unavailable, "db.unavailable").Because(cause)
}

// interrupted is the end of a context before fn began.
func interrupted(ctx context.Context) error { return unavailable(context.Cause(ctx)) }

// translate turns a driver's error into ours. What it does not know stays as it is.
func translate(err error) error {
	var v *Violation
	if err == nil || problem.As(err) != nil || errors.As(err, &v) {
		return err
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return translatePostgres(err, pg)
	}
	if code := sqlite.ErrCode(err); code != sqlite.ResultOK && code != sqlite.ResultError {
		return translateSQLite(err, code)
	}
	if isConnection(err) {
		return unavailable(err)
	}
	return err
}

func translateSQLite(err error, code sqlite.ResultCode) error {
	switch code {
	case sqlite.ResultConstraintUnique, sqlite.ResultConstraintPrimaryKey, sqlite.ResultConstraintRowID:
		return &Violation{Unique, after(err, "UNIQUE constraint failed: "), err}
	case sqlite.ResultConstraintCheck:
		return &Violation{Check, after(err, "CHECK constraint failed: "), err}
	case sqlite.ResultConstraintForeignKey:
		return &Violation{ForeignKey, "", err}
	case sqlite.ResultConstraintNotNull:
		return &Violation{NotNull, after(err, "NOT NULL constraint failed: "), err}
	case sqlite.ResultConstraintTrigger:
		return &Violation{Sealed, after(err, sealedMark), err}
	}
	switch code.ToPrimary() {
	case sqlite.ResultBusy, sqlite.ResultFull, sqlite.ResultIOErr, sqlite.ResultCantOpen, sqlite.ResultNoMem,
		sqlite.ResultReadOnly, sqlite.ResultInterrupt, sqlite.ResultProtocol:
		return unavailable(err)
	}
	return err
}

// sealedMark begins the message of the triggers that seal a table; its name follows.
const sealedMark = "sealed:"

func after(err error, mark string) string {
	_, rest, _ := strings.Cut(err.Error(), mark)
	return rest
}
