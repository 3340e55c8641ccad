package db

import (
	"reflect"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"encaisse/base/problem"
)

const (
	// maxStatements is how many prepared statements one connection keeps.
	maxStatements = 1000
	// busyTimeout is how long a connection waits for a lock of another process.
	busyTimeout = 5 * time.Second
)

// liteConn is one SQLite connection and its prepared statements.
type liteConn struct {
	conn       *sqlite.Conn
	statements map[string]*liteStmt
}

// liteStmt is a prepared statement, and the cursor over its rows.
type liteStmt struct {
	stmt    *sqlite.Stmt
	places  []int // where argument i is bound; one-based, as SQLite counts
	columns int
	changes bool // it is an INSERT, UPDATE or DELETE
}

func openLite(path string, flags sqlite.OpenFlags, pragmas ...string) (*liteConn, error) {
	conn, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(busyTimeout)
	c := &liteConn{conn: conn, statements: make(map[string]*liteStmt)}
	for _, p := range pragmas {
		if _, err := c.pragma(p); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return c, nil
}

// pragma runs one statement of ours and returns the first column of its first row as text.
func (c *liteConn) pragma(statement string) (string, error) {
	stmt, _, err := c.conn.PrepareTransient(statement)
	if err != nil {
		return "", err
	}
	defer stmt.Finalize()
	row, err := stmt.Step()
	if err != nil || !row {
		return "", err
	}
	value := stmt.ColumnText(0)
	for row && err == nil {
		row, err = stmt.Step()
	}
	return value, err
}

// prepare finds the statement of a query, ready to be bound.
func (c *liteConn) prepare(query string) (*liteStmt, error) {
	if s := c.statements[query]; s != nil {
		return s, nil
	}
	if isControl(query) {
		return nil, errControl
	}
	if len(c.statements) >= maxStatements {
		for other, s := range c.statements {
			delete(c.statements, other)
			s.stmt.Finalize()
			break
		}
	}
	stmt, err := c.conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	s := &liteStmt{stmt: stmt, columns: stmt.ColumnCount(), changes: isChange(query)}
	if err := s.place(); err != nil {
		stmt.Finalize()
		return nil, err
	}
	c.statements[query] = s
	return s, nil
}

// place reads which parameter of SQLite each $n is: SQLite numbers names in the
// order they appear.
func (s *liteStmt) place() error {
	n := s.stmt.BindParamCount()
	s.places = make([]int, n)
	for i := 1; i <= n; i++ {
		name := s.stmt.BindParamName(i)
		number, err := strconv.Atoi(strings.TrimPrefix(name, "$"))
		if err != nil || number < 1 || number > n || name[0] != '$' || s.places[number-1] != 0 {
			return problem.New(problem.Internal, "db.parameter", "name", name)
		}
		s.places[number-1] = i
	}
	return nil
}

func (s *liteStmt) bind(args []any) error {
	if len(args) != len(s.places) {
		return problem.New(problem.Internal, "db.arguments", "want", len(s.places), "have", len(args))
	}
	for i, arg := range args {
		if err := s.bindOne(s.places[i], arg); err != nil {
			return err
		}
	}
	return nil
}

func (s *liteStmt) bindOne(place int, arg any) error {
	switch v := arg.(type) {
	case string:
		s.stmt.BindText(place, v)
		return checkText(v)
	case int64:
		s.stmt.BindInt64(place, v)
	case int:
		s.stmt.BindInt64(place, int64(v))
	case bool:
		s.stmt.BindBool(place, v)
	case []byte:
		if v == nil {
			s.stmt.BindNull(place)
		} else {
			s.stmt.BindBytes(place, v)
		}
	case nil:
		s.stmt.BindNull(place)
	case time.Time:
		s.stmt.BindInt64(place, v.UnixMilli())
	case *time.Time:
		if v == nil {
			s.stmt.BindNull(place)
		} else {
			s.stmt.BindInt64(place, v.UnixMilli())
		}
	case time.Duration, *time.Duration:
		return badArgument(arg)
	default:
		return s.bindBasic(place, arg)
	}
	return nil
}

// bindBasic binds what plain turns into a basic value, without the copy.
func (s *liteStmt) bindBasic(place int, arg any) error {
	v := basic(arg)
	switch v.Kind() {
	case reflect.Invalid:
		s.stmt.BindNull(place)
	case reflect.String:
		s.stmt.BindText(place, v.String())
		return checkText(v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.stmt.BindInt64(place, v.Int())
	case reflect.Bool:
		s.stmt.BindBool(place, v.Bool())
	default:
		if !isBytes(v) {
			return badArgument(arg)
		}
		s.stmt.BindBytes(place, v.Bytes())
	}
	return nil
}

func (c *liteConn) exec(query string, args []any) (int64, error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	if err := s.bind(args); err != nil {
		return 0, err
	}
	row, err := s.stmt.Step()
	for row && err == nil {
		row, err = s.stmt.Step()
	}
	if err != nil {
		return 0, err
	}
	if err := s.stmt.Reset(); err != nil {
		return 0, err
	}
	if !s.changes {
		return 0, nil
	}
	return int64(c.conn.Changes()), nil
}

func (c *liteConn) query(query string, args []any) (*liteStmt, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	return s, s.bind(args)
}

func (s *liteStmt) next() (bool, error) { return s.stmt.Step() }

func (s *liteStmt) close() error { return s.stmt.Reset() }

func (s *liteStmt) scan(column int, dest any) error {
	switch s.stmt.ColumnType(column) {
	case sqlite.TypeNull:
		return assign(dest, cell{})
	case sqlite.TypeInteger:
		return assign(dest, cell{kind: integer, i: s.stmt.ColumnInt64(column)})
	case sqlite.TypeText:
		return assign(dest, cell{kind: text, s: s.stmt.ColumnText(column)})
	case sqlite.TypeBlob:
		b := make([]byte, s.stmt.ColumnLen(column))
		s.stmt.ColumnBytes(column, b)
		return assign(dest, cell{kind: blob, b: b})
	}
	return problem.New(problem.Internal, "db.scan", "column", "float")
}

func (c *liteConn) close() error { return c.conn.Close() }
