package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"ringswap/store"
	"ringswap/store/storetest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stocked is a closed store with blocks, a file and a root, in several packs.
func stocked(t *testing.T, n int) (dir, file string, cids []cid.Cid) {
	t.Helper()
	top := t.TempDir()
	dir, file = filepath.Join(top, "s"), filepath.Join(top, "file")
	s, err := store.Open(dir, store.Config{PackBytes: 32 << 10, ReserveBytes: -1})
	must(t, err)
	for i := range n {
		data := bytes.Repeat(binary.BigEndian.AppendUint32(nil, uint32(i)), 500)
		cids = append(cids, storetest.RawCid(data))
		must(t, s.Put(cids[i], data))
	}
	data := []byte("the first half, the other half!!")
	must(t, os.WriteFile(file, data, 0o600))
	f, err := store.StatFile(file)
	must(t, err)
	var refs []store.Ref
	for off := 0; off < len(data); off += 16 {
		refs = append(refs, store.Ref{Cid: storetest.RawCid(data[off : off+16]), Offset: int64(off), Length: 16})
		cids = append(cids, refs[len(refs)-1].Cid)
	}
	must(t, storetest.Wrap(s).Import(f, refs))
	must(t, s.AddRoot(store.Root{Cid: cids[0], Name: "root"}))
	must(t, s.Close())
	return dir, file, cids
}

// flip changes a byte of a file.
func flip(t *testing.T, path string, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], off)
	must(t, err)
	b[0] ^= 0x55
	_, err = f.WriteAt(b[:], off)
	must(t, err)
}

func missing(t *testing.T, s *store.Store, cids []cid.Cid) (gone []int, why error) {
	t.Helper()
	for i, c := range cids {
		if _, err := s.Get(context.Background(), c); err != nil {
			gone, why = append(gone, i), err
		}
	}
	return gone, why
}

func verify(t *testing.T, s *store.Store) (all []store.Damage) {
	t.Helper()
	for d, err := range s.Verify(context.Background(), store.VerifyOptions{}) {
		must(t, err)
		all = append(all, d)
	}
	return all
}

func kinds(s *store.Store) (all []store.NoticeKind) {
	for _, n := range s.Notices() {
		all = append(all, n.Kind)
	}
	return all
}

func TestDamagedBlock(t *testing.T) {
	dir, _, cids := stocked(t, 100)
	s := open(t, dir, store.Config{})
	at, err := s.Locations(cids[40])
	must(t, err)
	flip(t, at[0].Path, at[0].Offset+100)
	all := verify(t, s)
	if len(all) != 1 || !all[0].Cid.Equals(cids[40]) || !errors.Is(all[0].Err, store.ErrCorrupt) || all[0].Path != at[0].Path {
		t.Fatalf("damage: %+v", all)
	}
	gone, why := missing(t, s, cids)
	if !slices.Equal(gone, []int{40}) || !errors.Is(why, store.ErrCorrupt) {
		t.Fatalf("missing %v, %v", gone, why)
	}
	// It can be put in again, though it was there.
	data := bytes.Repeat(binary.BigEndian.AppendUint32(nil, 40), 500)
	must(t, s.Put(cids[40], data))
	if gone, why := missing(t, s, cids); gone != nil {
		t.Fatalf("missing %v, %v", gone, why)
	}
	if all := verify(t, s); len(all) != 0 {
		t.Errorf("damage: %+v", all)
	}
}

// TestDamagedHead damages the head of a record, so that it cannot be found by
// whoever reads the pack; with and without the index.
func TestDamagedHead(t *testing.T) {
	for _, lose := range []bool{false, true} {
		dir, _, cids := stocked(t, 100)
		s, err := store.Open(dir, store.Config{ReserveBytes: -1})
		must(t, err)
		at, err := s.Locations(cids[40])
		must(t, err)
		must(t, s.Close())
		flip(t, at[0].Path, at[0].Offset-20)
		if lose {
			removeIndex(t, dir)
		}
		s = open(t, dir, store.Config{})
		all := verify(t, s)
		var region, block bool
		for _, d := range all {
			region = region || !d.Cid.Defined() && d.Offset < at[0].Offset && d.Offset+d.Length > at[0].Offset
			block = block || d.Cid.Equals(cids[40])
		}
		if !region || block == lose || len(all) > 2 {
			t.Errorf("index lost %v: damage %+v", lose, all)
		}
		gone, why := missing(t, s, cids)
		if lose && (!slices.Equal(gone, []int{40}) || !errors.Is(why, store.ErrNotFound)) {
			t.Errorf("missing %v, %v", gone, why)
		}
		if want := []store.NoticeKind{store.PackDamaged, store.IndexRebuilt}; lose && !slices.Equal(kinds(s), want) {
			t.Errorf("notices %v", s.Notices())
		}
		// The pack is not given up, however much garbage is in it.
		must(t, s.RemoveRoot(cids[0]))
		_, err = s.GC(context.Background(), store.GCOptions{Links: storetest.Links})
		must(t, err)
		if _, err := os.Stat(at[0].Path); err != nil {
			t.Errorf("the damaged pack is gone: %v", err)
		}
		_, err = s.GC(context.Background(), store.GCOptions{Links: storetest.Links, Force: true})
		must(t, err)
		if _, err := os.Stat(at[0].Path); err == nil {
			t.Error("the damaged pack is still there when forced")
		}
		if all := verify(t, s); len(all) != 0 {
			t.Errorf("damage: %+v", all)
		}
	}
}

func removeIndex(t *testing.T, dir string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "index.*"))
	must(t, err)
	for _, x := range all {
		must(t, os.RemoveAll(x))
	}
}

// TestDamagedPackHead spoils what describes a pack: all its records are found.
func TestDamagedPackHead(t *testing.T) {
	dir, _, cids := stocked(t, 100)
	flip(t, filepath.Join(dir, "packs", "00000002.pack"), 10)
	removeIndex(t, dir)
	s := open(t, dir, store.Config{})
	if gone, why := missing(t, s, cids); gone != nil {
		t.Errorf("missing %v, %v", gone, why)
	}
}

func TestMissingPack(t *testing.T) {
	dir, _, cids := stocked(t, 100)
	must(t, os.Remove(filepath.Join(dir, "packs", "00000002.pack")))
	s := open(t, dir, store.Config{})
	gone, why := missing(t, s, cids)
	if len(gone) < 10 || len(gone) > 20 || !errors.Is(why, store.ErrNotFound) {
		t.Errorf("missing %v, %v", gone, why)
	}
	if !slices.Contains(kinds(s), store.IndexRebuilt) || !slices.Contains(kinds(s), store.PackMissing) {
		t.Errorf("notices %v", s.Notices())
	}
	if r, err := s.Root(cids[0]); err != nil || r.Name != "root" {
		t.Errorf("root: %+v, %v", r, err)
	}
}

func TestVerifyFiles(t *testing.T) {
	dir, file, cids := stocked(t, 3)
	s := open(t, dir, store.Config{})
	var last, total int64
	for d, err := range s.Verify(context.Background(), store.VerifyOptions{Progress: func(a, b int64) { last, total = a, b }}) {
		t.Errorf("damage %+v, %v", d, err)
	}
	if want := int64(3*2000 + 32); last != want || total != want {
		t.Errorf("progress ended at %d of %d, want %d", last, total, want)
	}
	// Wrong bytes under the same size and time: only hashing finds that.
	st, err := os.Stat(file)
	must(t, err)
	flip(t, file, 20)
	must(t, os.Chtimes(file, st.ModTime(), st.ModTime()))
	all := verify(t, s)
	if len(all) != 1 || !all[0].Cid.Equals(cids[4]) || all[0].Path != file || !errors.Is(all[0].Err, store.ErrChanged) || all[0].Offset != 16 {
		t.Errorf("damage %+v", all)
	}
	if _, err := s.Get(context.Background(), cids[4]); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Get of wrong bytes: %v", err)
	}
	for want, do := range map[error]func() error{
		store.ErrChanged: func() error { return os.WriteFile(file, []byte("other"), 0o600) },
		store.ErrMissing: func() error { return os.Remove(file) },
	} {
		if _, err := os.Stat(file); err != nil {
			must(t, os.WriteFile(file, nil, 0o600))
		}
		must(t, do())
		all = verify(t, s)
		if len(all) != 1 || all[0].Cid.Defined() || all[0].Path != file || !errors.Is(all[0].Err, want) {
			t.Errorf("damage %+v, want one of the whole file: %v", all, want)
		}
	}
	n := 0
	for range s.Verify(context.Background(), store.VerifyOptions{}) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d reports before the break", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range s.Verify(ctx, store.VerifyOptions{}) {
		if err == nil || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

// TestHeal damages the index under an open store: the next read that notices
// makes it anew, and nothing is lost or asked twice.
func TestHeal(t *testing.T) {
	dir, _, cids := stocked(t, 2000)
	tables, err := filepath.Glob(filepath.Join(dir, "index.*", "*.sst"))
	must(t, err)
	if len(tables) == 0 {
		t.Fatal("the index has no tables on disk")
	}
	for _, x := range tables {
		st, err := os.Stat(x)
		must(t, err)
		for off := int64(100); off < st.Size()*3/4; off += 500 { // not where it says what it is
			flip(t, x, off)
		}
	}
	s := open(t, dir, store.Config{})
	if gone, why := missing(t, s, cids); gone != nil {
		t.Errorf("missing %d, %v", len(gone), why)
	}
	if !slices.Contains(kinds(s), store.IndexRebuilt) {
		t.Errorf("notices %v", s.Notices())
	}
	must(t, s.Put(storetest.RawCid([]byte("new")), []byte("new")))
	must(t, s.Sync(context.Background()))
	if u, err := s.Usage(); err != nil || u.Owned != 2000*2000+3 {
		t.Errorf("usage %+v, %v", u, err)
	}
	if all := verify(t, s); len(all) != 0 {
		t.Errorf("damage: %+v", all)
	}
}

// TestRebuild loses the index, and spoils it in ways that show at Open.
func TestRebuild(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"gone":        os.RemoveAll,
		"empty":       func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)) },
		"no manifest": func(dir string) error { return removeGlob(filepath.Join(dir, "MANIFEST*")) },
		"no tables":   func(dir string) error { return removeGlob(filepath.Join(dir, "*.sst")) },
		"garbage": func(dir string) error {
			all, err := filepath.Glob(filepath.Join(dir, "*"))
			for _, x := range all {
				err = errors.Join(err, os.WriteFile(x, bytes.Repeat([]byte("garbage "), 100), 0o600))
			}
			return err
		},
	} {
		dir, _, cids := stocked(t, 50)
		all, err := filepath.Glob(filepath.Join(dir, "index.*"))
		must(t, err)
		must(t, spoil(all[0]))
		s := open(t, dir, store.Config{})
		if gone, why := missing(t, s, cids); gone != nil {
			t.Errorf("%s: missing %v, %v", name, gone, why)
		}
		if !slices.Equal(kinds(s), []store.NoticeKind{store.IndexRebuilt}) {
			t.Errorf("%s: notices %v", name, s.Notices())
		}
		if r, err := s.Root(cids[0]); err != nil || r.Name != "root" {
			t.Errorf("%s: root %+v, %v", name, r, err)
		}
	}
}

func removeGlob(pattern string) error {
	all, err := filepath.Glob(pattern)
	for _, x := range all {
		err = errors.Join(err, os.Remove(x))
	}
	return err
}

func TestNewerVersion(t *testing.T) {
	dir, _, _ := stocked(t, 1)
	path := filepath.Join(dir, "packs", "00000001.pack")
	b, err := os.ReadFile(path)
	must(t, err)
	b[6] = 2
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)))
	must(t, os.WriteFile(path, b, 0o600))
	if s, err := store.Open(dir, store.Config{}); !errors.Is(err, store.ErrVersion) {
		t.Errorf("opened: %v, %v", s, err)
	}
}

// TestLocked opens a store that another process has.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line := make([]byte, 9)
	_, err = out.Read(line) // it has the store by now
	must(t, err)
	_, err = store.Open(filepath.Join(dir, "store"), store.Config{})
	var le *store.LockedError
	if !errors.Is(err, store.ErrLocked) || !errors.As(err, &le) || !strings.Contains(err.Error(), fmt.Sprint(cmd.Process.Pid)) {
		t.Errorf("locked by %d: %v", cmd.Process.Pid, err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	s, err := store.Open(filepath.Join(dir, "store"), crashConfig)
	must(t, err)
	if _, err := store.Open(filepath.Join(dir, "store"), store.Config{}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	must(t, s.Close())
	must(t, s.Close())
	for name, err := range map[string]error{
		"put":  s.Put(storetest.RawCid(nil), nil),
		"sync": s.Sync(context.Background()),
		"root": s.AddRoot(store.Root{Cid: storetest.RawCid(nil)}),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if _, err := s.Get(context.Background(), storetest.RawCid(nil)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("get after Close: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for _, cfg := range []store.Config{
		{Quota: -1}, {PackBytes: 1}, {PackBytes: 3 << 30}, {OpenFiles: -1}, {IdleClose: -1}, {IndexCacheBytes: -1},
	} {
		if err := cfg.Validate(); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
		if _, err := store.Open(t.TempDir(), cfg); err == nil {
			t.Errorf("%+v opens", cfg)
		}
	}
	if err := (store.Config{}).Validate(); err != nil {
		t.Error(err)
	}
}
