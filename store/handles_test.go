package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// opener opens one file over and over and counts.
type opener struct {
	t    *testing.T
	path string
	n    int
}

func newOpener(t *testing.T) *opener {
	o := &opener{t: t, path: filepath.Join(t.TempDir(), "x")}
	if err := os.WriteFile(o.path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *opener) open() (*os.File, int, error) {
	o.n++
	f, err := os.Open(o.path)
	return f, o.n, err
}

func (o *opener) acquire(h *handles[int], key uint64) *handle[int] {
	o.t.Helper()
	x, err := h.acquire(key, o.open)
	if err != nil {
		o.t.Fatal(err)
	}
	return x
}

// closed reports whether the handle's file is.
func closed[T any](x *handle[T]) bool {
	_, err := x.f.Stat()
	return errors.Is(err, os.ErrClosed)
}

func TestHandlesLimit(t *testing.T) {
	o, h := newOpener(t), newHandles[int](2, 0)
	a, b, c := o.acquire(h, 1), o.acquire(h, 2), o.acquire(h, 3)
	if closed(a) || closed(b) || closed(c) {
		t.Fatal("a handle in use was closed")
	}
	if again := o.acquire(h, 2); again != b || o.n != 3 {
		t.Error("an open file was opened again")
	}
	h.release(a)
	if !closed(a) {
		t.Error("a surplus handle stays open")
	}
	h.release(b)
	h.release(b)
	h.release(c)
	if closed(b) || closed(c) {
		t.Error("handles within the limit were closed")
	}
	o.acquire(h, 4)
	if !closed(c) || closed(b) { // b was acquired again after c
		t.Error("not the least recently used one was closed")
	}
	h.close()
	if !closed(b) {
		t.Error("open after close")
	}
}

func TestHandlesForget(t *testing.T) {
	o, h := newOpener(t), newHandles[int](2, 0)
	gone := 0
	a := o.acquire(h, 1)
	h.forget(1, func() { gone++ })
	if closed(a) || gone != 0 {
		t.Fatal("a handle in use was closed")
	}
	b := o.acquire(h, 1)
	if b == a {
		t.Error("a forgotten handle was given out")
	}
	h.release(a)
	if !closed(a) || gone != 1 {
		t.Error("a forgotten handle stays open")
	}
	h.release(b)
	h.forget(1, func() { gone++ })
	if !closed(b) || gone != 2 {
		t.Error("an unused handle was not closed at once")
	}
	h.forget(1, func() { gone++ })
	if gone != 3 {
		t.Error("nothing was called for a file that is not open")
	}
	// What is opened while it is forgotten is used once and not kept.
	c, err := h.acquire(5, func() (*os.File, int, error) {
		h.forget(5, nil)
		return o.open()
	})
	if err != nil {
		t.Fatal(err)
	}
	h.release(c)
	if !closed(c) || len(h.open) != 0 {
		t.Error("a handle from before the forgetting was kept")
	}
}

func TestHandlesIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, h := newOpener(t), newHandles[int](9, time.Minute)
		a, b := o.acquire(h, 1), o.acquire(h, 2)
		h.release(a)
		time.Sleep(30 * time.Second)
		h.release(o.acquire(h, 1))
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if closed(a) {
			t.Error("closed before it was idle for long")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !closed(a) || closed(b) {
			t.Errorf("idle handle closed: %v; used handle closed: %v", closed(a), closed(b))
		}
		h.release(b)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if !closed(b) || h.timer != nil {
			t.Error("an idle handle stays open, or the timer runs on")
		}
		h.close()
	})
}
