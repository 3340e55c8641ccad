//go:build unix

package db

import (
	"errors"
	"os"
	"syscall"

	"encaisse/base/problem"
)

// lockFile makes this process the one that writes. The lock is on a file of its
// own: SQLite's locks on the database belong to SQLite, and one group waits for
// no other process.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, problem.New(problem.Conflict, "db.in_use", "file", path)
	}
	return nil, err
}
