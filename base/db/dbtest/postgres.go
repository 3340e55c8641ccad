package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"encaisse/base/db"
	"encaisse/schema"
)

const (
	// poolSize is how many connections a test's database may have.
	poolSize = "8"
	// templateLock is the advisory lock of whoever makes the template.
	templateLock = 0x656e6361
)

// postgres makes a database of its own for a test, a copy of a template.
func postgres(t testing.TB, template func(ctx context.Context, admin string) (string, error)) string {
	t.Helper()
	admin, err := cluster()
	if err != nil {
		missing(t, err)
	}
	ctx := context.Background()
	source, err := template(ctx, admin)
	if err != nil {
		t.Fatalf("dbtest: template: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := administer(ctx, admin, "CREATE DATABASE "+name+" TEMPLATE "+source); err != nil {
		t.Fatalf("dbtest: create: %v", err)
	}
	t.Cleanup(func() {
		if err := administer(ctx, admin, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dbtest: drop: %v", err)
		}
	})
	return withDatabase(admin, name)
}

// withDatabase is a cluster's URL with another database.
func withDatabase(admin, name string) string {
	u, err := url.Parse(admin)
	if err != nil {
		return admin
	}
	query := u.Query()
	query.Set("pool_max_conns", poolSize)
	u.Path, u.RawQuery = "/"+name, query.Encode()
	return u.String()
}

func administer(ctx context.Context, admin, statement string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
	return err
}

// templateOf is the migrated database that the others are copied from, made once
// a cluster and schema. It gets its name last, so that nobody copies half of it.
func templateOf(ctx context.Context, admin string) (string, error) {
	name, err := templateName()
	if err != nil {
		return "", err
	}
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx) // which gives the lock back
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", templateLock); err != nil {
		return "", err
	}
	var there bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&there)
	if err != nil || there {
		return name, err
	}
	half := "half_" + strings.ToLower(rand.Text())
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+half+" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"); err != nil {
		return "", err
	}
	d, err := db.Open(ctx, withDatabase(admin, half), db.Options{})
	if err != nil {
		return "", err
	}
	if err := d.Close(); err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+half+" RENAME TO "+name)
	return name, err
}

// templateName changes with the schema.
func templateName() (string, error) {
	h := sha256.New()
	h.Write([]byte(schema.SealedPostgres()))
	files, err := fs.Glob(schema.Migrations(), "*.sql")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		content, err := fs.ReadFile(schema.Migrations(), file)
		if err != nil {
			return "", err
		}
		h.Write(content)
	}
	return "template_" + hex.EncodeToString(h.Sum(nil)[:8]), nil
}
