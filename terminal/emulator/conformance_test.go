package emulator_test

import (
	"context"
	"testing"

	"encaisse/base/clock"
	"encaisse/terminal/emulator"
	"encaisse/terminal/nexo"
	"encaisse/terminal/terminaltest"
)

// kitReader is an emulated reader as the hub's conformance suite wants it.
type kitReader struct{ *emulator.Emulator }

func (k kitReader) Next(p terminaltest.Play) {
	switch p {
	case terminaltest.Tap:
		k.Hand(&emulator.Hand{Card: "wallet", Gesture: emulator.Tap})
	case terminaltest.Press:
		k.Hand(&emulator.Hand{Card: "wallet", Cancel: true})
	default:
		k.Hand(nil)
	}
}

func (k kitReader) Show() { _ = k.Present("wallet", emulator.Tap) }

func (k kitReader) Cut() { _ = k.SetNetwork(emulator.NetworkNone) }

func (k kitReader) Join() { _ = k.SetNetwork(emulator.NetworkWiFi) }

// TestHub holds the emulator and the real hub against each other.
func TestHub(t *testing.T) {
	protocol := nexo.New("test")
	terminaltest.Run(t, terminaltest.Kit{Protocol: protocol, Start: func(t testing.TB, hub, code string) terminaltest.Reader {
		e, err := emulator.New(emulator.Options{Clock: clock.Real{}, Protocol: protocol, Hub: hub, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Pair(context.Background(), code); err != nil {
			t.Fatal(err)
		}
		e.Hand(&emulator.Hand{Card: "wallet", Gesture: emulator.Tap})
		e.Start()
		t.Cleanup(func() { e.Close() })
		return kitReader{e}
	}})
}
