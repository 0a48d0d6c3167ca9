package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"

	"ringswap/transfer/dag"
)

// OpenTarget begins or resumes the writing of a manifest's content. What is in
// place already is kept: chunks on record as synced without another look,
// others that may be there after hashing them.
//
// If the right content is at Path already, the target is complete from the
// start and nothing is written. Errors are ErrExists, ErrInUse, ErrUnsafe,
// ErrDiskFull, or the disk's.
func OpenTarget(ctx context.Context, m *dag.Manifest, cfg TargetConfig) (*Target, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := rulesOf(runtime.GOOS).checkTree(m); err != nil {
		return nil, err
	}
	place, err := openPlace(cfg.Path)
	if err != nil {
		return nil, err
	}
	t := &Target{
		cfg: cfg.withDefaults(), m: m, place: place,
		kick: make(chan struct{}, 1), stop: make(chan struct{}),
		have: NewBitmap(len(m.Chunks)), durable: NewBitmap(len(m.Chunks)), dirty: make(map[int]struct{}),
	}
	if err := t.open(ctx); err != nil {
		return nil, errors.Join(err, t.release())
	}
	return t, nil
}

func (t *Target) open(ctx context.Context) error {
	there, err := t.alreadyThere(ctx)
	if err != nil || there && !t.place.leftover() {
		return err
	}
	state, created, err := t.place.lockState()
	if err != nil {
		return err
	}
	t.state = state
	if there, err = t.alreadyThere(ctx); err == nil && there { // by whoever had the lock before
		return t.dropLeftover()
	}
	if err == nil {
		err = t.adopt(ctx, created)
	}
	if err != nil {
		if created {
			err = errors.Join(err, t.place.parent.Remove(t.place.state()))
		}
		return err
	}
	for i := range t.m.Chunks {
		if t.have.Has(i) {
			t.resumed += t.payloads(i)
		}
	}
	t.running.Add(1)
	go t.syncLoop()
	return nil
}

// dropLeftover removes a state file that belongs to no part.
func (t *Target) dropLeftover() error {
	if t.state.ours() != nil || !t.place.leftover() {
		return nil
	}
	return t.dropState()
}

// payloads is how many bytes of the content chunk i makes up.
func (t *Target) payloads(i int) (n int64) {
	for range t.m.Extents(i) {
		n += int64(t.m.PayloadSize(i))
	}
	return n
}

// alreadyThere looks at what is at the final place. The right content counts as
// fetched, anything else is in the way unless it may be replaced.
func (t *Target) alreadyThere(ctx context.Context) (bool, error) {
	info, err := t.place.occupied()
	if err != nil || info == nil {
		return false, err
	}
	same, err := sameAs(ctx, t.m, t.place.path, t.checker())
	switch {
	case same:
		for i := range t.m.Chunks {
			t.have.Set(i)
		}
		t.resumed = t.m.Size
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case t.cfg.Force:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%w: %w", exists(t.place.path, "and cannot be compared"), err)
	}
	return false, exists(t.place.path, "something else has that name")
}

func (t *Target) checker() checker {
	return checker{m: t.m, workers: t.cfg.Workers, tell: t.cfg.Checking}
}

// adopt finds out what is in the part and goes on from there.
func (t *Target) adopt(ctx context.Context, created bool) error {
	id := stateID{root: t.m.Root, digest: t.m.Digest(), chunks: len(t.m.Chunks)}
	part, err := t.place.parent.Lstat(t.place.part())
	if errors.Is(err, fs.ErrNotExist) {
		if err := t.state.ours(); err != nil && !t.cfg.Force {
			return exists(t.place.near(t.place.state()), err.Error())
		}
		return t.begin(id)
	}
	if err != nil {
		return err
	}
	said, stateErr := readState(t.state.f)
	if stateErr != nil && !errors.Is(stateErr, errBadState) {
		return stateErr
	}
	why := t.foreign(part, said, stateErr)
	if why == "" && t.m.Entries[0].Kind == dag.Folder {
		if why, err = t.compareParts(); err != nil {
			return err
		}
	}
	if why != "" {
		return t.replacePart(id, why)
	}
	if err := t.openFiles(t.place.part(), false); err != nil {
		return err
	}
	if stateErr != nil || !said.id.equal(id) {
		return t.salvage(ctx, id, created)
	}
	return t.resume(ctx, said)
}

// foreign says why a part cannot be a part of this content; empty if it can.
func (t *Target) foreign(part fs.FileInfo, said claims, stateErr error) string {
	folder := t.m.Entries[0].Kind == dag.Folder
	switch {
	case folder && !part.IsDir(), !folder && !part.Mode().IsRegular():
		return "it is another kind of thing"
	case stateErr == nil && !said.id.root.Equals(t.m.Root):
		return fmt.Sprintf("it is an unfinished get of %s", said.id.root)
	}
	return ""
}

// compareParts says what in a part folder does not belong there.
func (t *Target) compareParts() (string, error) {
	root, err := t.place.parent.OpenRoot(t.place.part())
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	return compareTree(t.m, root, true)
}

// replacePart throws a part away and begins anew, if that is allowed.
func (t *Target) replacePart(id stateID, why string) error {
	if !t.cfg.Force {
		return exists(t.place.near(t.place.part()), why)
	}
	if err := t.place.parent.RemoveAll(t.place.part()); err != nil {
		return err
	}
	return t.begin(id)
}

// begin starts with an empty part. The state file is there first: a part
// without one is somebody else's.
func (t *Target) begin(id stateID) error {
	if err := t.state.reset(id); err != nil {
		return err
	}
	if t.m.Entries[0].Kind == dag.Folder {
		if err := t.place.parent.Mkdir(t.place.part(), 0o777); err != nil {
			return diskError(err)
		}
	}
	if err := t.openFiles(t.place.part(), false); err != nil {
		return err
	}
	t.files.fresh = true
	return nil
}

// openFiles opens the file or folder of that name beside the final place.
func (t *Target) openFiles(name string, readOnly bool) error {
	root := t.place.parent
	if t.m.Entries[0].Kind == dag.Folder {
		var err error
		if root, err = t.place.parent.OpenRoot(name); err != nil {
			return err
		}
		name = ""
	}
	t.files = newPartFiles(t.m, root, name, readOnly)
	return nil
}

// resume trusts what is on record as synced, as long as the files have the
// length for it, and hashes what is only noted.
func (t *Target) resume(ctx context.Context, said claims) error {
	t.state.id, t.state.seq = said.id, said.seq
	lengths := t.lengths()
	for i := range t.m.Chunks {
		if said.durable.Has(i) && t.reaches(i, lengths) {
			t.have.Set(i)
		}
	}
	t.durable = t.have.Clone()
	if said.noted == nil {
		return nil
	}
	return t.salvaged(ctx, func(i int) bool { return said.noted.Has(i) && !t.durable.Has(i) })
}

// lengths are the lengths of all files in the part, -1 where there is none.
func (t *Target) lengths() []int64 {
	out := make([]int64, len(t.m.Entries))
	for i, e := range t.m.Entries {
		out[i] = -1
		if e.Kind != dag.File {
			continue
		}
		if info, err := t.files.root.Lstat(t.files.path(i)); err == nil && info.Mode().IsRegular() {
			out[i] = info.Size()
		}
	}
	return out
}

// reaches reports whether files of these lengths can hold chunk i.
func (t *Target) reaches(i int, lengths []int64) bool {
	for x := range t.m.Extents(i) {
		if lengths[x.Entry] < x.Offset+int64(t.m.PayloadSize(i)) {
			return false
		}
	}
	return true
}

// salvage hashes all that is in a part whose state file is lost, damaged or
// about another unfolding of the same root. A part that came without a state
// file and holds nothing of the content is somebody else's.
func (t *Target) salvage(ctx context.Context, id stateID, created bool) error {
	got, err := t.check(ctx, func(int) bool { return true })
	if err != nil {
		return err
	}
	if created && got.somebody && got.right.Count() == 0 {
		if err := t.closeParts(); err != nil {
			return err
		}
		return t.replacePart(id, "nothing in it belongs to this content")
	}
	if err := t.state.reset(id); err != nil {
		return err
	}
	t.accept(got.right)
	return nil
}

// salvaged hashes the chunks that want names and takes those that are right.
func (t *Target) salvaged(ctx context.Context, want func(i int) bool) error {
	got, err := t.check(ctx, want)
	if err == nil {
		t.accept(got.right)
	}
	return err
}

func (t *Target) check(ctx context.Context, want func(i int) bool) (found, error) {
	c := t.checker()
	c.files = newPartFiles(t.m, t.files.root, t.files.name, true)
	return c.chunks(ctx, want)
}

// accept takes chunks that are in place but not on record as synced.
func (t *Target) accept(right *Bitmap) {
	for i := range right.Len() {
		if right.Has(i) {
			t.written(i)
		}
	}
}

// closeParts closes the part.
func (t *Target) closeParts() error {
	files := t.files
	t.files = nil
	files.closeAll()
	if files.root == t.place.parent {
		return nil
	}
	return files.root.Close()
}

// release closes everything. What it cannot close is of no consequence any
// more, but for the state file, whose lock goes with it.
func (t *Target) release() error {
	if t.files != nil {
		_ = t.closeParts()
	}
	if t.state != nil {
		_ = t.state.f.Close()
		t.state = nil
	}
	if t.place.parent == nil {
		return nil
	}
	return t.place.parent.Close()
}

// readBlock reads from the block of a chunk that is there.
func (t *Target) readBlock(i int, p []byte, off int64) (int, error) {
	var place dag.Extent
	for place = range t.m.Extents(i) {
		break
	}
	f, err := t.files.use(place.Entry)
	if err != nil {
		return 0, err
	}
	defer t.files.release(f)
	c, n := t.m.Chunks[i], t.m.PayloadSize(i)
	if c.Size == n { // the block is the payload
		return io.NewSectionReader(f.file, place.Offset, int64(n)).ReadAt(p, off)
	}
	payload := make([]byte, n)
	if _, err := f.file.ReadAt(payload, place.Offset); err != nil {
		return 0, err
	}
	block, err := dag.Enclose(c.Cid, payload)
	if err != nil {
		return 0, err
	}
	return bytes.NewReader(block).ReadAt(p, off)
}
