package store

import (
	"errors"
	"fmt"
)

// FileWith is a file and the references into it.
type FileWith struct {
	File File
	Refs []Ref
}

// AddFiles registers files with their references, as [Batch.File], [FileRefs.Add]
// and [FileRefs.Close] would one after the other: for many small files in a
// fraction of the time. An error, such as the [FileError] of a file that is no
// longer as it was described, leaves the files before that one registered.
func (b *Batch) AddFiles(files []FileWith) error {
	for len(files) > 0 {
		n, refs := 0, 0
		for n < len(files) && refs+1+len(files[n].Refs) <= maxRun {
			refs += 1 + len(files[n].Refs)
			n++
		}
		var err error
		if n == 0 {
			n, err = 1, b.addOne(files[0])
		} else {
			err = b.addFiles(files[:n])
		}
		if err != nil {
			return err
		}
		files = files[n:]
	}
	return nil
}

// addFiles is AddFiles for no more files and references than maxRun.
func (b *Batch) addFiles(files []FileWith) (err error) {
	runs := make([][]refEntry, len(files))
	for i, f := range files {
		if runs[i], err = f.entries(); err == nil {
			err = f.File.recheck()
		}
		if err != nil {
			files, runs = files[:i], runs[:i]
			break
		}
	}
	var known []FileWith
	werr := b.s.write(func(t *tables) (err error) {
		known, err = b.s.addNew(t, files, runs)
		return err
	})
	for _, f := range known {
		if werr == nil {
			werr = b.addOne(f)
		}
	}
	if werr != nil {
		return werr
	}
	return err
}

// addNew registers those files whose path is not registered yet, and returns the
// others. The caller holds the write lock.
func (s *Store) addNew(t *tables, files []FileWith, runs [][]refEntry) (known []FileWith, err error) {
	recs := make([]logRecord, 0, 2*len(files))
	paths := make(map[string]struct{}, len(files))
	id := t.m.nextFile
	for i, f := range files {
		old, err := t.fileAt(f.File.Path)
		if err != nil {
			return nil, err
		}
		if _, twice := paths[f.File.Path]; old != 0 || twice {
			known = append(known, f)
			continue
		}
		paths[f.File.Path] = struct{}{}
		recs = append(recs, logRecord{typ: recFile, body: fileBody{id: id, file: f.File, born: s.log.end.pack()}.encode()})
		if len(runs[i]) > 0 {
			recs = append(recs, logRecord{typ: recRefs, body: refsBody{file: id, refs: runs[i]}.encode()})
		}
		id++
	}
	return known, s.records(t, recs)
}

// addOne is AddFiles for one file.
func (b *Batch) addOne(f FileWith) error {
	r, err := b.File(f.File)
	if err == nil {
		if err = r.Add(f.Refs...); err != nil {
			err = errors.Join(err, r.Abort())
		}
	}
	if err != nil {
		return err
	}
	return r.Close()
}

// entries checks the references and leaves out those whose CID is the block.
func (f FileWith) entries() ([]refEntry, error) {
	if err := f.File.checkDescription(); err != nil {
		return nil, err
	}
	run := make([]refEntry, 0, len(f.Refs))
	for _, x := range f.Refs {
		e, in, err := f.File.entry(x)
		if err != nil {
			return nil, err
		}
		if !in {
			run = append(run, e)
		}
	}
	return run, nil
}

// entry checks a reference into f; inline says that its CID is the block itself.
func (f File) entry(x Ref) (e refEntry, inline bool, err error) {
	hash, inline, err := hashOf(x.Cid)
	if err != nil {
		return refEntry{}, false, err
	}
	if x.Length < 0 || x.Length > MaxBlockBytes || x.Offset < 0 || x.Offset > f.Size-int64(x.Length) {
		return refEntry{}, false, &FileError{Path: f.Path, Err: fmt.Errorf(
			"reference to %d bytes at %d does not lie in the file of %d bytes", x.Length, x.Offset, f.Size)}
	}
	return refEntry{hash: hash, offset: x.Offset, length: x.Length}, inline, nil
}

// checkDescription refuses what cannot be registered.
func (f File) checkDescription() error {
	if f.Path == "" || f.Size < 0 || len(f.Path) > MaxText {
		return fmt.Errorf("store: %q is no description of a file", f.Path)
	}
	return nil
}
