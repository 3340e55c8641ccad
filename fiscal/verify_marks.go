package fiscal

import (
	"maps"
	"slices"
)

const (
	markForged  = "a checkpoint outside the database is signed by another key"
	markDiffers = "the records up to here are not those a checkpoint outside the database vouches for"
)

// marks are the checkpoints of one chain that are kept outside the database, by
// the size they saw.
type marks map[int64][]Checkpoint

func marksOf(all []Checkpoint, origin string) marks {
	m := make(marks)
	for _, c := range all {
		if c.Origin == origin {
			m[c.Size] = append(m[c.Size], c)
		}
	}
	return m
}

// compareMarks holds the records so far against the checkpoints that saw as
// many. A checkpoint that nobody trusted signed says nothing about them.
func (w *walk) compareMarks(root Hash) error {
	there := w.marks[w.seq]
	for _, mark := range there {
		if !signedByAny(w.keys, mark.Text, mark.Signature) {
			return w.defect(w.seq, markForged)
		}
		if mark.Root != root {
			return w.defect(w.seq, markDiffers)
		}
	}
	if len(there) > 0 {
		w.vouched++
	}
	return nil
}

// beyond finds checkpoints that saw more than there is: the one that saw most
// is named, and one that nobody trusted signed only where no other saw more.
func (w *walk) beyond() error {
	forged := false
	for _, size := range slices.Backward(slices.Sorted(maps.Keys(w.marks))) {
		if size <= w.seq {
			break
		}
		for _, mark := range w.marks[size] {
			if signedByAny(w.keys, mark.Text, mark.Signature) {
				return w.defect(w.seq, missingAfter(size-w.seq)+": a checkpoint outside the database saw "+counted(size))
			}
			forged = true
		}
	}
	if forged {
		return w.defect(w.seq, markForged)
	}
	return nil
}
