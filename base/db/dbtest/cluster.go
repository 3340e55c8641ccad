package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// startPatience is how long a cluster may take to be made and to answer.
	startPatience = 60 * time.Second
	// startPoll is the time between two tries to connect.
	startPoll = 20 * time.Millisecond
	// serverUser runs the server where the tests run as root: PostgreSQL refuses root.
	serverUser = "postgres"
)

// supervisor makes a cluster in $2 with the programs in $1, runs it until its
// standard input ends, which it does when the test program is gone however it
// went, and leaves nothing behind.
const supervisor = `
"$1/initdb" -D "$2/data" -U encaisse -A trust -E UTF8 --locale=C -N >"$2/log" 2>&1 || exit 1
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=300 >>"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -INT $server
wait $server
rm -rf "$2"
`

// cluster is the one of this test program, started when first needed.
var cluster = sync.OnceValues(func() (string, error) {
	if dsn := os.Getenv("ENCAISSE_TEST_PG"); dsn != "" {
		return dsn, nil
	}
	dsn, _, err := StartCluster() // it stops when this program ends
	return dsn, err
})

// StartCluster starts a PostgreSQL cluster of its own, reachable through a socket
// only, with the durability the server has by default. adminURL is for somebody
// who may create databases; stop ends it and removes it. If the program ends
// without stop, the cluster ends too.
func StartCluster() (adminURL string, stop func(), err error) {
	programs, err := findPrograms()
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "encpg") // short: a socket's path has 107 bytes at most
	if err != nil {
		return "", nil, err
	}
	attributes, err := unprivileged(dir)
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(dir))
	}
	command := exec.Command("/bin/sh", "-c", supervisor, "supervisor", programs, dir)
	command.Dir, command.SysProcAttr = dir, attributes
	alive, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(dir))
	}
	ended := make(chan struct{})
	go func() { command.Wait(); close(ended) }()
	stop = func() {
		alive.Close()
		<-ended
	}
	adminURL = "postgres:///postgres?" + url.Values{"host": {dir}, "user": {"encaisse"}}.Encode()
	if err := answers(adminURL, ended); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		stop()
		return "", nil, fmt.Errorf("dbtest: %w: %s", err, log)
	}
	return adminURL, stop, nil
}

// answers waits until the server accepts a connection.
func answers(adminURL string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, adminURL)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ended:
			return errors.New("the server did not start")
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// findPrograms is the folder of PostgreSQL's server programs: in PATH, or where
// Debian puts them.
func findPrograms() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(initdb); err == nil {
			return filepath.Dir(real), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.Join(errors.New("no initdb: apt-get install postgresql-15"), err)
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

// unprivileged makes dir the server's, and says who runs it: nobody else than
// the one who runs the tests, unless that is root. It has its own session, so
// that a Ctrl-C at the terminal reaches the tests first.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if os.Getuid() != 0 {
		return attributes, nil
	}
	who, err := user.Lookup(serverUser)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(who.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(who.Gid)
	if err != nil {
		return nil, err
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, os.Chown(dir, uid, gid)
}
