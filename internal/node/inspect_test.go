package node

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// What is inside a folder is listed by its path from the root, from wherever one looks.
func TestEntriesOfPath(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := openTest(t, OverlayKademlia, nil)
	folder := filepath.Join(t.TempDir(), "folder")
	for name, size := range map[string]int{"a": 3, "sub/b": 4, "sub/deep/c": 3 << 20, "sub/deep/d": 6} {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		content := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{2}).Read(content) // never fails
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shared, err := n.Share(ctx, ShareRequest{Path: folder}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string][]string{
		"":            {"a", "sub", "sub/b", "sub/deep", "sub/deep/c", "sub/deep/d"},
		"/a":          {"a"},
		"/sub":        {"sub/b", "sub/deep", "sub/deep/c", "sub/deep/d"},
		"/sub/deep/":  {"sub/deep/c", "sub/deep/d"},
		"/sub/deep/c": {"sub/deep/c"},
	} {
		var got []string
		for e, err := range n.Entries(ctx, shared.Cid+at) {
			if err != nil {
				t.Fatalf("%q: %v", at, err)
			}
			got = append(got, e.Path)
			if e.Path == "sub/deep/c" && (e.Size != 3<<20 || e.Type != "file") {
				t.Errorf("%q: %+v", at, e)
			}
			if e.Type == "dir" {
				continue
			}
			var b bytes.Buffer
			if err := n.Cat(ctx, CatRequest{Ref: shared.Cid + "/" + e.Path, Length: -1}, &b); err != nil || int64(b.Len()) != e.Size {
				t.Errorf("%s is listed with %d bytes and has %d: %v", e.Path, e.Size, b.Len(), err)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q lists %q, want %q", at, got, want)
		}
	}
	for _, at := range []string{"/nothing", "/sub/nothing", "/a/b", "/sub/deep/c/x"} {
		for _, err := range n.Entries(ctx, shared.Cid+at) {
			var e *Error
			if !errors.As(err, &e) || e.Kind != KindNotFound {
				t.Errorf("%q: %v, want not found", at, err)
			}
		}
	}
}
