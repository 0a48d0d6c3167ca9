//go:build unix

package dag

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "sub", "fifo")
	if err := os.Mkdir(filepath.Dir(fifo), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{fifo, dir, "/dev/null"} {
		if _, err := Import(t.Context(), p, nil, ImportConfig{}); !errors.Is(err, ErrSpecialFile) {
			t.Errorf("%s: %v", p, err)
		}
	}
	os.Remove(fifo)
	t.Chdir(dir) // a socket's path must be short
	l, err := net.Listen("unix", "sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Import(t.Context(), dir, nil, ImportConfig{}); !errors.Is(err, ErrSpecialFile) || !strings.Contains(err.Error(), "sock") {
		t.Errorf("socket: %v", err)
	}
}

// TestSwappedForPipe opens a path that became something else since it was
// looked at: it must not block, nor follow.
func TestSwappedForPipe(t *testing.T) {
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	if err := unix.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", link); err != nil {
		t.Fatal(err)
	}
	im := &importer{open: map[*fileImport]struct{}{}}
	if _, err := im.openFile(t.Context(), fifo, place{}); !errors.Is(err, ErrSpecialFile) {
		t.Errorf("pipe: %v", err)
	}
	if _, err := im.openFile(t.Context(), link, place{}); err == nil {
		t.Error("followed a symbolic link")
	}
}
