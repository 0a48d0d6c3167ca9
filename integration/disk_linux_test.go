package integration

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A full disk is an error that says so, and loses nothing: with room again the
// transfer goes on where it was.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to mount a small tmpfs")
	}
	w := newWorld(t)
	small := filepath.Join(w.dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("cannot mount a tmpfs here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	a := w.start("a")
	b := w.start("b", a.bootstrap()...)
	path := w.file("file", "full disk", 12<<20)
	s := a.shares(path)
	ballast := filepath.Join(small, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(small, "out")
	w.fails(1, []string{"space"}, b.repo, "get", s.Cid, "-o", out)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	b.do(nil, "get", s.Cid, "-o", out)
	w.sameFile(path, out)
}
