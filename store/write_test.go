package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"ringswap/store"
	"ringswap/store/storetest"
)

// TestPutVerified: a block whose caller has hashed it is stored as Put would; one
// whose caller was wrong is found out when it is read.
func TestPutVerified(t *testing.T) {
	s := open(t, t.TempDir(), store.Config{})
	data := bytes.Repeat([]byte("x"), 5000)
	c := storetest.RawCid(data)
	if err := s.PutVerified(c, data); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(context.Background(), c); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	other := storetest.RawCid([]byte("other"))
	if err := s.PutVerified(other, data); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(context.Background(), other); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("wrong bytes: %v", err)
	}
	if err := s.PutVerified(c, make([]byte, store.MaxBlockBytes+1)); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("too many bytes: %v", err)
	}
}

// TestWhich asks about blocks that are owned, referenced, dropped, in more files
// than are looked at in one go, in their own CID, or nowhere; before and after
// what is known of them has moved to disk. It must say what Has says.
func TestWhich(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "s"), store.Config{})
	batch, err := s.Begin()
	must(t, err)
	defer batch.Close()
	var cids []cid.Cid
	want := map[int]bool{}
	add := func(c cid.Cid, here bool) {
		want[len(cids)] = here
		cids = append(cids, c)
	}
	register := func(name string, blocks ...cid.Cid) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, make([]byte, len(blocks)), 0o600))
		desc, err := store.StatFile(path)
		must(t, err)
		refs, err := batch.File(desc)
		must(t, err)
		for i, c := range blocks {
			must(t, refs.Add(store.Ref{Cid: c, Offset: int64(i), Length: 1}))
		}
		must(t, refs.Close())
		return path
	}
	for round := range 3 {
		block := func(i int) cid.Cid { return storetest.RawCid(fmt.Appendf(nil, "%d of round %d", i, round)) }
		owned := fmt.Appendf(nil, "owned in round %d", round)
		must(t, s.Put(storetest.RawCid(owned), owned))
		add(storetest.RawCid(owned), true)
		register(fmt.Sprintf("kept-%d", round), block(0), block(1), block(2))
		must(t, s.DropFile(register(fmt.Sprintf("dropped-%d", round), block(2), block(3))))
		for i := range 5 {
			add(block(i), i < 3)
		}
		for i := range 12 {
			register(fmt.Sprintf("many-%d-%d", round, i), block(10), block(11))
		}
		add(block(10), true)
		if round == 1 {
			must(t, s.Sync(t.Context()))
		}
	}
	inline, err := mh.Encode([]byte("itself"), mh.IDENTITY)
	must(t, err)
	add(cid.NewCidV1(cid.Raw, inline), true)
	compare := func() {
		t.Helper()
		have, err := s.Which(cids)
		must(t, err)
		for i, c := range cids {
			has, err := s.Has(c)
			must(t, err)
			if have[i] != has || has != want[i] {
				t.Errorf("block %d: Which %t, Has %t, want %t", i, have[i], has, want[i])
			}
		}
	}
	compare()
	for round := range 3 { // leaves one of twelve
		for i := range 11 {
			must(t, s.DropFile(filepath.Join(dir, fmt.Sprintf("many-%d-%d", round, i))))
		}
	}
	compare()
	if have, err := s.Which(nil); len(have) != 0 || err != nil {
		t.Errorf("of nothing: %v, %v", have, err)
	}
}

// BenchmarkWhich asks about the chunks of 1 GiB of which none is here.
func BenchmarkWhich(b *testing.B) {
	s, err := store.Open(b.TempDir(), store.Config{ReserveBytes: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	cids := make([]cid.Cid, 1024)
	for i := range cids {
		cids[i] = numbered(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if have, err := s.Which(cids); err != nil || slices.Contains(have, true) {
			b.Fatal(have, err)
		}
	}
}
