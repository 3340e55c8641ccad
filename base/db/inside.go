package db

import (
	"reflect"
	"runtime"
)

const (
	// stackDepth is how many frames above a Write are searched for an fn.
	stackDepth = 256
	// callSize bounds the machine code of (*Tx).call, to tell its frames from
	// others at the price of a comparison.
	callSize = 4096
)

// call runs fn. Its frame on the stack is the mark that a goroutine is inside
// an fn; it must therefore stay a function of its own, and the only one to call fn.
//
//go:noinline
func call(fn func(*Tx) error, tx *Tx) error {
	err := fn(tx)
	return err
}

// insideMark finds out whether the current goroutine is inside an fn. fn gets
// no context to carry a mark and Go has no goroutine-local variable, but a
// nested call has the frame of call below it on its own stack: looking there is
// exact, needs no bookkeeping and costs some 30 ns a frame. What it does not see
// is an fn that starts another goroutine and waits for a Write of that one.
type insideMark struct{ entry uintptr }

func findInsideMark() insideMark { return insideMark{entry: reflect.ValueOf(call).Pointer()} }

func (m insideMark) onStack() bool {
	var frames [stackDepth]uintptr
	n := runtime.Callers(3, frames[:]) // not Callers, onStack and mayBegin
	for _, pc := range frames[:n] {
		if pc > m.entry && pc-m.entry < callSize && runtime.FuncForPC(pc-1).Entry() == m.entry {
			return true
		}
	}
	return false
}
