package sim

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// This file is the journal's cryptography written a second time, from RFC 6962
// and the signed-note format alone: what forges a journal must not share code
// with what verifies it.

type hash = [sha256.Size]byte

// leafHash is the hash of a record, RFC 6962 §2.1.
func leafHash(payload []byte) hash { return sha256.Sum256(append([]byte{0}, payload...)) }

func nodeHash(left, right hash) hash {
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// rootHash is the root of the Merkle tree over leaves.
func rootHash(leaves []hash) hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := largestPower(len(leaves) - 1)
	return nodeHash(rootHash(leaves[:k]), rootHash(leaves[k:]))
}

// edgeBytes are the roots of the complete trees that leaves are made of, from the
// largest to the smallest: what a chain's row keeps.
func edgeBytes(leaves []hash) (edge []byte) {
	edge = []byte{}
	for len(leaves) > 0 {
		k := largestPower(len(leaves))
		root := rootHash(leaves[:k])
		edge = append(edge, root[:]...)
		leaves = leaves[k:]
	}
	return edge
}

// largestPower of two that is not above n.
func largestPower(n int) int {
	k := 1
	for 2*k <= n {
		k *= 2
	}
	return k
}

// signCheckpoint signs the first records of a chain as their last one carries it.
func signCheckpoint(key *ecdsa.PrivateKey, origin string, leaves []hash) ([]byte, error) {
	root := rootHash(leaves)
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, len(leaves), base64.StdEncoding.EncodeToString(root[:]))
	digest := sha256.Sum256([]byte(text))
	return ecdsa.SignASN1(rand.Reader, key, digest[:])
}
