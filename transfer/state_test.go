package transfer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/transfer/dag"
)

func TestBitmap(t *testing.T) {
	r := seeded(t)
	for _, size := range []int{0, 1, 7, 8, 9, 1000} {
		m, want := NewBitmap(size), map[int]bool{}
		for range 2 * size {
			i := r.IntN(size)
			if r.IntN(3) == 0 {
				m.Clear(i)
				delete(want, i)
			} else if m.Set(i) == want[i] {
				t.Fatalf("%d was new: %v", i, want[i])
			} else {
				want[i] = true
			}
		}
		again, err := ParseBitmap(m.Bytes(), size)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []*Bitmap{m, again, m.Clone()} {
			if x.Count() != len(want) || x.Len() != size || x.Full() != (len(want) == size) || x.Has(-1) || x.Has(size) {
				t.Errorf("size %d: %d of %d", size, x.Count(), len(want))
			}
			for i := range size {
				if x.Has(i) != want[i] {
					t.Errorf("size %d: %d is there: %v", size, i, x.Has(i))
				}
			}
		}
		if _, err := ParseBitmap(append(m.Bytes(), 0), size); !errors.Is(err, ErrBadBitmap) {
			t.Errorf("size %d, a byte more: %v", size, err)
		}
	}
	if _, err := ParseBitmap([]byte{0x80}, 7); !errors.Is(err, ErrBadBitmap) {
		t.Errorf("a bit too many: %v", err)
	}
}

func testID(chunks int) stateID {
	root, err := cid.Decode("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e")
	if err != nil {
		panic(err)
	}
	return stateID{root: root, digest: [32]byte{1, 2, 3}, chunks: chunks}
}

func newState(t testing.TB, id stateID) *stateFile {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	s := &stateFile{f: f}
	if err := s.reset(id); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestState(t *testing.T) {
	for _, chunks := range []int{0, 1, 8, 100000} {
		s := newState(t, testID(chunks))
		c, err := readState(s.f)
		if err != nil || !c.id.equal(s.id) || c.durable.Count() != 0 || c.noted.Count() != 0 {
			t.Fatalf("fresh: %+v, %v", c, err)
		}
		have := NewBitmap(chunks)
		for i := range min(chunks, 50) {
			have.Set(i * (chunks / 50))
			s.note(have, i*(chunks/50))
			if i%7 == 0 {
				if err := s.claim(have); err != nil {
					t.Fatal(err)
				}
			}
		}
		if c, err = readState(s.f); err != nil || !bytes.Equal(c.noted.Bytes(), have.Bytes()) || c.seq != s.seq || chunks > 50 && c.durable.Count() != 50 {
			t.Errorf("%d chunks: %d claimed, %d noted, number %d (%v)", chunks, c.durable.Count(), c.noted.Count(), c.seq, err)
		}
	}
}

// TestStateDamage flips every byte of a state file: what it claims then is
// either the truth, or an older truth, or nothing.
func TestStateDamage(t *testing.T) {
	id := testID(20)
	s := newState(t, id)
	old, now := NewBitmap(20), NewBitmap(20)
	old.Set(3)
	now.Set(3)
	now.Set(17)
	for _, b := range []*Bitmap{old, now} {
		if err := s.claim(b); err != nil {
			t.Fatal(err)
		}
	}
	whole := make([]byte, id.size())
	if _, err := s.f.ReadAt(whole, 0); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x40
		c, err := readState(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, errBadState) {
				t.Fatalf("byte %d: %v", i, err)
			}
			continue
		}
		if !c.id.equal(id) || !bytes.Equal(c.durable.Bytes(), old.Bytes()) && !bytes.Equal(c.durable.Bytes(), now.Bytes()) {
			t.Fatalf("byte %d: claims %x", i, c.durable.Bytes())
		}
	}
	for n := range len(whole) {
		c, err := readState(bytes.NewReader(whole[:n]))
		if err == nil && c.durable.Count() > 0 && !bytes.Equal(c.durable.Bytes(), old.Bytes()) && !bytes.Equal(c.durable.Bytes(), now.Bytes()) {
			t.Fatalf("%d bytes: claims %x", n, c.durable.Bytes())
		}
	}
	// A slot of another get does not count.
	other := testID(20)
	other.digest[0]++
	copy(whole, other.header())
	if c, err := readState(bytes.NewReader(whole)); !errors.Is(err, errBadState) {
		t.Errorf("another header: %+v, %v", c, err)
	}
}

// FuzzState reads state files of any parts: the header as it is, the slots
// with their checksums put right if seal says so.
func FuzzState(f *testing.F) {
	for _, chunks := range []int{0, 9, 100} {
		id := testID(chunks)
		have := NewBitmap(chunks)
		for i := 0; i < chunks; i += 3 {
			have.Set(i)
		}
		f.Add(id.header(), id.slot(1, have), id.slot(2, have), have.Bytes(), false)
		f.Add(id.header(), append(make([]byte, 8), have.Bytes()...), []byte{}, []byte{}, true)
	}
	f.Fuzz(func(t *testing.T, head, one, two, notes []byte, seal bool) {
		id, err := parseHeader(head)
		if err != nil || id.chunks > 1<<16 {
			id = testID(len(notes) * 8)
		}
		file := make([]byte, max(len(head), int(id.size())))
		copy(file, head)
		for slot, b := range [][]byte{one, two} {
			if n := 8 + (id.chunks+7)/8; seal && len(b) >= n {
				b = append(bytes.Clone(b[:n]), id.seal(b[:n])...)
			}
			copy(file[id.slotAt(slot):], b[:min(len(b), int(id.slotBytes()))])
		}
		copy(file[id.notesAt():], notes)
		c, err := readState(bytes.NewReader(file))
		if err != nil {
			return
		}
		if c.durable == nil || c.durable.Len() != c.id.chunks || c.noted != nil && c.noted.Len() != c.id.chunks {
			t.Fatalf("%+v", c)
		}
		if id, err := parseHeader(c.id.header()); err != nil || !id.equal(c.id) {
			t.Fatalf("%v does not come back (%v)", c.id, err)
		}
	})
}

// TestResume ends a get in every way that leaves files behind, and looks at
// what the next one makes of them.
func TestResume(t *testing.T) {
	r := seeded(t)
	src := t.TempDir()
	writeFile(t, filepath.Join(src, "file"), randomBytes(r, 10*dag.ChunkBytes+5))
	makeTree(t, r, filepath.Join(src, "tree"))
	writeFile(t, filepath.Join(src, "other"), randomBytes(r, 3*dag.ChunkBytes))
	for _, name := range []string{"file", "tree"} {
		mem, res := share(t, filepath.Join(src, name))
		m := mustBuild(t, mem, res.Root)
		half := func(i int) bool { return i%2 == 0 }
		var halfBytes, zeros int64 // holes are as good as zeros
		for i, c := range m.Chunks {
			for range m.Extents(i) {
				if half(i) {
					halfBytes += int64(m.PayloadSize(i))
				} else if len(bytes.TrimLeft(mem.blocks[c.Cid], "\x00")) == 0 {
					zeros += int64(m.PayloadSize(i))
				}
			}
		}
		start := func(t *testing.T) (string, *Target) {
			out := filepath.Join(t.TempDir(), "out")
			tgt := mustOpen(t, m, TargetConfig{Path: out})
			fill(t, tgt, mem, half)
			return out, tgt
		}
		end := func(t *testing.T, out string, resumed int64, checked bool) {
			t.Helper()
			hashed := 0
			tgt := mustOpen(t, m, TargetConfig{Path: out, Workers: 1, Checking: func(int, int) { hashed++ }})
			defer tgt.Close()
			if got := tgt.Resumed(); got != resumed && (!checked || got != resumed+zeros) || (hashed > 0) != checked {
				t.Errorf("resumed %d bytes of %d, hashed %d chunks", tgt.Resumed(), resumed, hashed)
			}
			fill(t, tgt, mem, func(i int) bool { return !tgt.Has(i) })
			if err := tgt.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			sameTree(t, filepath.Join(src, name), out)
			noTraces(t, filepath.Dir(out), "out")
		}
		// abandon ends a target as the end of the process does: nothing is synced
		// or recorded any more.
		abandon := func(tgt *Target) {
			tgt.end()
			tgt.release()
		}
		t.Run(name+" closed", func(t *testing.T) {
			out, tgt := start(t)
			if err := tgt.Close(); err != nil {
				t.Fatal(err)
			}
			end(t, out, halfBytes, false)
		})
		t.Run(name+" killed", func(t *testing.T) {
			out, tgt := start(t)
			abandon(tgt)
			end(t, out, halfBytes, true)
		})
		t.Run(name+" killed after a sync", func(t *testing.T) {
			out, tgt := start(t)
			if err := tgt.Sync(); err != nil {
				t.Fatal(err)
			}
			abandon(tgt)
			end(t, out, halfBytes, false)
		})
		t.Run(name+" killed, notes lie", func(t *testing.T) {
			out, tgt := start(t)
			full := NewBitmap(len(m.Chunks))
			for i := range m.Chunks {
				full.Set(i)
			}
			tgt.state.noteAll(full)
			abandon(tgt)
			end(t, out, halfBytes, true)
		})
		t.Run(name+" state damaged", func(t *testing.T) {
			out, tgt := start(t)
			tgt.Close()
			b := must(os.ReadFile(out + stateEnding))
			b[20] ^= 1
			os.WriteFile(out+stateEnding, b, 0o644)
			end(t, out, halfBytes, true)
		})
		t.Run(name+" both slots damaged", func(t *testing.T) {
			out, tgt := start(t)
			tgt.Close()
			b := must(os.ReadFile(out + stateEnding))
			id := stateID{root: m.Root, digest: m.Digest(), chunks: len(m.Chunks)}
			b[id.slotAt(0)] ^= 1
			b[id.slotAt(1)] ^= 1
			os.WriteFile(out+stateEnding, b, 0o644)
			end(t, out, halfBytes, true)
		})
		t.Run(name+" state lost", func(t *testing.T) {
			out, tgt := start(t)
			tgt.Close()
			os.Remove(out + stateEnding)
			end(t, out, halfBytes, true)
		})
		t.Run(name+" state emptied", func(t *testing.T) {
			out, tgt := start(t)
			tgt.Close()
			os.Truncate(out+stateEnding, 0)
			end(t, out, halfBytes, true)
		})
		t.Run(name+" other unfolding", func(t *testing.T) {
			out, tgt := start(t)
			tgt.state.id.digest[0]++
			b := tgt.state.id.header()
			tgt.state.f.WriteAt(b, 0)
			abandon(tgt)
			end(t, out, halfBytes, true)
		})
		t.Run(name+" part lost", func(t *testing.T) {
			out, tgt := start(t)
			tgt.Close()
			os.RemoveAll(out + partEnding)
			end(t, out, 0, false)
		})
		t.Run(name+" finished but for the state file", func(t *testing.T) {
			out, tgt := start(t)
			fill(t, tgt, mem, all)
			if err := tgt.Close(); err != nil {
				t.Fatal(err)
			}
			state := must(os.ReadFile(out + stateEnding))
			end(t, out, m.Size, false)
			os.WriteFile(out+stateEnding, state, 0o644)
			end(t, out, m.Size, true)
		})
		t.Run(name+" of something else", func(t *testing.T) {
			out, tgt := start(t)
			tgt.Close()
			mem, res := share(t, filepath.Join(src, "other"))
			o := mustBuild(t, mem, res.Root)
			if _, err := OpenTarget(t.Context(), o, TargetConfig{Path: out}); !errors.Is(err, ErrExists) {
				t.Fatalf("got %v", err)
			}
			tgt = mustOpen(t, o, TargetConfig{Path: out, Force: true})
			defer tgt.Close()
			fill(t, tgt, mem, all)
			if err := tgt.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			sameTree(t, filepath.Join(src, "other"), out)
			noTraces(t, filepath.Dir(out), "out")
		})
		t.Run(name+" somebody's part", func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			if name == "file" {
				writeFile(t, out+partEnding, []byte("precious"))
			} else {
				writeFile(t, filepath.Join(out+partEnding, "x"), []byte("precious"))
			}
			before := filepath.Join(t.TempDir(), "before")
			os.CopyFS(before, os.DirFS(filepath.Dir(out)))
			if _, err := OpenTarget(t.Context(), m, TargetConfig{Path: out}); !errors.Is(err, ErrExists) {
				t.Fatalf("got %v", err)
			}
			sameTree(t, before, filepath.Dir(out))
			tgt := mustOpen(t, m, TargetConfig{Path: out, Force: true})
			tgt.Close()
		})
	}
	// The length of a file says that what is on record cannot be there.
	mem, res := share(t, filepath.Join(src, "file"))
	m := mustBuild(t, mem, res.Root)
	out := filepath.Join(t.TempDir(), "out")
	tgt := mustOpen(t, m, TargetConfig{Path: out})
	fill(t, tgt, mem, all)
	tgt.Close()
	os.Truncate(out+partEnding, 3*dag.ChunkBytes+1)
	tgt = mustOpen(t, m, TargetConfig{Path: out})
	defer tgt.Close()
	if tgt.Resumed() != 3*dag.ChunkBytes {
		t.Errorf("resumed %d bytes of a cut part", tgt.Resumed())
	}
	fill(t, tgt, mem, all)
	if err := tgt.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameTree(t, filepath.Join(src, "file"), out)
}

// TestLostWrites makes a sync fail: nothing that was not on record before is
// ever claimed, and no more is accepted.
func TestLostWrites(t *testing.T) {
	r := seeded(t)
	src := filepath.Join(t.TempDir(), "src")
	for i := range 4 {
		writeFile(t, filepath.Join(src, string(rune('a'+i))), randomBytes(r, 1000))
	}
	mem, res := share(t, src)
	m := mustBuild(t, mem, res.Root)
	out := filepath.Join(t.TempDir(), "out")
	tgt := mustOpen(t, m, TargetConfig{Path: out, SyncInterval: time.Hour})
	fill(t, tgt, mem, func(i int) bool { return i == 0 })
	if err := tgt.Sync(); err != nil {
		t.Fatal(err)
	}
	fill(t, tgt, mem, func(i int) bool { return i == 1 })
	tgt.files.closeAll()
	b := filepath.Join(out+partEnding, "b")
	if err := errors.Join(os.Remove(b), os.Mkdir(b, 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := tgt.Sync(); err == nil {
		t.Fatal("a folder was synced for a file")
	}
	if err := tgt.Write(2, mem.blocks[m.Chunks[2].Cid]); err == nil {
		t.Error("accepted a chunk after a failed sync")
	}
	said, err := readState(tgt.state.f)
	if err != nil || said.durable.Count() != 1 || !said.durable.Has(0) || said.noted.Count() != 1 {
		t.Errorf("%d claimed, %d noted (%v)", said.durable.Count(), said.noted.Count(), err)
	}
	if err := tgt.Close(); err == nil {
		t.Error("closed as if nothing had happened")
	}
	os.Remove(b)
	tgt = mustOpen(t, m, TargetConfig{Path: out})
	defer tgt.Close()
	if tgt.Resumed() != 1000 {
		t.Errorf("resumed %d bytes", tgt.Resumed())
	}
}

// TestBackgroundSync waits until chunks are on record without being asked.
func TestBackgroundSync(t *testing.T) {
	r := seeded(t)
	src := filepath.Join(t.TempDir(), "src")
	writeFile(t, src, randomBytes(r, 4*dag.ChunkBytes))
	mem, res := share(t, src)
	m := mustBuild(t, mem, res.Root)
	for name, cfg := range map[string]TargetConfig{
		"by time":  {SyncInterval: time.Millisecond},
		"by bytes": {SyncInterval: time.Hour, SyncBytes: 4 * dag.ChunkBytes},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Path = filepath.Join(t.TempDir(), "out")
			tgt := mustOpen(t, m, cfg)
			fill(t, tgt, mem, all)
			for end := time.Now().Add(20 * time.Second); ; {
				tgt.syncing.Lock()
				said, err := readState(tgt.state.f)
				tgt.syncing.Unlock()
				if err != nil {
					t.Fatal(err)
				}
				if said.durable.Full() {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("%d of %d chunks are on record", said.durable.Count(), len(m.Chunks))
				}
				time.Sleep(time.Millisecond)
			}
			if err := tgt.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
