package db

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs that have a meaning here.
const (
	stateSealed        = "ENS01" // raised by schema/sealed_postgres.sql
	stateNotNull       = "23502"
	stateForeignKey    = "23503"
	stateUnique        = "23505"
	stateCheck         = "23514"
	stateSerialisation = "40001"
	stateDeadlock      = "40P01"
	stateLockTimeout   = "55P03"
	stateCancelled     = "57014"
)

func isSerialisation(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == stateSerialisation || pg.Code == stateDeadlock)
}

func translatePostgres(err error, pg *pgconn.PgError) error {
	switch pg.Code {
	case stateSealed:
		return &Violation{Sealed, pg.TableName, err}
	case stateNotNull:
		return &Violation{NotNull, pg.TableName + "." + pg.ColumnName, err}
	case stateForeignKey:
		return &Violation{ForeignKey, pg.ConstraintName, err}
	case stateUnique:
		return &Violation{Unique, pg.ConstraintName, err}
	case stateCheck:
		return &Violation{Check, pg.ConstraintName, err}
	case stateLockTimeout, stateCancelled, stateSerialisation, stateDeadlock:
		return unavailable(err)
	}
	switch pg.Code[:2] {
	case "08", "53", "57", "58": // connection, resources, operator intervention, system
		return unavailable(err)
	}
	return err
}

// isConnection tells whether the connection failed rather than the statement.
func isConnection(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
