package db

// Waiting is how many writes wait for their turn.
func Waiting(d *DB) int {
	q := d.backend.(*lite).writer.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length
}

// FillQueue fills the queue with writes that gave up.
func FillQueue(d *DB) {
	q := d.backend.(*lite).writer.queue
	for {
		r := &request{words: make(chan word, 1)}
		r.state.Store(abandoned)
		if q.push(r) != nil {
			return
		}
	}
}
