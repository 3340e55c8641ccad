//go:build !unix

package db

import "os"

// lockFile only opens the file: here SQLite's own locks keep two writers apart.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
