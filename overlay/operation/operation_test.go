package operation_test

import (
	"errors"
	"slices"
	"testing"

	"ringswap/overlay"
	"ringswap/overlay/operation"
	"ringswap/overlay/overlaytest"
)

// op is an operation that has stored so many copies when it is stopped.
type op struct{ stored, stops int }

func (o *op) Stop() overlay.Result {
	o.stops++
	return overlay.Result{Stored: o.stored}
}

// owner takes the effects of a table.
type owner struct {
	done  []overlay.Done
	found []overlay.Found
}

func newTable(limit int) (*operation.Table, *owner) {
	w := new(owner)
	return &operation.Table{Limit: limit, Emit: func(e overlay.Effect) {
		switch e := e.(type) {
		case overlay.Done:
			w.done = append(w.done, e)
		case overlay.Found:
			w.found = append(w.found, e)
		}
	}}, w
}

// last fails unless the latest of n outcomes so far is that of the operation.
func (w *owner) last(t *testing.T, n int, id overlay.OpID, stored int, err error) {
	t.Helper()
	if len(w.done) != n {
		t.Fatalf("%d outcomes, want %d", len(w.done), n)
	}
	if d := w.done[n-1]; d.Op != id || d.Result.Stored != stored || !errors.Is(d.Err, err) || (err == nil) != (d.Err == nil) {
		t.Errorf("operation %d came to %d copies, %v; want %d: %d, %v", d.Op, d.Result.Stored, d.Err, id, stored, err)
	}
}

// TestTable: each operation has one outcome, however it ends.
func TestTable(t *testing.T) {
	table, w := newTable(2)
	one, two := &op{stored: 1}, &op{stored: 2}
	for id, o := range map[overlay.OpID]*op{1: one, 2: two} {
		if !table.Admit(id) {
			t.Fatalf("operation %d is refused", id)
		}
		table.Add(id, o)
	}
	if table.Admit(1) || len(w.done) > 0 {
		t.Error("a number that is in use may start again, or ends the first one")
	}
	if table.Admit(3) {
		t.Error("more than the limit")
	}
	w.last(t, 1, 3, 0, overlay.ErrRefused)
	table.Finish(1, overlay.Result{Stored: 7}, nil)
	w.last(t, 2, 1, 7, nil)
	table.Finish(1, overlay.Result{}, nil)
	table.Interrupt(1, overlay.ErrCanceled)
	if one.stops > 0 || len(w.done) != 2 || table.Runs(1, one) || !table.Runs(2, two) || table.Len() != 1 {
		t.Error("an operation that has ended ended again")
	}
	table.Interrupt(2, overlay.ErrCanceled)
	w.last(t, 3, 2, 2, overlay.ErrCanceled)
	if !table.Admit(3) {
		t.Error("no room after all have ended")
	}
	table.Fail(3, overlay.ErrBadMessage)
	w.last(t, 4, 3, 0, overlay.ErrBadMessage)
}

// TestClose: what runs ends in the order of its numbers, what comes later at once.
func TestClose(t *testing.T) {
	table, w := newTable(10)
	for _, id := range []overlay.OpID{5, 3, 9, 1} {
		table.Add(id, &op{stored: int(id)})
	}
	table.Close()
	var order []overlay.OpID
	for _, d := range w.done {
		order = append(order, d.Op)
		if !errors.Is(d.Err, overlay.ErrClosed) || d.Result.Stored != int(d.Op) {
			t.Errorf("operation %d came to %d copies, %v", d.Op, d.Result.Stored, d.Err)
		}
	}
	if !slices.Equal(order, []overlay.OpID{1, 3, 5, 9}) {
		t.Errorf("they ended in the order %v", order)
	}
	if table.Admit(10) {
		t.Error("a closed table admits")
	}
	w.last(t, 5, 10, 0, overlay.ErrClosed)
}

// search begins one for at most limit providers.
func search(limit int) (operation.Search, *op, *owner) {
	table, w := newTable(1)
	o := &op{stored: 1}
	table.Add(1, o)
	return operation.NewSearch(table, 1, limit), o, w
}

// TestSearch: each provider is shown once, with an address if there is one.
func TestSearch(t *testing.T) {
	s, _, w := search(0)
	with := func(n int) *overlay.Contact {
		c := overlaytest.Contact(n)
		return &c
	}
	without := func(n int) *overlay.Contact {
		c := overlay.NewContact(overlaytest.PeerID(n))
		return &c
	}
	for _, c := range []*overlay.Contact{with(1), without(2), without(3), with(1), with(2), without(1), without(3), {}} {
		if s.Offer(c) {
			t.Fatal("enough, of all there are")
		}
	}
	if len(w.found) != 2 {
		t.Fatalf("%d found before the end, want those with addresses", len(w.found))
	}
	s.End(overlay.Result{Stored: 4}, overlay.ErrTimeout)
	w.last(t, 1, 1, 4, nil)
	for i, f := range w.found {
		if f.Op != 1 || f.Provider.Peer != overlaytest.PeerID(i+1) || (len(f.Provider.Addrs) > 0) != (i < 2) {
			t.Errorf("%d: found %s with %d addresses", i, f.Provider.Peer, len(f.Provider.Addrs))
		}
	}
	if len(w.found) != 3 {
		t.Errorf("%d found", len(w.found))
	}
}

// TestSearchLimit: the last one wanted ends the operation, whoever shows it.
func TestSearchLimit(t *testing.T) {
	one, two := overlaytest.Contact(1), overlay.NewContact(overlaytest.PeerID(2))
	s, o, w := search(2)
	for range 2 {
		if s.Show(&one) {
			t.Error("one counts as two")
		}
	}
	if !s.Show(&two) || o.stops != 1 {
		t.Error("the second of two is not enough")
	}
	w.last(t, 1, 1, 1, nil)
	s, o, w = search(1)
	if s.Offer(&two) {
		t.Error("enough with one that nobody can reach")
	}
	s.End(overlay.Result{}, nil) // it is better than nothing
	if o.stops != 1 || len(w.found) != 1 {
		t.Errorf("stopped %d times, %d found", o.stops, len(w.found))
	}
	w.last(t, 1, 1, 1, nil)
}

func TestSearchFindsNothing(t *testing.T) {
	s, _, w := search(0)
	s.End(overlay.Result{}, nil)
	w.last(t, 1, 1, 0, overlay.ErrNotFound)
	s, _, w = search(0)
	s.End(overlay.Result{}, overlay.ErrNoPeers)
	w.last(t, 1, 1, 0, overlay.ErrNoPeers)
}

// TestBackground: so many at a time, in the order of their coming, also if one
// ends before it has begun.
func TestBackground(t *testing.T) {
	b := operation.Background{Limit: 2}
	var begun []int
	ends := make(map[int]func())
	for i := range 6 {
		b.Do(func(done func()) {
			begun = append(begun, i)
			if i == 3 {
				done()
				return
			}
			ends[i] = done
		})
	}
	for _, step := range []struct {
		end  int
		want []int
	}{{1, []int{0, 1, 2}}, {0, []int{0, 1, 2, 3, 4}}, {4, []int{0, 1, 2, 3, 4, 5}}} {
		if ends[step.end](); !slices.Equal(begun, step.want) {
			t.Fatalf("after the end of %d, %v have begun, want %v", step.end, begun, step.want)
		}
	}
	b.Do(func(func()) { t.Error("a task of a closed queue began") })
	b.Close()
	b.Do(func(func()) { t.Error("a task began after Close") })
	ends[2]()
	ends[5]()
}
