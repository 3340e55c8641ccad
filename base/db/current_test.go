package db_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/schema"
)

var update = flag.Bool("update", false, "write current.sql anew from the migrations")

// object is a table or an index as SQLite keeps it.
type object struct{ Kind, Name, SQL string }

// objects lists what is in a file, tables in the order they were made, each
// followed by its indexes. Triggers stand in files of their own.
func objects(t *testing.T, file string) []object {
	t.Helper()
	conn, err := sqlite.OpenConn(file, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var all []object
	err = sqlitex.Execute(conn, `SELECT o.type, o.name, o.sql FROM sqlite_master AS o
		JOIN sqlite_master AS t ON t.name = o.tbl_name AND t.type = 'table'
		WHERE o.type IN ('table', 'index') AND o.sql IS NOT NULL AND o.name NOT LIKE 'sqlite_%' AND o.name NOT LIKE 'goose_%'
		ORDER BY t.rowid, o.type DESC, o.rowid`, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		all = append(all, object{s.ColumnText(0), s.ColumnText(1), s.ColumnText(2)})
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// loaded is what a script makes of an empty file.
func loaded(t *testing.T, script string) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "loaded.db")
	conn, err := sqlite.OpenConn(file, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := sqlitex.ExecuteScript(conn, script, nil); err != nil {
		t.Fatal(err)
	}
	return bare(objects(t, file))
}

var (
	comment = regexp.MustCompile(`--[^\n]*`)
	space   = regexp.MustCompile(`\s+`)
)

// bare is the schema without its comments and its layout.
func bare(all []object) map[string]string {
	out := map[string]string{}
	for _, o := range all {
		out[o.Kind+" "+o.Name] = space.ReplaceAllString(comment.ReplaceAllString(o.SQL, ""), " ")
	}
	return out
}

const currentFile = "../../schema/current.sql"

const head = `-- Today's schema, for people to read: what the numbered migrations lead to, as SQLite
-- keeps it. A test holds it to them; go test ./base/db -run Current -update writes it anew.
-- The triggers that seal tables are in sealed_sqlite.sql and sealed_postgres.sql.
`

// TestCurrentIsWhatTheMigrationsLeadTo loads current.sql into an empty file and
// compares it with a migrated one.
func TestCurrentIsWhatTheMigrationsLeadTo(t *testing.T) {
	_, dsn := dbtest.Open(t, db.SQLite)
	want := objects(t, strings.TrimPrefix(dsn, "sqlite:"))
	if *update {
		var text strings.Builder
		text.WriteString(head)
		for _, o := range want {
			if o.Kind == "table" {
				text.WriteString("\n")
			}
			text.WriteString(o.SQL + ";\n")
		}
		if err := os.WriteFile(currentFile, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	current, err := os.ReadFile(currentFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bare(want), loaded(t, string(current))); diff != "" {
		t.Errorf("current.sql is not today's schema (-migrated +current.sql): go test ./base/db -run Current -update\n%s", diff)
	}
	if len(want) < 20 {
		t.Errorf("only %d tables and indexes: the comparison compares nothing", len(want))
	}
}

// The comparison can fail.
func TestADifferenceIsSeen(t *testing.T) {
	one := loaded(t, "CREATE TABLE a (\n  x BIGINT -- why\n);")
	same := loaded(t, "CREATE TABLE a ( x BIGINT );")
	other := loaded(t, "CREATE TABLE a (x BIGINT NOT NULL); CREATE INDEX i ON a (x);")
	if !cmp.Equal(one, same) || cmp.Equal(one, other) || len(other) != 2 {
		t.Errorf("%v, %v, %v", one, same, other)
	}
}

// TestSealsAreTheSameOnBothEngines: the same tables are sealed against the same
// changes, under the same conditions.
func TestSealsAreTheSameOnBothEngines(t *testing.T) {
	lite, postgres := forbidden(schema.SealedSQLite()), forbidden(schema.SealedPostgres())
	for seal := range postgres { // SQLite has no TRUNCATE
		if strings.HasPrefix(seal, "TRUNCATE") {
			delete(postgres, seal)
		}
	}
	if diff := cmp.Diff(lite, postgres); diff != "" || len(lite) < 20 {
		t.Errorf("%d seals; they differ (-SQLite +PostgreSQL):\n%s", len(lite), diff)
	}
}

var trigger = regexp.MustCompile(`(?s)TRIGGER \w+ BEFORE (UPDATE OR DELETE|\w+) ON (\w+)(?: FOR EACH \w+)?(?:\s+WHEN (.*?))?\s+(?:BEGIN|EXECUTE)`)

// forbidden reads a script: what is forbidden, on which table, and when.
func forbidden(script string) map[string]string {
	out := map[string]string{}
	for _, m := range trigger.FindAllStringSubmatch(script, -1) {
		condition := space.ReplaceAllString(strings.Trim(m[3], "()"), " ")
		for _, act := range strings.Split(m[1], " OR ") {
			out[act+" "+m[2]] = condition
		}
	}
	return out
}
