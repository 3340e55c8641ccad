package fiscal

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"encaisse/base/db"
	"encaisse/base/id"
)

// maxCheckpointLine bounds a line of a checkpoint file.
const maxCheckpointLine = 4096

// Checkpoint says how long a chain was, and what it held, at some moment.
type Checkpoint struct {
	Origin    string
	Size      int64
	Root      Hash
	Text      []byte // what is signed
	Signer    string // name in the signature line
	KeyHash   uint32
	Signature []byte
}

// Checkpoints is a file outside the database to which signed checkpoints are
// appended: hourly, at each Z, and at the end of a replay. It is what finds a
// tail that was dropped consistently from every table. Copy it elsewhere, mail
// it, print it: an older copy proves as much.
//
// The file is a sequence of signed notes (C2SP signed-note, tlog-checkpoint),
// each followed by an empty line.
type Checkpoints struct {
	path string
	mu   sync.Mutex
	done map[id.Chain]int64 // size last written, so that an idle chain is not repeated
}

// NewCheckpoints appends to path, which is made when first needed.
func NewCheckpoints(path string) *Checkpoints {
	return &Checkpoints{path: path, done: make(map[id.Chain]int64)}
}

// Path is the file's name.
func (f *Checkpoints) Path() string { return f.path }

// Write appends the current checkpoint of every chain of the merchant that grew
// since the last time, and returns how many it wrote. The file is synced before
// Write returns.
func (f *Checkpoints) Write(ctx context.Context, d *db.DB, m id.Merchant) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var notes []byte
	grown := make(map[id.Chain]int64)
	err := d.Read(ctx, func(tx *db.Tx) error {
		notes, grown = nil, make(map[id.Chain]int64)
		keys, err := readVerifiers(tx, m)
		if err != nil {
			return err
		}
		chains, err := readChains(tx, m)
		if err != nil {
			return err
		}
		for _, c := range chains {
			if c.seq == f.done[c.id] {
				continue
			}
			text, err := noteOf(tx, c, keys[c.signer])
			if err != nil {
				return err
			}
			notes = append(append(notes, text...), '\n')
			grown[c.id] = c.seq
		}
		return nil
	})
	if err != nil || len(grown) == 0 {
		return 0, err
	}
	if err := appendSynced(f.path, notes); err != nil {
		return 0, err
	}
	for chainID, size := range grown {
		f.done[chainID] = size
	}
	return len(grown), nil
}

// noteOf is the current checkpoint of a chain, whose records key signs.
func noteOf(tx *db.Tx, c *chain, key *verifier) ([]byte, error) {
	if key == nil {
		return nil, fmt.Errorf("chain %s: no public key", c.origin)
	}
	edge, err := readEdge(c.stored, c.seq)
	if err != nil {
		return nil, fmt.Errorf("chain %s: %w", c.origin, err)
	}
	last, err := readLast(tx, c.merchant, c.id)
	if err != nil {
		return nil, err
	}
	return signedNote(checkpointText(c.origin, c.seq, edge.root()), key, last.Signature), nil
}

// signedNote joins a text and its signature as a signed note. The signature is
// the one the last record carries: nothing is signed anew.
func signedNote(text []byte, key *verifier, signature []byte) []byte {
	raw := binary.BigEndian.AppendUint32(nil, key.hash)
	raw = append(raw, signature...)
	out := append([]byte{}, text...)
	out = append(out, "\n— "+key.name+" "...)
	out = base64.StdEncoding.AppendEncode(out, raw)
	return append(out, '\n')
}

// cutShort is the line that says that the note before it was cut short, by a
// power failure while it was written, and does not count.
const cutShort = "(cut short)"

// appendSynced appends notes to the file. Where the file does not end as a note
// does, what it ends with is marked as cut short first.
func appendSynced(path string, notes []byte) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	tail := make([]byte, min(end, 2))
	if _, err := file.ReadAt(tail, end-int64(len(tail))); err != nil {
		return err
	}
	if end > 0 && string(tail) != "\n\n" {
		notes = append([]byte("\n"+cutShort+"\n\n"), notes...)
	}
	if _, err := file.Write(notes); err != nil {
		return err
	}
	return file.Sync()
}

// errCheckpoint means that a checkpoint file does not read as signed notes.
var errCheckpoint = errors.New("not a checkpoint")

// ReadCheckpoints reads a checkpoint file. A note cut short by a power failure,
// at the very end or marked so where others followed, is left out; anything else
// that does not parse is an error that names the line.
func ReadCheckpoints(r io.Reader) ([]Checkpoint, error) {
	in := bufio.NewReaderSize(r, maxCheckpointLine)
	var found []Checkpoint
	var note []string
	var bad error // of a note just read: forgiven when the next line says that it was cut short
	for line := 1; ; line++ {
		raw, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) { // without its end: cut short
			return found, bad
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, errCheckpoint)
		}
		text := string(raw[:len(raw)-1])
		if text == cutShort {
			if len(note) == 0 && bad == nil && len(found) > 0 { // its signature may still have read as one
				found = found[:len(found)-1]
			}
			note, bad = nil, nil
			continue
		}
		if bad != nil {
			return nil, bad
		}
		if text == "" && len(note) == 0 {
			continue
		}
		if note = append(note, text); len(note) == 5 {
			c, err := parseCheckpoint(note)
			if err != nil {
				bad = fmt.Errorf("line %d: %w", line, err)
			} else {
				found = append(found, c)
			}
			note = nil
		}
	}
}

// parseCheckpoint reads the five lines of a note: origin, size, root, empty, signature.
func parseCheckpoint(lines []string) (Checkpoint, error) {
	size, err := strconv.ParseInt(lines[1], 10, 64)
	root, rootErr := base64.StdEncoding.DecodeString(lines[2])
	name, encoded, found := strings.Cut(strings.TrimPrefix(lines[4], "— "), " ")
	raw, sigErr := base64.StdEncoding.DecodeString(encoded)
	if err != nil || rootErr != nil || sigErr != nil || !found || size < 1 || len(root) != len(Hash{}) ||
		lines[3] != "" || !strings.HasPrefix(lines[4], "— ") || len(raw) < 5 {
		return Checkpoint{}, errCheckpoint
	}
	c := Checkpoint{Origin: lines[0], Size: size, Signer: name, KeyHash: binary.BigEndian.Uint32(raw), Signature: raw[4:]}
	copy(c.Root[:], root)
	c.Text = checkpointText(c.Origin, c.Size, c.Root)
	return c, nil
}

func readVerifiers(tx *db.Tx, m id.Merchant) (map[id.Signer]*verifier, error) {
	public, err := readPublicKeys(tx, m)
	if err != nil {
		return nil, err
	}
	keys := make(map[id.Signer]*verifier, len(public))
	for signerID, text := range public {
		key, err := parsePublicKey(text)
		if err != nil {
			return nil, fmt.Errorf("signer %s: %w", signerID, err)
		}
		keys[signerID] = key
	}
	return keys, nil
}
