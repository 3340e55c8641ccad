package emulator

import (
	"encaisse/base/problem"
	"encaisse/terminal"
)

// Network is what the reader is connected with (T08).
type Network string

// Networks.
const (
	NetworkWiFi     Network = "wifi"
	NetworkCellular Network = "cellular"
	NetworkNone     Network = "none"
)

const (
	batteryLow   = 15 // percent, from which on the screen warns
	batteryEmpty = 0
)

// device is the physical side of a reader (T08). Its owner locks.
type device struct {
	on        bool
	network   Network
	battery   int64 // percent
	charging  bool
	asleep    bool
	optimised bool // the system ends the connection when the reader sleeps (SRC-044): how it is delivered
}

func newDevice() device { return device{on: true, network: NetworkWiFi, battery: 87, optimised: true} }

// wanted tells whether there should be a connection to the hub.
func (d device) wanted() bool {
	return d.on && d.network != NetworkNone && !(d.asleep && d.optimised)
}

// health is how the reader says it is. The caller holds the lock.
func (e *Emulator) health() terminal.Health {
	return terminal.Health{
		Battery: e.device.battery, Charging: e.device.charging, Network: string(e.device.network),
		Printer: e.roll.state(), Asleep: e.device.asleep,
	}
}

// SetNetwork changes the network; none cuts the link without a word.
func (e *Emulator) SetNetwork(n Network) error {
	if n != NetworkWiFi && n != NetworkCellular && n != NetworkNone {
		return problem.New(problem.Invalid, "emulator.network").At("network")
	}
	e.changeDevice(func(d *device) { d.network = n })
	if n == NetworkNone {
		e.link.cut()
	}
	e.link.poke()
	return nil
}

// SetBattery changes the charge. A flat battery switches the reader off, as
// abruptly as it is in life; charging it switches it on again.
func (e *Emulator) SetBattery(percent int64, charging bool) error {
	if percent < batteryEmpty || percent > 100 {
		return problem.New(problem.Invalid, "emulator.battery").At("percent")
	}
	on := percent > batteryEmpty
	e.mu.Lock()
	switched := e.device.on != on
	if switched {
		e.boot() // what it was at is over, whether it goes or comes
	}
	e.device.battery, e.device.charging, e.device.on = percent, charging, on
	e.notify()
	e.mu.Unlock()
	switch {
	case !switched:
		e.tellNews(terminal.NewsHealth)
	case on:
		e.link.poke()
	default:
		e.link.cut()
	}
	return nil
}

// SetOptimised is the setting « Application optimisée » of the reader's battery
// menu (SRC-044): while it is on, a reader that sleeps leaves the network.
func (e *Emulator) SetOptimised(on bool) {
	e.changeDevice(func(d *device) { d.optimised = on })
	e.link.poke()
}

// Sleep puts the reader to sleep, unless it is working.
func (e *Emulator) Sleep() {
	e.mu.Lock()
	if e.current != nil || !e.device.on || e.device.asleep {
		e.mu.Unlock()
		return
	}
	e.device.asleep = true
	leaves := e.device.optimised
	e.screen = Screen{}
	e.notify()
	e.mu.Unlock()
	e.tellNews(terminal.NewsSleep)
	if leaves {
		e.link.leave() // after the word about it
	}
}

// Wake wakes it, as a key does.
func (e *Emulator) Wake() {
	e.mu.Lock()
	e.wake()
	e.touchLocked()
	e.mu.Unlock()
}

// wake is Wake for whoever holds the lock.
func (e *Emulator) wake() {
	if !e.device.asleep {
		return
	}
	e.device.asleep = false
	e.notify()
	e.link.poke()
	if e.link.up() {
		go e.tellNews(terminal.NewsWake)
	}
}

// SetMenu opens or closes the merchant's own menu on the reader, which keeps
// every request out: busy.
func (e *Emulator) SetMenu(open bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil {
		e.menu = open
	}
	e.notify()
}

func (e *Emulator) changeDevice(change func(*device)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.device)
	e.notify()
}

// tellNews sends a piece of news with the reader's health.
func (e *Emulator) tellNews(n terminal.News) {
	e.mu.Lock()
	h := e.health()
	e.mu.Unlock()
	e.tell(terminal.Message{Notice: &terminal.Notice{News: n, Health: &h}})
}

// touch puts off sleep: something was done.
func (e *Emulator) touch() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.touchLocked()
}

func (e *Emulator) touchLocked() {
	if e.sleepAfter <= 0 || e.closed {
		return
	}
	stopTimer(e.idle)
	e.idle = e.clock.AfterFunc(e.sleepAfter, e.Sleep)
}
