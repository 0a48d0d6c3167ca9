// Package idmap is a map from places of the keyspace whose order depends on
// nothing but what was done to it: what a protocol core keeps by ID and also
// walks through, or draws from at random, must not follow the order of a Go map.
// Start at [Map].
package idmap

import (
	"fmt"
	"iter"

	"ringswap/overlay"
)

// Map holds one value for each of its IDs. The zero value is ready. Finding,
// adding and removing take constant time.
type Map[V any] struct {
	list []entry[V]
	at   map[overlay.ID]int // index in list
}

type entry[V any] struct {
	id    overlay.ID
	value V
}

// Len is the number of IDs.
func (m *Map[V]) Len() int { return len(m.list) }

// Get returns the value of an ID, and whether there is one.
func (m *Map[V]) Get(id overlay.ID) (v V, ok bool) {
	if i, ok := m.at[id]; ok {
		return m.list[i].value, true
	}
	return v, false
}

// Put sets the value of an ID. A new one comes last.
func (m *Map[V]) Put(id overlay.ID, v V) {
	if i, ok := m.at[id]; ok {
		m.list[i].value = v
		return
	}
	if m.at == nil {
		m.at = make(map[overlay.ID]int)
	}
	m.at[id] = len(m.list)
	m.list = append(m.list, entry[V]{id, v})
}

// Remove takes out an ID; the last one takes its place in the order. It does
// nothing if the ID is not there.
func (m *Map[V]) Remove(id overlay.ID) {
	i, ok := m.at[id]
	if !ok {
		return
	}
	delete(m.at, id)
	last := len(m.list) - 1
	if i != last {
		m.list[i] = m.list[last]
		m.at[m.list[i].id] = i
	}
	m.list[last] = entry[V]{}
	m.list = m.list[:last]
}

// At is the i-th ID with its value, counted from 0.
func (m *Map[V]) At(i int) (overlay.ID, V) { return m.list[i].id, m.list[i].value }

// All are the IDs with their values, in order. The map must not change meanwhile.
func (m *Map[V]) All() iter.Seq2[overlay.ID, V] {
	return func(yield func(overlay.ID, V) bool) {
		for _, e := range m.list {
			if !yield(e.id, e.value) {
				return
			}
		}
	}
}

// Backward are the IDs with their values, the last first. The one that was given
// last may be removed meanwhile, and nothing else.
func (m *Map[V]) Backward() iter.Seq2[overlay.ID, V] {
	return func(yield func(overlay.ID, V) bool) {
		for i := len(m.list) - 1; i >= 0; i-- {
			if !yield(m.list[i].id, m.list[i].value) {
				return
			}
		}
	}
}

// Check returns an error if the map contradicts itself. It costs time
// proportional to the map.
func (m *Map[V]) Check() error {
	if len(m.at) != len(m.list) {
		return fmt.Errorf("%d places, %d indexed", len(m.list), len(m.at))
	}
	for i, e := range m.list {
		if j, ok := m.at[e.id]; !ok || j != i {
			return fmt.Errorf("place %d is indexed at %d", i, j)
		}
	}
	return nil
}
