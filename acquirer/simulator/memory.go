package simulator

// memory remembers a bounded number of things by key, and forgets the oldest.
type memory[V any] struct {
	most   int
	values map[string]V
	order  []string // oldest first, from head on
	head   int
}

func newMemory[V any](most int) *memory[V] {
	return &memory[V]{most: most, values: make(map[string]V)}
}

func (m *memory[V]) get(key string) (V, bool) {
	v, ok := m.values[key]
	return v, ok
}

func (m *memory[V]) put(key string, v V) {
	if _, known := m.values[key]; !known {
		m.order = append(m.order, key)
	}
	m.values[key] = v
	for len(m.values) > m.most {
		m.drop()
	}
}

// drop forgets the oldest.
func (m *memory[V]) drop() {
	delete(m.values, m.order[m.head])
	m.order[m.head] = ""
	m.head++
	if m.head > m.most { // keep the list as short as what is remembered
		m.order, m.head = append([]string(nil), m.order[m.head:]...), 0
	}
}

// each calls f with all that is remembered, oldest first.
func (m *memory[V]) each(f func(key string, v V)) {
	for _, key := range m.order[m.head:] {
		f(key, m.values[key])
	}
}
