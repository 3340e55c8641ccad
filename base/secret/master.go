package secret

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"encaisse/base/problem"
)

const (
	masterMark = "encaisse-master-1" // how the text of a Master begins
	checkBytes = 4                   // of the SHA-256 at its end: a key copied by hand is not to be mistaken for another

	masterMode  fs.FileMode = 0o600
	othersMode  fs.FileMode = 0o077 // what no master file may allow
	maxFileSize             = 64 << 10
)

// Text is the Master as one line, for the environment: the mark, the keys in base64,
// a check. Whoever has it can read everything: it is written to files and read from
// the environment, never logged or sent.
func (m *Master) Text() (string, error) {
	plain, err := serialize(m.keys)
	if err != nil {
		return "", err
	}
	defer clear(plain)
	return masterMark + "." + base64.RawURLEncoding.EncodeToString(plain) + "." + check(plain), nil
}

// ParseMaster reads a Master from its Text; white space around it is ignored. Error:
// secret.master_malformed, which never quotes the text.
func ParseMaster(text string) (*Master, error) {
	parts := strings.Split(strings.TrimSpace(text), ".")
	if len(parts) != 3 || parts[0] != masterMark {
		return nil, malformed(nil)
	}
	plain, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, malformed(nil) // its error quotes a byte of the key
	}
	defer clear(plain)
	if check(plain) != parts[2] {
		return nil, malformed(errors.New("its check does not match"))
	}
	keys, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(plain)))
	if err != nil {
		return nil, malformed(err)
	}
	m, err := newMaster(keys)
	if err != nil {
		return nil, malformed(err)
	}
	return m, nil
}

func check(plain []byte) string {
	sum := sha256.Sum256(plain)
	return hex.EncodeToString(sum[:checkBytes])
}

// LoadMaster reads a Master from its file. Errors: secret.file, secret.file_mode when
// the group or the world may read or write it, secret.master_malformed.
func LoadMaster(path string) (*Master, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, badFile(err)
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return nil, badFile(err)
	}
	if !about.Mode().IsRegular() {
		return nil, badFile(errors.New("not a regular file"))
	}
	// Windows has no such bits: there the folder's own rights must do.
	if mode := about.Mode().Perm(); mode&othersMode != 0 && runtime.GOOS != "windows" {
		return nil, problem.New(problem.Invalid, "secret.file_mode", "mode", fmt.Sprintf("%04o", mode))
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFileSize))
	if err != nil {
		return nil, badFile(err)
	}
	defer clear(text)
	return ParseMaster(string(text))
}

// Save writes the Master to a file of mode 0600 that survives a power cut. A file that
// is there is replaced, at once and whole, only if this Master holds every key of it,
// as after Rotate. Errors: secret.exists when it holds another, secret.file, and those
// of LoadMaster for the file that is there.
func (m *Master) Save(path string) error {
	text, err := m.Text()
	if err != nil {
		return err
	}
	text += "\n"
	err = writeNew(path, text)
	if !errors.Is(err, fs.ErrExist) {
		return badFile(err)
	}
	old, err := LoadMaster(path)
	if err != nil {
		return err
	}
	if !m.holds(old) {
		return problem.New(problem.Conflict, "secret.exists")
	}
	beside := path + ".new"
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return badFile(err) // left by a rotation that was cut short
	}
	if err := writeNew(beside, text); err != nil {
		return badFile(err)
	}
	if err := os.Rename(beside, path); err != nil {
		return badFile(err)
	}
	return badFile(syncFolder(path))
}

// holds tells whether every key of old is in m.
func (m *Master) holds(old *Master) bool {
	mine := make(map[uint32][]byte)
	for _, key := range insecurecleartextkeyset.KeysetMaterial(m.keys).GetKey() {
		mine[key.GetKeyId()] = key.GetKeyData().GetValue()
	}
	for _, key := range insecurecleartextkeyset.KeysetMaterial(old.keys).GetKey() {
		if value, there := mine[key.GetKeyId()]; !there || !bytes.Equal(value, key.GetKeyData().GetValue()) {
			return false
		}
	}
	return true
}

// writeNew makes a file that must not exist and brings it to the disk.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, masterMode)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = syncFolder(path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// syncFolder makes the name of a file durable.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // which cannot sync a folder
		return nil
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// badFile wraps the error of the file system; nil stays nil.
func badFile(cause error) error {
	if cause == nil {
		return nil
	}
	return problem.New(problem.Invalid, "secret.file").Because(cause)
}

func malformed(cause error) error {
	return problem.New(problem.Invalid, "secret.master_malformed").Because(cause)
}
