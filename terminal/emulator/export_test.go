package emulator

import "encaisse/base/id"

// Approved tells whether the reader remembers that the issuer said yes.
func (e *Emulator) Approved(a id.Attempt) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.memory.attemptKnown(a)
	return known != nil && known.Approval != nil
}
