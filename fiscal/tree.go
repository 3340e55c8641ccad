package fiscal

import (
	"errors"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256 hash of RFC 6962: of a leaf or of a node.
type Hash = tlog.Hash

// hashOf is the one place where a record is hashed.
func hashOf(payload []byte) Hash { return tlog.RecordHash(payload) }

// edge is the right edge of a Merkle tree: the roots of its complete subtrees
// from the largest to the smallest, one for each bit set in its size.
type edge []Hash

// errEdge means that the stored edge cannot belong to a tree of that size.
var errEdge = errors.New("edge does not fit the size of the tree")

func readEdge(stored []byte, size int64) (edge, error) {
	n := bits.OnesCount64(uint64(size))
	if len(stored) != n*tlog.HashSize {
		return nil, errEdge
	}
	e := make(edge, n, n+1)
	for i := range e {
		copy(e[i][:], stored[i*tlog.HashSize:])
	}
	return e, nil
}

func (e edge) bytes() []byte {
	out := make([]byte, 0, len(e)*tlog.HashSize)
	for i := range e {
		out = append(out, e[i][:]...)
	}
	return out
}

// add appends a leaf to a tree that has size leaves.
func (e edge) add(size int64, leaf Hash) edge {
	for ; size&1 == 1; size >>= 1 {
		leaf = tlog.NodeHash(e[len(e)-1], leaf)
		e = e[:len(e)-1]
	}
	return append(e, leaf)
}

// root folds the edge from the right.
func (e edge) root() Hash {
	if len(e) == 0 {
		return tlog.Hash{}
	}
	r := e[len(e)-1]
	for i := len(e) - 2; i >= 0; i-- {
		r = tlog.NodeHash(e[i], r)
	}
	return r
}
