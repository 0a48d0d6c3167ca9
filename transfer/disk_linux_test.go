package transfer

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ringswap/transfer/dag"
)

// TestDiskFull runs out of a small file system, makes room, and goes on.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system takes root")
	}
	mnt := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(mnt, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	defer func() {
		if err := unix.Unmount(mnt, 0); err != nil {
			t.Error(err)
		}
	}()
	r := seeded(t)
	src := filepath.Join(t.TempDir(), "src")
	writeFile(t, filepath.Join(src, "file"), randomBytes(r, 12*dag.ChunkBytes))
	for _, name := range []string{"file", ""} {
		path := filepath.Join(src, name)
		mem, res := share(t, path)
		out := filepath.Join(mnt, "out")
		sw := &swarm{memory: mem, workers: 2}
		_, err := Get(t.Context(), GetConfig{Root: res.Root, Out: out}, sw)
		if !errors.Is(err, ErrDiskFull) || !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("got %v", err)
		}
		if _, err := os.Stat(out + stateEnding); err != nil {
			t.Errorf("the state file is gone: %v", err)
		}
		if err := unix.Mount("", mnt, "", unix.MS_REMOUNT, "size=64m"); err != nil {
			t.Fatal(err)
		}
		got, err := Get(t.Context(), GetConfig{Root: res.Root, Out: out}, sw)
		if err != nil {
			t.Fatal(err)
		}
		if got.Resumed < 5*dag.ChunkBytes || sw.bytes != res.Size {
			t.Errorf("resumed %d bytes, fetched %d", got.Resumed, sw.bytes)
		}
		sameTree(t, path, out)
		noTraces(t, mnt, "out")
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("", mnt, "", unix.MS_REMOUNT, "size=8m"); err != nil {
			t.Fatal(err)
		}
	}
	// Not even room for the state file.
	if err := unix.Mount("", mnt, "", unix.MS_REMOUNT, "size=4k"); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(mnt, "filler"), make([]byte, 4096))
	mem, res := share(t, filepath.Join(src, "file"))
	_, err := OpenTarget(t.Context(), mustBuild(t, mem, res.Root), TargetConfig{Path: filepath.Join(mnt, "out")})
	if !errors.Is(err, ErrDiskFull) {
		t.Errorf("got %v", err)
	}
	noTraces(t, mnt, "filler")
}

// TestHoles keeps what is all zeros from taking room.
func TestHoles(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int64{"large": 64*dag.ChunkBytes + 100000, "exact": dag.ChunkBytes, "small": 100000} {
		src, out := filepath.Join(dir, name), filepath.Join(dir, name+"-out")
		writeFile(t, src, []byte("x"))
		if err := os.Truncate(src, size); err != nil {
			t.Fatal(err)
		}
		mem, res := share(t, src)
		if _, err := Get(t.Context(), GetConfig{Root: res.Root, Out: out}, &swarm{memory: mem, workers: 2}); err != nil {
			t.Fatal(err)
		}
		sameTree(t, src, out)
		var st unix.Stat_t
		if err := unix.Stat(out, &st); err != nil {
			t.Fatal(err)
		}
		if name == "large" && st.Blocks*512 > 4*dag.ChunkBytes {
			t.Errorf("%d bytes take %d on disk", size, st.Blocks*512)
		}
	}
}
