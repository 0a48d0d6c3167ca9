// Package agenda is what the simulators run by: a heap of what is to happen when, in
// virtual time. Start at [Agenda].
package agenda

// Agenda is a heap of things to do. What is to be done at the same time is done in
// the order in which it was entered ([Agenda.Push]), or in one that the caller gives
// ([Agenda.PushKey]), so that a run never depends on chance. An agenda is filled by one
// of the two. The zero value is ready.
//
// It has four children a node, which is shallower than a binary heap and keeps
// siblings in the same cache lines. If T has no pointers, the garbage collector does
// not look at the entries, of which a run may have hundreds of millions.
type Agenda[T any] struct {
	list []entry[T]
	seq  uint64 // entered by Push so far
}

type entry[T any] struct {
	at   int64
	key  uint64
	what T
}

func (e *entry[T]) before(o *entry[T]) bool {
	return e.at < o.at || e.at == o.at && e.key < o.key
}

const arity = 4

// Len is the number of things to do.
func (a *Agenda[T]) Len() int { return len(a.list) }

// Next is the time of the earliest one. The agenda must not be empty.
func (a *Agenda[T]) Next() int64 { return a.list[0].at }

// Head is the time and the key of the earliest one. The agenda must not be empty.
func (a *Agenda[T]) Head() (at int64, key uint64) { return a.list[0].at, a.list[0].key }

// Push enters something to do at a time, which is in whatever unit and from
// whatever moment the caller counts.
func (a *Agenda[T]) Push(at int64, what T) {
	a.seq++
	a.PushKey(at, a.seq, what)
}

// PushKey is Push where the least key comes first of what is at the same time.
// What comes out when does then not depend on what was entered when. No two
// entries of one time may have the same key.
func (a *Agenda[T]) PushKey(at int64, key uint64, what T) {
	e := entry[T]{at: at, key: key, what: what}
	a.list = append(a.list, e)
	i := len(a.list) - 1
	for i > 0 {
		up := (i - 1) / arity
		if !e.before(&a.list[up]) {
			break
		}
		a.list[i] = a.list[up]
		i = up
	}
	a.list[i] = e
}

// Pop takes out what is to be done first, and when. The agenda must not be empty.
func (a *Agenda[T]) Pop() (at int64, what T) {
	top := a.list[0]
	last := len(a.list) - 1
	e := a.list[last]
	a.list[last] = entry[T]{} // lets go of what it points to
	a.list = a.list[:last]
	i := 0
	for {
		first := arity*i + 1
		if first >= last {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, last); c++ {
			if a.list[c].before(&a.list[least]) {
				least = c
			}
		}
		if !a.list[least].before(&e) {
			break
		}
		a.list[i] = a.list[least]
		i = least
	}
	if last > 0 {
		a.list[i] = e
	}
	return top.at, top.what
}
