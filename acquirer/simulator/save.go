package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// stateVersion is the form of a state file.
const stateVersion = 1

// saver keeps the state in a file. An answer leaves only when the file holds
// what it says: writers that wait share one writing.
type saver struct {
	path string

	marked uint64 // changes; the state's lock guards it

	mu      sync.Mutex
	written uint64 // changes the file holds
}

// kept is the file. It holds numbers of test cards, which are public, and no
// other card data.
type kept struct {
	Version   int                  `json:"version"`
	Next      int64                `json:"next"`
	Accounts  []Account            `json:"accounts"`
	Contracts []Contract           `json:"contracts"`
	Approvals []*Approval          `json:"approvals"`
	Batches   []*Batch             `json:"batches"`
	Answers   []keptAnswer         `json:"answers"`
	Withdrawn map[string]time.Time `json:"withdrawn"`
}

type keptAnswer struct {
	Key string `json:"key"`
	answer
}

// mark notes a change and gives the ticket to wait with. The state is locked.
func (v *saver) mark() uint64 {
	v.marked++
	return v.marked
}

// save returns when the file holds the change of a ticket.
func (s *Simulator) save(ticket uint64) error {
	if s.saver.path == "" {
		return nil
	}
	s.saver.mu.Lock()
	defer s.saver.mu.Unlock()
	if s.saver.written >= ticket {
		return nil
	}
	s.mu.Lock()
	holds := s.saver.marked
	text, err := json.Marshal(s.host.kept())
	s.mu.Unlock()
	if err == nil {
		err = replace(s.saver.path, text)
	}
	if err != nil {
		return fmt.Errorf("simulator: state: %w", err)
	}
	s.saver.written = holds
	return nil
}

// replace writes a file as a whole or not at all.
func replace(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // it is of no use to anybody
	}
	return err
}

func (h *host) kept() kept {
	k := kept{Version: stateVersion, Next: h.next, Withdrawn: h.withdrawn.values}
	for _, name := range h.names {
		k.Accounts = append(k.Accounts, *h.accounts[name])
	}
	for _, c := range h.contracts {
		k.Contracts = append(k.Contracts, *c)
	}
	h.approvals.each(func(_ string, a *Approval) { k.Approvals = append(k.Approvals, a) })
	h.batches.each(func(_ string, b *Batch) { k.Batches = append(k.Batches, b) })
	h.answers.each(func(key string, a answer) { k.Answers = append(k.Answers, keptAnswer{key, a}) })
	return k
}

// load fills an empty host; false where there is no file yet.
func (v *saver) load(h *host) (bool, error) {
	if v.path == "" {
		return false, nil
	}
	text, err := os.ReadFile(v.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("simulator: state: %w", err)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil || k.Version != stateVersion {
		return false, fmt.Errorf("simulator: %s is no state of this version", v.path)
	}
	return true, h.restore(k)
}

func (h *host) restore(k kept) error {
	h.next = k.Next
	for _, a := range k.Accounts {
		if _, err := h.putAccount(a); err != nil {
			return err
		}
		h.accounts[a.Name].Used = a.Used
	}
	for _, c := range k.Contracts {
		if _, err := h.putContract(c); err != nil {
			return err
		}
	}
	for _, a := range k.Approvals {
		h.approvals.put(a.Key, a)
		h.byRRN[a.RRN] = a
		if a.State == Approved {
			h.live++
		}
	}
	for _, b := range k.Batches {
		h.batches.put(b.key(), b)
	}
	for _, a := range k.Answers {
		h.answers.put(a.Key, a.answer)
	}
	for key, at := range k.Withdrawn {
		h.withdrawn.put(key, at)
	}
	return nil
}
