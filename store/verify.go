package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ipfs/go-cid"
)

// VerifyOptions says how a store is verified. The zero value is a good one.
type VerifyOptions struct {
	// Workers is how many goroutines read and hash. 0: one for every core.
	Workers int
	// Progress, if not nil, is called after every block, from several goroutines
	// but never two at a time, with the bytes hashed and the bytes there are to
	// hash, as far as is known. It must be quick and must not call the store.
	Progress func(done, total int64)
}

// Damage is something that the store has and cannot give.
type Damage struct {
	// Cid is that of the block, as a raw CID whatever its codec; undefined when
	// the damage is that of a whole file or of a region of a pack.
	Cid    cid.Cid
	Path   string // the user's file, or the pack
	Offset int64  // in Path, in bytes
	Length int64  // in bytes
	// Err is ErrCorrupt, ErrChanged, ErrMissing or what the operating system said,
	// wrapped.
	Err error
}

// Verify reads and hashes everything, on all cores, and enumerates what is
// damaged: first the packs in the order of the log, with the files that they
// refer to, and then what the index expects and the packs do not have. A file
// that changed or vanished is reported once, not for each of its blocks. What
// is added or removed meanwhile may be looked at or not. An error ends the
// enumeration and says why it could not go on.
func (s *Store) Verify(ctx context.Context, o VerifyOptions) iter.Seq2[Damage, error] {
	return func(yield func(Damage, error) bool) {
		if err := s.life.enter(); err != nil {
			yield(Damage{}, err)
			return
		}
		defer s.life.calls.Done()
		ctx, cancel := s.life.bounded(ctx)
		defer cancel()
		v := &verifier{s: s, o: o, jobs: make(chan verifyJob), found: make(chan Damage)}
		if v.o.Workers <= 0 {
			v.o.Workers = runtime.GOMAXPROCS(0)
		}
		var err error
		var all sync.WaitGroup
		all.Go(func() {
			defer close(v.found)
			err = v.run(ctx)
		})
		stopped := false
		for d := range v.found { // to the end, so that nobody is left waiting
			if !stopped && !yield(d, nil) {
				stopped = true
				cancel()
			}
		}
		all.Wait()
		if err != nil && !stopped {
			yield(Damage{}, err)
		}
	}
}

// verifier is one run of Verify.
type verifier struct {
	s     *Store
	o     VerifyOptions
	jobs  chan verifyJob
	found chan Damage

	total int64
	done  atomic.Int64
	mu    sync.Mutex      // for Progress and files
	files map[uint64]bool // those reported as damaged as a whole

	// seen counts by pack the owned blocks that are where the index says.
	seen map[uint32]int64
	torn map[uint32][]region
}

// verifyJob is one block to hash.
type verifyJob struct {
	hash string
	at   place
}

func (v *verifier) run(ctx context.Context) error {
	v.files, v.seen, v.torn = map[uint64]bool{}, map[uint32]int64{}, map[uint32][]region{}
	if v.o.Progress != nil {
		if err := v.measure(ctx); err != nil {
			return err
		}
	}
	var workers sync.WaitGroup
	for range v.o.Workers {
		workers.Go(func() {
			var buf []byte
			for j := range v.jobs {
				v.hash(j, &buf)
			}
		})
	}
	err := v.walk(ctx)
	close(v.jobs)
	workers.Wait()
	if err == nil {
		err = v.compareIndex(ctx)
	}
	return err
}

// eachEntry calls f for every location in the index.
func (v *verifier) eachEntry(ctx context.Context, f func(hash string, p place) error) error {
	for from := string(rune(keyBlock)); from != ""; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		var page []entry
		var next string
		if err := v.s.healing(func(t *tables) (err error) {
			page, next, err = t.page(string(rune(keyBlock)), from)
			return err
		}); err != nil {
			return err
		}
		for _, e := range page {
			hash, _, p, err := placeOf(e)
			if err == nil {
				err = f(hash, p)
			}
			if err != nil {
				return err
			}
		}
		from = next
	}
	return nil
}

// measure adds up what there is to hash.
func (v *verifier) measure(ctx context.Context) error {
	return v.eachEntry(ctx, func(_ string, p place) error {
		v.total += int64(p.length)
		return nil
	})
}

// walk goes over the packs in the order of the log, which is also the order in
// which files were imported: reading is sequential.
func (v *verifier) walk(ctx context.Context) error {
	for _, n := range v.s.log.numbers() {
		if err := v.walkPack(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) walkPack(ctx context.Context, n uint32) error {
	v.s.writing.Lock()
	p, size := v.s.log.get(n), int64(0)
	if p == v.s.log.active {
		size = v.s.log.end.off()
	} else if p != nil {
		size = p.size
	}
	v.s.writing.Unlock()
	if p == nil {
		return nil // removed meanwhile
	}
	f, err := os.Open(p.path)
	if errors.Is(err, os.ErrNotExist) {
		if v.s.log.get(n) == nil {
			return nil // removed meanwhile
		}
		return v.tear(ctx, p, region{0, size})
	}
	if err != nil {
		return err
	}
	defer f.Close()
	sc, err := openScanner(f, size, n)
	if errors.Is(err, errFrame) {
		return v.tear(ctx, p, region{0, size})
	}
	if err != nil {
		return err
	}
	for {
		rec, err := sc.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = v.check(ctx, rec)
		}
		if err != nil {
			return err
		}
	}
	for _, r := range sc.damage {
		if err := v.tear(ctx, p, r); err != nil {
			return err
		}
	}
	return nil
}

// tear reports a region of a pack in which no record is readable.
func (v *verifier) tear(ctx context.Context, p *pack, r region) error {
	v.torn[p.head.number] = append(v.torn[p.head.number], r)
	return v.report(ctx, Damage{
		Path: p.path, Offset: r.from, Length: r.to - r.from,
		Err: fmt.Errorf("store: %s: %w: no records can be read there", filepath.Base(p.path), ErrCorrupt),
	})
}

func (v *verifier) report(ctx context.Context, d Damage) error {
	select {
	case v.found <- d:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// check has what is live in the record hashed.
func (v *verifier) check(ctx context.Context, rec record) error {
	switch rec.typ {
	case recBlock:
		return v.checkPlace(ctx, string(rec.key), owned, rec.pos)
	case recRefs:
		m, err := parseRefsBody(rec.body)
		if err != nil {
			return nil //nolint:nilerr // it never meant anything
		}
		for _, r := range m.refs {
			if err := v.checkPlace(ctx, r.hash, m.file, rec.pos); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPlace has a location hashed if the record at pos is the one that the
// index has it from.
func (v *verifier) checkPlace(ctx context.Context, hash string, file uint64, pos logPos) error {
	var at place
	var live bool
	err := v.s.healing(func(t *tables) (err error) {
		at, live, err = t.location(hash, file)
		if err == nil && live && file != owned {
			_, live, err = t.file(file)
		}
		return err
	})
	if err != nil || !live || at.pos != pos {
		return err
	}
	if file == owned {
		v.seen[pos.pack()]++
	}
	select {
	case v.jobs <- verifyJob{hash, at}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// location returns one location of a block.
func (t *tables) location(hash string, file uint64) (p place, ok bool, err error) {
	v, err := t.get(string(blockKey(nil, hash, file)))
	if err != nil || v == nil {
		return place{}, false, err
	}
	p, err = parsePlace(file, v)
	return p, err == nil, err
}

// hash reads one block and reports it if it is not what it should be. It does
// not give up for a context: the enumeration takes reports to the end.
func (v *verifier) hash(j verifyJob, buf *[]byte) {
	if cap(*buf) < j.at.length {
		*buf = make([]byte, j.at.length, MaxBlockBytes)
	}
	data := (*buf)[:j.at.length]
	t := v.s.t.Load()
	err := v.s.readPlace(t, j.at, data, 0)
	if err == nil && !matches(j.hash, data) {
		err = v.s.mismatch(t, j.hash, j.at)
	}
	if err != nil && !errors.Is(err, errNoFile) && !errors.Is(err, errPackGone) { // those are gone meanwhile
		v.broken(j, err)
	}
	done := v.done.Add(int64(len(data)))
	if v.o.Progress != nil {
		v.mu.Lock()
		v.o.Progress(done, max(v.total, done))
		v.mu.Unlock()
	}
}

func (v *verifier) broken(j verifyJob, err error) {
	d := Damage{Cid: cidOf(j.hash), Offset: j.at.offset, Length: int64(j.at.length), Err: err}
	if j.at.file == owned {
		d.Path = filepath.Join(v.s.log.dir, packName(j.at.pos.pack()))
		v.found <- d
		return
	}
	if m, ok, ferr := v.s.t.Load().file(j.at.file); ferr == nil && ok {
		d.Path = m.file.Path
		if whole := m.file.recheck(); whole != nil {
			if v.told(j.at.file) {
				return
			}
			d = Damage{Path: m.file.Path, Length: m.file.Size, Err: whole}
		}
	}
	v.found <- d
}

// told reports whether the whole file was reported before, and marks it so.
func (v *verifier) told(file uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.files[file]
	v.files[file] = true
	return before
}

// compareIndex reports owned blocks that the index has and the packs have not.
func (v *verifier) compareIndex(ctx context.Context) error {
	count := map[uint32]int64{}
	if err := v.eachEntry(ctx, func(_ string, p place) error {
		if p.file == owned {
			count[p.pos.pack()]++
		}
		return nil
	}); err != nil {
		return err
	}
	suspect := map[uint32]bool{}
	for n, c := range count {
		suspect[n] = c != v.seen[n] || len(v.torn[n]) > 0
	}
	return v.eachEntry(ctx, func(hash string, p place) error {
		if p.file != owned || !suspect[p.pos.pack()] {
			return nil
		}
		var buf [frameLen + maxKeyLen]byte
		head := buf[:frameLen+len(hash)]
		err := v.s.log.readAt(head, p.pos.pack(), p.pos.off())
		if err == nil && string(head[frameLen:]) == hash && recordType(head[8]) == recBlock &&
			binary.LittleEndian.Uint32(head[28:]) == frameCRC(head) {
			return nil // hashed before, or added since
		}
		if now, ok, terr := v.s.t.Load().location(hash, owned); terr == nil && (!ok || now.pos != p.pos) {
			return nil // moved or deleted meanwhile
		}
		v.s.bad.add(p.pos)
		return v.report(ctx, Damage{
			Cid: cidOf(hash), Path: filepath.Join(v.s.log.dir, packName(p.pos.pack())),
			Offset: p.pos.off(), Length: int64(frameLen + len(hash) + p.length),
			Err: fmt.Errorf("store: block %s: %w: its record is not there", cidOf(hash), ErrCorrupt),
		})
	})
}
