// Package schema holds the database schema: the numbered migrations that lead to
// it, the triggers that seal what is written once, and current.sql, which is the
// whole of today's schema for people to read.
package schema

import (
	"embed"
	"io/fs"
)

//go:embed 0*.sql
var migrations embed.FS

//go:embed sealed_sqlite.sql
var sealedSQLite string

//go:embed sealed_postgres.sql
var sealedPostgres string

// Migrations are the numbered files, in goose's form.
func Migrations() fs.FS { return migrations }

// SealedSQLite is the script that seals the tables on SQLite; it may be run again.
func SealedSQLite() string { return sealedSQLite }

// SealedPostgres is the script that seals the tables on PostgreSQL; it may be run again.
func SealedPostgres() string { return sealedPostgres }
