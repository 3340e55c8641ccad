package emulator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"encaisse/base/id"
	"encaisse/terminal"
)

const (
	// remember is how long a concluded dialogue is kept after it was told: as long
	// as the number of its request may not come again.
	remember = 48 * time.Hour
	// maxEntries bounds what is kept of a reader busier than any person; what goes
	// when it is full, goes down to leaveEntries.
	maxEntries   = 50_000
	leaveEntries = 40_000
	// compactAfter is how many lines a file may hold beside what it says.
	compactAfter = 20_000

	maxTransaction = 999_999 // DRV-02: six digits
)

// memoryKey names a dialogue by the request that began it. Sale is empty for the hub's.
type memoryKey struct {
	Sale    string `json:"sale,omitempty"`
	Service string `json:"service"`
}

// remembered is one dialogue.
type remembered struct {
	Key        memoryKey            `json:"key"`
	Task       terminal.Dialogue    `json:"task"`
	Number     int64                `json:"number"`
	Began      time.Time            `json:"began"`
	Approval   *approval            `json:"approval,omitempty"` // the issuer said yes
	Conclusion *terminal.Conclusion `json:"conclusion,omitempty"`
	Told       bool                 `json:"told,omitempty"` // acknowledged: nobody need be told again
}

// approval is what must survive a restart of a yes.
type approval struct {
	Code     string `json:"code"`
	Approval string `json:"approval"`
}

// identity is who the reader is, and what lets it in.
type identity struct {
	Model      string `json:"model"`
	Serial     string `json:"serial"`
	Hub        string `json:"hub,omitempty"`
	Credential string `json:"credential,omitempty"`
}

// line is one line of the state file: what changed.
type line struct {
	Identity   *identity            `json:"identity,omitempty"`
	Parameters *terminal.Parameters `json:"parameters,omitempty"`
	Number     int64                `json:"number,omitempty"`
	Chips      map[string]chipState `json:"chips,omitempty"`
	Dialogue   *remembered          `json:"dialogue,omitempty"`
}

// memory is what a reader keeps when it is switched off: a file of lines, or,
// without one, itself. Its owner locks.
type memory struct {
	path  string
	file  *os.File
	lines int

	identity   identity
	parameters *terminal.Parameters
	number     int64
	chips      map[string]chipState
	dialogues  map[memoryKey]*remembered
	attempts   map[id.Attempt]memoryKey
	order      []memoryKey        // oldest first
	open       map[memoryKey]bool // not told
}

// openMemory reads a state file, or begins one; an empty path keeps nothing on disk.
func openMemory(path string, now time.Time) (*memory, error) {
	m := &memory{
		path: path, chips: map[string]chipState{}, dialogues: map[memoryKey]*remembered{}, attempts: map[id.Attempt]memoryKey{},
		open: map[memoryKey]bool{},
	}
	if path == "" {
		return m, nil
	}
	if err := m.read(); err != nil {
		return nil, err
	}
	m.prune(now)
	return m, m.compact()
}

func (m *memory) read() error {
	f, err := os.Open(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	from := bufio.NewScanner(f)
	from.Buffer(nil, 2*terminal.MaxMessage)
	for from.Scan() {
		var l line
		if err := json.Unmarshal(from.Bytes(), &l); err != nil {
			// A line cut by a power failure is the last one: what it said was not done.
			if from.Scan() {
				return fmt.Errorf("emulator: %s: line %d cannot be read", m.path, m.lines+1)
			}
			break
		}
		m.lines++
		m.take(l)
	}
	return from.Err()
}

// take applies a line.
func (m *memory) take(l line) {
	if l.Identity != nil {
		m.identity = *l.Identity
	}
	if l.Parameters != nil {
		m.parameters = l.Parameters
	}
	if l.Number > 0 {
		m.number = l.Number
	}
	for name, s := range l.Chips {
		m.chips[name] = s
	}
	if d := l.Dialogue; d != nil {
		if _, known := m.dialogues[d.Key]; !known {
			m.order = append(m.order, d.Key)
		}
		m.dialogues[d.Key], m.attempts[d.Task.Attempt] = d, d.Key
		if d.Told {
			delete(m.open, d.Key)
		} else {
			m.open[d.Key] = true
		}
	}
}

// keep applies a line and puts it on disk before it returns.
func (m *memory) keep(l line) error {
	m.take(l)
	if m.path == "" {
		return nil
	}
	if m.lines > compactAfter+2*len(m.order) {
		return m.compact()
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if _, err := m.file.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("emulator: state: %w", err)
	}
	m.lines++
	return m.file.Sync()
}

// compact writes the file anew with what it says now.
func (m *memory) compact() error {
	next := m.path + ".new"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // it holds a credential
	if err != nil {
		return fmt.Errorf("emulator: state: %w", err)
	}
	lines := []line{{Identity: &m.identity, Parameters: m.parameters, Number: m.number, Chips: m.chips}}
	for _, key := range m.order {
		lines = append(lines, line{Dialogue: m.dialogues[key]})
	}
	to := bufio.NewWriter(f)
	for _, l := range lines {
		b, err := json.Marshal(l)
		if err != nil {
			return err
		}
		to.Write(append(b, '\n')) // the error comes with Flush
	}
	if err := errors.Join(to.Flush(), f.Sync()); err != nil {
		f.Close()
		return fmt.Errorf("emulator: state: %w", err)
	}
	if err := os.Rename(next, m.path); err != nil {
		f.Close()
		return fmt.Errorf("emulator: state: %w", err)
	}
	if m.file != nil {
		m.file.Close()
	}
	m.file, m.lines = f, len(lines)
	return nil
}

// prune forgets what was told long ago.
func (m *memory) prune(now time.Time) {
	kept := m.order[:0]
	for i, key := range m.order {
		d := m.dialogues[key]
		if d.Told && (now.Sub(d.Began) > remember || len(m.order)-i > leaveEntries && len(m.order) >= maxEntries) {
			delete(m.dialogues, key)
			if m.attempts[d.Task.Attempt] == key {
				delete(m.attempts, d.Task.Attempt)
			}
			continue
		}
		kept = append(kept, key)
	}
	m.order = kept
}

// next is the number of the next transaction.
func (m *memory) next() int64 { return m.number%maxTransaction + 1 }

// untold are the dialogues whose end nobody acknowledged, oldest first.
func (m *memory) untold() []*remembered {
	return m.opened(func(d *remembered) bool { return d.Conclusion != nil })
}

// unfinished are the dialogues that have no end.
func (m *memory) unfinished() []*remembered {
	return m.opened(func(d *remembered) bool { return d.Conclusion == nil })
}

func (m *memory) opened(is func(*remembered) bool) (out []*remembered) {
	for key := range m.open {
		if d := m.dialogues[key]; is(d) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *remembered) int { return a.Began.Compare(b.Began) })
	return out
}

func (m *memory) close() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}
