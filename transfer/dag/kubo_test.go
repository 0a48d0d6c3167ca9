package dag

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	mdtest "github.com/ipfs/boxo/ipld/merkledag/test"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/boxo/mfs"
	"github.com/ipfs/go-cid"
)

// kuboAdd adds a folder step by step the way `ipfs add -r` does, through a
// mutable file system: folders are entered empty and filled later, so that
// their parents are built over states that do not last.
func kuboAdd(t *testing.T, dir string) cid.Cid {
	t.Helper()
	ds := mdtest.Mock()
	opts := []mfs.Option{
		mfs.WithCidBuilder(nodePrefix), mfs.WithMaxHAMTFanout(shardWidth), mfs.WithHAMTShardingSize(folderBytes),
		mfs.WithSizeEstimationMode(uio.SizeEstimationBlock),
	}
	root, err := mfs.NewEmptyRoot(t.Context(), ds, nil, nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, p)
		switch {
		case err != nil || rel == ".":
			return err
		case strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return mfs.Mkdir(root, "/"+rel, mfs.MkdirOpts{Mkparents: true}, opts...)
		}
		nd := oracleTree(t, ds, p, false)
		if err := ds.Add(t.Context(), nd); err != nil {
			return err
		}
		return mfs.PutNode(root, "/"+rel, nd)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := root.GetDirectory().Flush(); err != nil {
		t.Fatal(err)
	}
	nd, err := root.GetDirectory().GetNode()
	if err != nil {
		t.Fatal(err)
	}
	return nd.Cid()
}

func TestTreeAgainstKubo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the tree has names that Windows refuses")
	}
	mixed := t.TempDir()
	makeTree(t, seeded(t), mixed)
	folders := t.TempDir()
	for i := range 1200 { // enough for a trie, with such names
		sub := filepath.Join(folders, fmt.Sprintf("%0200d", i))
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			writeFile(t, filepath.Join(sub, "file"), fmt.Append(nil, i))
		}
	}
	for _, dir := range []string{mixed, folders, t.TempDir()} {
		res, err := Import(t.Context(), dir, nil, ImportConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if want := kuboAdd(t, dir); !res.Root.Equals(want) {
			t.Errorf("%s, not %s", res.Root, want)
		}
	}
}
