package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"ringswap/store"
	"ringswap/transfer/dag"
)

// TestImportSink reports small files, a large one and abandoned ones: what was
// reported whole is in the store after flush, and a file that changed meanwhile
// fails the import, be it among the first or among the last.
func TestImportSink(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(filepath.Join(dir, "store"), store.Config{ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const files = 3*manySmalls + 7
	name := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%05d", i)) }
	refs := func(i int) (list []dag.Ref) {
		n := i % 3
		if i == 5 {
			n = smallRefs + 3 // in two calls: see run
		}
		for k := range n {
			sum, err := mh.Sum(fmt.Appendf(nil, "%d of %d", k, i), mh.SHA2_256, -1)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, dag.Ref{Chunk: dag.Chunk{Cid: cid.NewCidV1(cid.Raw, sum), Size: 1}, Offset: int64(k)})
		}
		return list
	}
	for i := range files {
		if err := os.WriteFile(name(i), make([]byte, len(refs(i))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	errAbandoned := errors.New("abandoned")
	run := func(changes int) error {
		batch, err := s.Begin()
		if err != nil {
			return err
		}
		defer batch.Close()
		sink := &importSink{batch: batch}
		defer sink.wait()
		for i := range files {
			f, err := sink.File(t.Context(), name(i), nil)
			if err != nil {
				return err
			}
			list := refs(i)
			half := len(list) / 2
			if err := errors.Join(f.Chunks(t.Context(), list[:half]), f.Chunks(t.Context(), list[half:])); err != nil {
				return err
			}
			if i == changes {
				if err := os.WriteFile(name(i), make([]byte, 100), 0o600); err != nil {
					return err
				}
			}
			if i%10 == 9 {
				err = errAbandoned
			}
			if err := f.Close(err); err != nil {
				return err
			}
		}
		return sink.flush()
	}
	if err := run(-1); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		for _, r := range refs(i) {
			if has, err := s.Has(r.Cid); err != nil || has != (i%10 != 9) {
				t.Fatalf("block at %d of file %d: %t, %v", r.Offset, i, has, err)
			}
		}
	}
	for _, i := range []int{3, files - 2} {
		if err := run(i); !errors.Is(err, store.ErrChanged) {
			t.Errorf("file %d of %d changed: %v", i, files, err)
		}
	}
}
