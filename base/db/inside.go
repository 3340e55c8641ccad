package db

import (
	"reflect"
	"runtime"
)

const (
	// stackStep is how many frames are looked at in one go.
	stackStep = 64
	// callSize bounds the machine code of call, to tell its frames from others at
	// the price of a comparison.
	callSize = 4096
)

// call runs fn. Its frame on the stack is the mark that a goroutine is inside an
// fn; it must therefore stay a function of its own, and the only one to call fn.
//
//go:noinline
func call(fn func(*Tx) error, tx *Tx) error {
	err := fn(tx)
	return err
}

// insideMark finds out whether the current goroutine is inside an fn, of any
// database. fn gets no context that could carry a mark and Go has no variable of
// a goroutine, but a nested call has the frame of call below it on its own stack.
// To look there is exact, needs no bookkeeping, cannot be forgotten, and costs
// some ten nanoseconds a frame. What it does not see is an fn that starts another
// goroutine and waits for a Write of that one: fn touches nothing but its Tx.
type insideMark struct{ entry uintptr }

func findInsideMark() insideMark { return insideMark{entry: reflect.ValueOf(call).Pointer()} }

func (m insideMark) onStack() bool {
	var frames [stackStep]uintptr
	for skip := 3; ; skip += stackStep { // 3: Callers, onStack and mayBegin
		n := runtime.Callers(skip, frames[:])
		for _, pc := range frames[:n] {
			if pc > m.entry && pc-m.entry < callSize && runtime.FuncForPC(pc-1).Entry() == m.entry {
				return true
			}
		}
		if n < stackStep {
			return false
		}
	}
}
