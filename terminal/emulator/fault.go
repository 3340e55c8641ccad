package emulator

import (
	"slices"
	"time"
)

// Action is something that breaks.
type Action string

// Actions.
const (
	CutLink      Action = "cut_link"      // the connection ends without a word; the reader dials again
	LoseNetwork  Action = "lose_network"  // no connection for a while, or until somebody puts it back
	Restart      Action = "restart"       // the reader is switched off and on
	PullCard     Action = "pull_card"     // the holder takes the card
	DropOut      Action = "drop_out"      // the next message to the hub is lost
	DuplicateOut Action = "duplicate_out" // it is sent twice
	DelayOut     Action = "delay_out"     // it leaves later, behind those after it
	DropIn       Action = "drop_in"       // the next message from the hub is lost
	DuplicateIn  Action = "duplicate_in"  // it arrives twice
	DelayIn      Action = "delay_in"      // it arrives later
	SplitTCP     Action = "split_tcp"     // what leaves from now on leaves byte by byte
)

// Actions lists them.
func Actions() []Action {
	return []Action{CutLink, LoseNetwork, Restart, PullCard, DropOut, DuplicateOut, DelayOut, DropIn, DuplicateIn, DelayIn, SplitTCP}
}

// Fault is an action at a point of the next dialogue that reaches it.
type Fault struct {
	At  Point
	Do  Action
	For time.Duration // of a lost network and of delays
}

// faults are what is planned and what has struck.
type faults struct {
	planned []Fault
	struck  map[Fault]int // with For left out
}

// Plan adds faults. Each strikes once.
func (e *Emulator) Plan(f ...Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults.planned = append(e.faults.planned, f...)
}

// Planned lists the faults that have not struck.
func (e *Emulator) Planned() []Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.faults.planned)
}

// Struck counts the faults that did strike, by point and action.
func (e *Emulator) Struck() map[Fault]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make(map[Fault]int, len(e.faults.struck))
	for f, n := range e.faults.struck {
		out[f] = n
	}
	return out
}

// strike applies the faults planned for a point. It tells whether the dialogue
// is dead of it.
func (e *Emulator) strike(d *dialogue, p Point) (dead bool) {
	for _, f := range e.due(p) {
		switch f.Do {
		case CutLink:
			e.link.cut()
		case LoseNetwork:
			e.SetNetwork(NetworkNone)
			if f.For > 0 {
				e.clock.AfterFunc(f.For, func() { e.SetNetwork(NetworkWiFi) })
			}
		case Restart:
			e.Restart()
			dead = d != nil
		case PullCard:
			e.Remove()
		default:
			e.link.disturb(f)
		}
	}
	return dead
}

// due takes the faults of a point off the plan.
func (e *Emulator) due(p Point) (due []Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults.planned = slices.DeleteFunc(e.faults.planned, func(f Fault) bool {
		if f.At != p {
			return false
		}
		due = append(due, f)
		e.faults.struck[Fault{At: f.At, Do: f.Do}]++
		return true
	})
	if len(due) > 0 {
		e.notify()
	}
	return due
}
