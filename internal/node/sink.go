package node

import (
	"context"
	"io/fs"
	"sync"

	"github.com/ipfs/go-cid"

	"ringswap/store"
	"ringswap/transfer/dag"
)

// importSink takes an import into the store. Small files are collected, so that
// many are registered at a time, while the next ones are being looked at. The
// import ends with flush, and its owner calls wait before it closes the batch. Like
// any dag.Sink it is called by one goroutine at a time.
type importSink struct {
	batch *store.Batch

	small  []store.FileWith
	adding sync.WaitGroup // one goroutine at most
	err    error          // of that goroutine
}

const (
	smallRefs  = 16  // the most references of a file that is collected
	manySmalls = 256 // so many files are registered together
)

// Node implements dag.Sink.
func (s *importSink) Node(_ context.Context, c cid.Cid, data []byte) error {
	return s.batch.PutVerified(c, data)
}

// File implements dag.Sink. The description is taken from the path, while the
// importer has the file open; both compare it again at the end.
func (s *importSink) File(_ context.Context, path string, _ fs.FileInfo) (dag.FileSink, error) {
	f, err := store.StatFile(path)
	if err != nil {
		return nil, err
	}
	return &fileSink{sink: s, file: store.FileWith{File: f}}, nil
}

// flush registers what was collected. What fails is an error about the import.
func (s *importSink) flush() error {
	s.wait()
	if s.err != nil {
		return s.err
	}
	small := s.small
	s.small = nil
	return s.batch.AddFiles(small)
}

// wait returns when nothing uses the batch any more.
func (s *importSink) wait() { s.adding.Wait() }

func (s *importSink) collect(f store.FileWith) error {
	if s.small = append(s.small, f); len(s.small) < manySmalls {
		return nil
	}
	s.wait()
	small := s.small
	s.small = nil
	if s.err == nil {
		s.adding.Go(func() { s.err = s.batch.AddFiles(small) })
		return nil
	}
	return s.err
}

// fileSink takes one file.
type fileSink struct {
	sink *importSink
	file store.FileWith
	refs *store.FileRefs // nil as long as the file is small
}

// Chunks implements dag.FileSink.
func (s *fileSink) Chunks(_ context.Context, refs []dag.Ref) error {
	batch := s.file.Refs
	for _, r := range refs {
		batch = append(batch, store.Ref{Cid: r.Cid, Offset: r.Offset, Length: r.Size})
	}
	if s.refs == nil && len(batch) <= smallRefs {
		s.file.Refs = batch
		return nil
	}
	s.file.Refs = nil
	if s.refs == nil {
		var err error
		if s.refs, err = s.sink.batch.File(s.file.File); err != nil {
			return err
		}
	}
	return s.refs.Add(batch...)
}

// Close implements dag.FileSink.
func (s *fileSink) Close(err error) error {
	switch {
	case s.refs == nil && err == nil:
		return s.sink.collect(s.file)
	case s.refs == nil:
		return nil
	case err != nil:
		return s.refs.Abort()
	}
	return s.refs.Close()
}
