// Package script holds transcripts of the command line: each file of testdata is
// what a person types and what the program answers, on either engine.
package script

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/test/sim"
)

func TestMain(m *testing.M) { sim.Main(m) }

// TestCommandLine runs the transcripts. In them $DB is a database that holds
// nothing yet, and the folder bakery has the small export of an invented till.
func TestCommandLine(t *testing.T) {
	sim.Each(t, func(t *testing.T, engine db.Engine) {
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata",
			Setup:               func(env *testscript.Env) error { return setUp(env, engine) },
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
			Condition: func(condition string) (bool, error) {
				if condition != db.SQLite.String() && condition != db.PostgreSQL.String() {
					return false, errors.New("no such condition")
				}
				return condition == engine.String(), nil
			},
			Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
				"start": start, "end": end, "curl": curl, "until": until, "printed": printed,
				"field": field, "object": object, "mode": mode, "spoil": spoil, "code": code,
			},
		})
	})
}

func setUp(env *testscript.Env, engine db.Engine) error {
	t, ok := env.T().(testing.TB)
	if !ok {
		return errors.New("not run by a test")
	}
	bin := filepath.Join(env.WorkDir, ".bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return err
	}
	if err := os.Symlink(sim.Program(), filepath.Join(bin, "encaisse")); err != nil {
		return err
	}
	env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
	env.Setenv("DB", "sqlite:shop.db")
	if engine == db.PostgreSQL {
		env.Setenv("DB", dbtest.DSN(t, engine))
	}
	env.Setenv("ENGINE", engine.String())
	env.Values[worldKey{}] = &world{t: t, running: make(map[string]*sim.Process)}
	return os.CopyFS(filepath.Join(env.WorkDir, "bakery"), os.DirFS(filepath.Join("testdata", "bakery")))
}

// code wants a command to end with an exit code: code 2 encaisse …
func code(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	have := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		have = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(have) != args[0] {
		ts.Fatalf("exit code %d", have)
	}
}

// field sets an environment variable from a member of the JSON object on the
// last line of a file: field VARIABLE member FILE.
func field(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: field VARIABLE member FILE")
	}
	value, found := lastObject(ts, args[2])[args[1]]
	if !found {
		ts.Fatalf("no member %s", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(value))
}

// object wants the last line of the last command's output to be one JSON object
// with these members and no others: object member…
func object(ts *testscript.TestScript, _ bool, args []string) {
	have := lastObject(ts, "stdout")
	for _, name := range args {
		if _, found := have[name]; !found {
			ts.Fatalf("no member %s", name)
		}
		delete(have, name)
	}
	for name := range have {
		ts.Fatalf("member %s was not expected", name)
	}
}

// mode wants a file to have a mode: mode 0600 FILE.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	about, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if have := fmt.Sprintf("%04o", about.Mode().Perm()); have != args[0] {
		ts.Fatalf("%s has mode %s", args[1], have)
	}
}

// spoil runs SQL on a database whose triggers it takes away first: spoil DB SQL.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	dsn := args[0]
	if file, found := strings.CutPrefix(dsn, "sqlite:"); found {
		dsn = "sqlite:" + ts.MkAbs(file)
	}
	engine := db.SQLite
	if !strings.HasPrefix(dsn, "sqlite:") {
		engine = db.PostgreSQL
	}
	shop := &sim.Shop{Engine: engine, DSN: dsn}
	sim.Spoil(worldOf(ts).t, shop, func(x *sim.Spoiler) { x.Exec(args[1]) })
}
