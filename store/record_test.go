package store

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

func hashFor(data string) string {
	h, err := mh.Sum([]byte(data), mh.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	return string(h)
}

// buildPack returns a pack with a record of every type, and where they are.
func buildPack(number uint32) (b []byte, at []int64) {
	m := marker{1, 2, 3, 4, 5, 6, 7, 8}
	b = packHead{number: number, mark: m, created: 5}.bytes()
	add := func(typ recordType, key string, body []byte) {
		at = append(at, int64(len(b)))
		b = appendRecord(b, m, posOf(number, int64(len(b))), typ, key, body)
	}
	add(recBlock, hashFor("one"), []byte("one"))
	add(recFile, "", fileBody{id: 3, file: File{Path: "/x", Size: 9, ModTime: -5, Inode: 7, Device: 8}, born: 1}.encode())
	add(recRefs, "", refsBody{file: 3, refs: []refEntry{{hashFor("a"), 0, 4}, {hashFor("b"), 4, 5}}}.encode())
	add(recRoot, "", Root{Cid: cidOf(hashFor("one")), Name: "n"}.append(nil, 1))
	add(recPin, "", Pin{Cid: cidOf(hashFor("one"))}.append(nil, 1))
	add(recDrop, "", dropBody{drops: []dropEntry{{key: fileKey(3), from: 1, to: 2, at: 77}}}.encode())
	add(recMark, "", markBody{durable: posOf(number, 64)}.encode())
	add(recPack, "", packBody{pack: 9, state: packRetired}.encode())
	return b, at
}

// scanAll returns the places and types of all records, and the damage.
func scanAll(t testing.TB, b []byte, number uint32, checkBlocks bool) (at []int64, damage []region, err error) {
	t.Helper()
	sc, err := openScanner(bytes.NewReader(b), int64(len(b)), number)
	if err != nil {
		return nil, nil, err
	}
	sc.checkBlocks = checkBlocks
	for {
		rec, err := sc.next()
		if errors.Is(err, io.EOF) {
			return at, sc.damage, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, rec.pos.off())
	}
}

func TestScan(t *testing.T) {
	b, want := buildPack(2)
	at, damage, err := scanAll(t, b, 2, true)
	if err != nil || damage != nil || !reflect.DeepEqual(at, want) {
		t.Fatalf("records at %v, damage %v, %v; want %v", at, damage, err, want)
	}
	if _, _, err := scanAll(t, b, 3, true); !errors.Is(err, errFrame) {
		t.Errorf("pack under another number: %v", err)
	}
}

// TestScanDamage flips every byte of a pack in turn: the record in which it is
// must be missing, reported, and all others found.
func TestScanDamage(t *testing.T) {
	whole, all := buildPack(1)
	ends := append(append([]int64{}, all[1:]...), int64(len(whole)))
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x40
		at, damage, err := scanAll(t, b, 1, true)
		if i < packHeadLen {
			if err != nil || !reflect.DeepEqual(at, all) {
				t.Fatalf("byte %d of the header: records at %v, %v", i, at, err)
			}
			continue
		}
		var want []int64
		var hit region
		for k := range all {
			if int64(i) >= all[k] && int64(i) < ends[k] {
				hit = region{all[k], ends[k]}
			} else {
				want = append(want, all[k])
			}
		}
		if err != nil || !reflect.DeepEqual(at, want) || !reflect.DeepEqual(damage, []region{hit}) {
			t.Fatalf("byte %d: records at %v, damage %v, %v; want %v, %v", i, at, damage, err, want, hit)
		}
	}
	for n := packHeadLen; n < len(whole); n++ { // and cuts it at every byte
		at, damage, err := scanAll(t, whole[:n], 1, true)
		k := 0
		for k < len(ends) && ends[k] <= int64(n) {
			k++
		}
		complete := k == 0 && n == packHeadLen || k > 0 && ends[k-1] == int64(n)
		if err != nil || len(at) != k || complete != (damage == nil) {
			t.Fatalf("cut at %d: records at %v, damage %v, %v", n, at, damage, err)
		}
	}
}

// TestScanHostile puts records inside a block, as a stranger may, and damages
// the head of the block's record: what is inside must not be taken for records.
func TestScanHostile(t *testing.T) {
	root := Root{Cid: cidOf(hashFor("evil")), Name: "evil"}.append(nil, 1)
	m := marker{9, 9, 9, 9, 9, 9, 9, 9}
	for name, x := range map[string]struct {
		guess  marker
		offset int64
	}{
		"without the marker":                         {marker{1, 2, 3}, 0},
		"with the marker, at another place":          {m, 1000},
		"with the marker, its place in another pack": {m, int64(posOf(7, 0))},
	} {
		b := packHead{number: 1, mark: m}.bytes()
		start := int64(len(b))
		inside := start + frameLen + int64(len(hashFor(""))) + 100
		evil := append(make([]byte, 100), appendRecord(nil, x.guess, posOf(1, inside)+logPos(x.offset), recRoot, "", root)...)
		b = appendRecord(b, m, posOf(1, start), recBlock, hashFor(string(evil)), evil)
		next := int64(len(b))
		b = appendRecord(b, m, posOf(1, next), recMark, "", nil)
		b[start+10] ^= 1
		at, damage, err := scanAll(t, b, 1, false)
		if err != nil || !reflect.DeepEqual(at, []int64{next}) || !reflect.DeepEqual(damage, []region{{start, next}}) {
			t.Errorf("%s: records at %v, damage %v, %v", name, at, damage, err)
		}
	}
}

func TestBodies(t *testing.T) {
	f := fileBody{id: 1 << 60, file: File{Path: "/ä\xff", Size: 1 << 50, ModTime: -1, Inode: 1<<64 - 1, Device: 3}, born: 9}
	if got, err := parseFileBody(f.encode()); err != nil || got != f {
		t.Errorf("file: %+v, %v", got, err)
	}
	r := refsBody{file: 5, refs: []refEntry{{hashFor("x"), 1 << 40, MaxBlockBytes}, {hashFor("y"), 0, 0}}}
	if got, err := parseRefsBody(r.encode()); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("refs: %+v, %v", got, err)
	}
	d := dropBody{drops: []dropEntry{{key: string(blockKey(nil, hashFor("x"), 4)), from: 1, to: 2, at: 1 << 40}, {key: "r" + cidOf(hashFor("x")).KeyString()}}}
	if got, err := parseDropBody(d.encode()); err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("drops: %+v, %v", got, err)
	}
	m := meta{applied: 1 << 40, epoch: 3, nextFile: 4, owned: 5, packs: []uint32{1, 7}, emptying: []uint32{7}}
	if got, err := parseMeta(m.value()); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("meta: %+v, %v", got, err)
	}
	p := place{file: 7, pos: posOf(3, 99), epoch: 1 << 33, offset: 1 << 45, length: 1 << 20}
	if got, err := parsePlace(7, p.value()); err != nil || got != p {
		t.Errorf("place: %+v, %v", got, err)
	}
	for name, b := range map[string][]byte{
		"no id":       fileBody{file: File{Path: "/x"}}.encode(),
		"no path":     fileBody{id: 1}.encode(),
		"huge size":   putVarint(fileBody{id: 1, file: File{Path: "/x"}}.encode(), 3, 1<<63),
		"fixed field": {0x0d, 1, 2, 3, 4},
		"cut":         {0x0a, 5, 1},
	} {
		if got, err := parseFileBody(b); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, b := range map[string][]byte{
		"untrusted hash": refsBody{file: 1, refs: []refEntry{{hash: "\x11\x14" + strings.Repeat("x", 20)}}}.encode(),
		"too long":       refsBody{file: 1, refs: []refEntry{{hash: hashFor("x"), length: MaxBlockBytes + 1}}}.encode(),
		"before":         refsBody{file: 1, refs: []refEntry{{hash: hashFor("x"), offset: -1}}}.encode(),
		"no file":        refsBody{}.encode(),
	} {
		if got, err := parseRefsBody(b); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, key := range []string{"m", "nfoo", "b", "b\x12\x20", "f123", "x"} {
		if got, err := parseDropBody(dropBody{drops: []dropEntry{{key: key}}}.encode()); err == nil {
			t.Errorf("drop of %q: %+v", key, got)
		}
	}
}

func TestHashOf(t *testing.T) {
	sum := func(code uint64, n int) cid.Cid {
		h, err := mh.Sum([]byte("x"), code, n)
		if err != nil {
			t.Fatal(err)
		}
		return cid.NewCidV1(cid.DagProtobuf, h)
	}
	for _, c := range []cid.Cid{sum(mh.SHA2_256, -1), sum(mh.SHA2_512, -1), sum(mh.BLAKE3, -1), sum(mh.SHA3_256, -1)} {
		hash, inline, err := hashOf(c)
		if err != nil || inline || hash != string(c.Hash()) || !matches(hash, []byte("x")) || matches(hash, []byte("y")) {
			t.Errorf("%s: %x, %v, %v", c, hash, inline, err)
		}
	}
	if hash, inline, err := hashOf(cid.NewCidV0(sum(mh.SHA2_256, -1).Hash())); err != nil || inline || hash != string(sum(mh.SHA2_256, -1).Hash()) {
		t.Errorf("version 0: %x, %v", hash, err)
	}
	for _, c := range []cid.Cid{{}, sum(mh.SHA1, -1), sum(mh.MURMUR3X64_64, -1), sum(mh.SHA2_256, 31)} {
		if _, _, err := hashOf(c); !errors.Is(err, ErrBadCid) {
			t.Errorf("%v: %v", c, err)
		}
	}
	whole := sum(mh.SHA2_256, -1)
	if testing.AllocsPerRun(100, func() { _, _, _ = hashOf(whole) }) > 0 {
		t.Error("hashOf allocates")
	}
}

func FuzzScan(f *testing.F) {
	whole, _ := buildPack(1)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(whole[:packHeadLen])
	f.Add(append(bytes.Clone(whole[:packHeadLen+20]), whole...))
	f.Add([]byte("rspack"))
	f.Fuzz(func(t *testing.T, b []byte) {
		at, damage, err := scanAll(t, b, 1, true)
		if err != nil {
			return
		}
		// Records and damage cover everything after the header, in order.
		next := int64(packHeadLen)
		for len(at) > 0 || len(damage) > 0 {
			if len(damage) > 0 && damage[0].from == next {
				next, damage = damage[0].to, damage[1:]
				continue
			}
			if len(at) == 0 || at[0] != next {
				t.Fatalf("nothing says what is at %d: records %v, damage %v", next, at, damage)
			}
			rec, err := (&scanner{r: bytes.NewReader(b), head: packHead{number: 1, mark: marker(b[next : next+8])}, size: int64(len(b))}).at(next)
			if err != nil {
				t.Fatalf("record at %d: %v", next, err)
			}
			// What is read can be written again to the very bytes.
			again := appendRecord(nil, marker(b[next:next+8]), rec.pos, rec.typ, string(rec.key), b[next+rec.bodyOff():next+rec.size()])
			if !bytes.Equal(again[:10], b[next:next+10]) || int64(len(again)) != rec.size() {
				t.Fatalf("record at %d is written as %x", next, again)
			}
			next, at = next+rec.size(), at[1:]
		}
		if next != int64(len(b)) {
			t.Fatalf("ends at %d of %d", next, len(b))
		}
	})
}

func FuzzBodies(f *testing.F) {
	f.Add(fileBody{id: 3, file: File{Path: "/x", Size: 9, ModTime: -5, Inode: 7}, born: 1}.encode())
	f.Add(refsBody{file: 3, refs: []refEntry{{hashFor("a"), 0, 4}}}.encode())
	f.Add(Root{Cid: cidOf(hashFor("one")), Name: "n", Note: []byte("x")}.append(nil, 1))
	f.Add(dropBody{drops: []dropEntry{{key: fileKey(3), from: 1, to: 2, at: 77}}}.encode())
	f.Add(markBody{durable: 5}.encode())
	f.Add(packBody{pack: 9, state: packRetired}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseFileBody(b); err == nil {
			if got, err := parseFileBody(m.encode()); err != nil || got != m {
				t.Errorf("file %+v comes back as %+v, %v", m, got, err)
			}
		}
		if m, err := parseRefsBody(b); err == nil {
			if got, err := parseRefsBody(m.encode()); err != nil || !reflect.DeepEqual(got, m) {
				t.Errorf("refs %+v come back as %+v, %v", m, got, err)
			}
		}
		if m, born, err := parseRootBody(b); err == nil {
			got, born2, err := parseRootBody(m.append(nil, born))
			if err != nil || born2 != born || !got.Cid.Equals(m.Cid) || got.Name != m.Name || !bytes.Equal(got.Note, m.Note) || !got.Added.Equal(m.Added) {
				t.Errorf("root %+v comes back as %+v, %v", m, got, err)
			}
		}
		if m, err := parseDropBody(b); err == nil {
			if got, err := parseDropBody(m.encode()); err != nil || !reflect.DeepEqual(got, m) {
				t.Errorf("drops %+v come back as %+v, %v", m, got, err)
			}
		}
		if m, err := parsePackBody(b); err == nil {
			if got, err := parsePackBody(m.encode()); err != nil || got != m {
				t.Errorf("pack %+v comes back as %+v, %v", m, got, err)
			}
		}
		if m, err := parseMarkBody(b); err == nil {
			if got, err := parseMarkBody(m.encode()); err != nil || got != m {
				t.Errorf("mark %+v comes back as %+v, %v", m, got, err)
			}
		}
	})
}

func FuzzValues(f *testing.F) {
	f.Add([]byte(string(blockKey(nil, hashFor("x"), 4))), place{pos: 5, epoch: 1, offset: 3, length: 9}.value())
	f.Add([]byte(fileKey(3)), append(stamp(5, 6), "body"...))
	f.Add([]byte{keyMeta}, meta{applied: 1, epoch: 2, nextFile: 3, owned: 4, packs: []uint32{1}}.value())
	split := comparer().Split
	f.Fuzz(func(t *testing.T, key, v []byte) {
		if n := split(key); n < 0 || n > len(key) || split(key[:n]) != n {
			t.Errorf("split of %x is %d, and of its prefix %d", key, n, split(key[:n]))
		}
		if hash, file, ok := splitBlockKey(string(key)); ok && !bytes.Equal(blockKey(nil, hash, file), key) {
			t.Errorf("key %x comes back as %x", key, blockKey(nil, hash, file))
		}
		if p, err := parsePlace(9, v); err == nil {
			if got, err := parsePlace(9, p.value()); err != nil || got != p {
				t.Errorf("place %+v comes back as %+v, %v", p, got, err)
			}
		}
		if m, err := parseMeta(v); err == nil {
			if got, err := parseMeta(m.value()); err != nil || got.applied != m.applied || got.owned != m.owned {
				t.Errorf("meta %+v comes back as %+v, %v", m, got, err)
			}
		}
		_, _, _, _ = parseStamp(v)
	})
}
