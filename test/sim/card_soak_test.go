package sim_test

import (
	"testing"

	"encaisse/test/sim"
)

// soakOnly leaves the days of cards to the soak: they drive a manual clock beside
// real sockets, and on a machine that is busy with other tests a reader's minute
// can pass while a message is on its way. What they found has its tests in the
// packages.
func soakOnly(t *testing.T) {
	t.Helper()
	if !sim.Soak() {
		t.Skip("days of cards are for the soak: ENCAISSE_SOAK=1")
	}
}
