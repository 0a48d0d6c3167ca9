package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// compare says how the store differs from a model.
func (w *walk) compare(m *Memory) error {
	which, err := w.s.Which(w.cids)
	if err != nil {
		return err
	}
	for i, c := range w.cids {
		got, err := w.s.Get(context.Background(), c)
		want, werr := m.Get(context.Background(), c)
		if !errors.Is(kind(err), kind(werr)) || !bytes.Equal(got, want) {
			return fmt.Errorf("block %s: %d bytes, %w; want %d bytes, %w", c, len(got), orNone(err), len(want), orNone(werr))
		}
		has, err := w.s.Has(c)
		whas, _ := m.Has(c)
		if has != whas || which[i] != whas || err != nil {
			return fmt.Errorf("block %s: has %v, among others %v, %w; want %v", c, has, which[i], orNone(err), whas)
		}
	}
	if err := w.comparePlaces(m); err != nil {
		return err
	}
	if err := w.compareNames(m); err != nil {
		return err
	}
	u, err := w.s.Usage()
	if err != nil || u.Owned != m.used() {
		return fmt.Errorf("owns %d bytes, %w; want %d", u.Owned, orNone(err), m.used())
	}
	return nil
}

// orNone is err, or an error that says that there is none.
func orNone(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

// comparePlaces tells states apart that show no difference yet.
func (w *walk) comparePlaces(m *Memory) error {
	for _, c := range w.cids {
		got, err := w.s.Locations(c)
		if err != nil {
			return err
		}
		want, _ := m.Locations(c)
		for i := range got {
			if got[i].Owned {
				got[i].Path, got[i].Offset = "", 0
			}
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("block %s is at %v, want %v", c, got, want)
		}
	}
	return nil
}

func (w *walk) compareNames(m *Memory) error {
	ctx := context.Background()
	describe := func(s Store) (all []string) {
		for _, r := range collect(w.t, s.Roots(ctx)) {
			all = append(all, fmt.Sprint("root ", r.Cid, r.Name, r.Size, r.Added.UnixNano(), r.Pinned))
		}
		for _, p := range collect(w.t, s.Pins(ctx)) {
			all = append(all, fmt.Sprint("pin ", p.Cid, p.Name, p.Size))
		}
		for _, f := range collect(w.t, s.Files(ctx)) {
			all = append(all, fmt.Sprint("file ", f))
		}
		return all
	}
	got, want := describe(Wrap(w.s)), describe(m)
	if !slices.Equal(got, want) {
		return fmt.Errorf("names are\n%q, want\n%q", got, want)
	}
	return nil
}
