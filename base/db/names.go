package db

import (
	"errors"
	"strings"
)

// SQLite says which columns were to be unique and PostgreSQL which index or
// constraint. This asks the schema for the name that PostgreSQL would say, so that
// a caller finds the same one on both.
const uniqueIndexes = `SELECT l.name, l.origin, (SELECT group_concat(i.name, ',') FROM pragma_index_info(l.name) AS i)
	FROM pragma_index_list($1) AS l WHERE l."unique"`

// nameConstraint names the constraint of a unique violation. Where it cannot, the
// columns stay.
func (c *liteConn) nameConstraint(err error) {
	var v *Violation
	if !errors.As(err, &v) || v.Kind != Unique {
		return
	}
	if name := c.constraintName(v.Constraint); name != "" {
		v.Constraint = name
	}
}

// constraintName turns "table.a, table.b" into the name of the index on those.
func (c *liteConn) constraintName(columns string) string {
	table, _, _ := strings.Cut(columns, ".")
	list := strings.ReplaceAll(strings.ReplaceAll(columns, table+".", ""), ", ", ",")
	s, err := c.query(uniqueIndexes, []any{table})
	if err != nil {
		return ""
	}
	defer s.close()
	for {
		row, err := s.next()
		if err != nil || !row {
			return ""
		}
		if s.stmt.ColumnText(2) != list {
			continue
		}
		switch s.stmt.ColumnText(1) {
		case "pk":
			return table + "_pkey"
		case "u":
			return table + "_" + strings.ReplaceAll(list, ",", "_") + "_key"
		}
		return s.stmt.ColumnText(0)
	}
}
