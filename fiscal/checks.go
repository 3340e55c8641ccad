package fiscal

import (
	"runtime"
	"sync"
)

// checks verifies signatures on every core while the chain is walked: one costs
// more than everything else about a record together.
type checks struct {
	keys    []*verifier
	pending chan check
	workers sync.WaitGroup
	open    sync.WaitGroup

	mu     sync.Mutex
	defect *Defect
}

// check is one signature to verify.
type check struct {
	seq       int64
	text      []byte // what it must be over
	signature []byte
}

func startChecks(keys []*verifier) *checks {
	n := runtime.GOMAXPROCS(0)
	c := &checks{keys: keys, pending: make(chan check, 64*n)}
	for range n {
		c.workers.Go(c.work)
	}
	return c
}

func (c *checks) work() {
	for one := range c.pending {
		if !signedByAny(c.keys, one.text, one.signature) {
			c.fail(one.seq)
		}
		c.open.Done()
	}
}

func (c *checks) fail(seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.defect == nil || seq < c.defect.Seq {
		c.defect = &Defect{Seq: seq, What: "its signature is not of a trusted key over the records up to here"}
	}
}

// check queues one signature; it waits when the workers are far behind.
func (c *checks) check(one check) {
	c.open.Add(1)
	c.pending <- one
}

// first is the first bad signature found so far, or nil; everything queued
// before it is waited for, so that it is the first indeed.
func (c *checks) first() *Defect {
	c.mu.Lock()
	found := c.defect != nil
	c.mu.Unlock()
	if !found {
		return nil
	}
	return c.wait()
}

// wait waits for everything queued.
func (c *checks) wait() *Defect {
	c.open.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.defect
}

func (c *checks) stop() {
	close(c.pending)
	c.workers.Wait()
}
