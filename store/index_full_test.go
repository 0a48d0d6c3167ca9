//go:build unix

package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// slowThenFull is a disk whose tables are written only after open is closed,
// and which turns out to be full then.
type slowThenFull struct {
	vfs.FS
	writing chan struct{} // closed at the first write to a table
	once    sync.Once
	open    chan struct{}
}

func (fs *slowThenFull) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err != nil || fs.PathBase(name)[0] < '0' || fs.PathBase(name)[0] > '9' {
		return f, err
	}
	return &fullFile{f, fs}, nil
}

type fullFile struct {
	vfs.File
	fs *slowThenFull
}

func (f *fullFile) Write([]byte) (int, error) {
	f.fs.once.Do(func() { close(f.fs.writing) })
	<-f.fs.open
	return 0, &vfsError{syscall.ENOSPC}
}

type vfsError struct{ error }

func (e *vfsError) Unwrap() error { return e.error }

// TestCommitsBearASlowFullDisk has a writer run ahead of a flush that never
// succeeds: commits must end, with the rest of the entries kept in memory, and
// so must closing.
func TestCommitsBearASlowFullDisk(t *testing.T) {
	fs := &slowThenFull{FS: vfs.Default, writing: make(chan struct{}), open: make(chan struct{})}
	x, err := openIndex(t.TempDir(), on(fs, func() { t.Error("the index is not damaged") }))
	if err != nil {
		t.Fatal(err)
	}
	const mib, enough = 1 << 20, 4 * maxUnwritten / (1 << 20)
	tab := newTables(x, meta{})
	ended := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < enough && err == nil; i++ {
			tab.set(string(binary.BigEndian.AppendUint32([]byte{keyRoot}, uint32(i))), bytes.Repeat([]byte{byte(i)}, mib))
			tab.seal(0, nil)
			err = tab.commit()
		}
		ended <- err
	}()
	limit := time.After(time.Minute)
	<-fs.writing
	for tick := time.NewTicker(10 * time.Millisecond); x.db.Metrics().MemTable.Size < maxUnwritten; {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("commits hang although memory is free")
		}
	}
	close(fs.open)
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-limit:
		t.Fatalf("commits hang on a full disk, %d bytes wait", x.db.Metrics().MemTable.Size)
	}
	if tab.old == nil {
		// The disk was not known to be full at the last commit, which may have
		// let in everything that had piled up. Now no more fits for certain.
		more := string(binary.BigEndian.AppendUint32([]byte{keyRoot}, enough))
		tab.set(more, []byte{1})
		tab.seal(0, nil)
		if err := tab.commit(); err != nil {
			t.Fatal(err)
		}
		if tab.old == nil {
			t.Errorf("%d MiB were committed to an index that cannot write", enough)
		}
	}
	for i := range uint32(enough) {
		v, err := tab.get(string(binary.BigEndian.AppendUint32([]byte{keyRoot}, i)))
		if err != nil || len(v) != mib || v[0] != byte(i) {
			t.Fatalf("entry %d: %d bytes, %v", i, len(v), err)
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- tab.close() }()
	select {
	case err := <-closed:
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Error(err)
		}
	case <-limit:
		t.Fatal("closing hangs on a full disk")
	}
}
