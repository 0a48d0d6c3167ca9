package node

import (
	"context"
	"io/fs"

	"github.com/ipfs/go-cid"

	"ringswap/store"
	"ringswap/transfer/dag"
)

// importSink takes an import into the store.
type importSink struct {
	batch *store.Batch
}

// Node implements dag.Sink.
func (s importSink) Node(_ context.Context, c cid.Cid, data []byte) error {
	return s.batch.PutVerified(c, data)
}

// File implements dag.Sink. The description is taken from the path, while the
// importer has the file open; both compare it again at the end.
func (s importSink) File(_ context.Context, path string, _ fs.FileInfo) (dag.FileSink, error) {
	f, err := store.StatFile(path)
	if err != nil {
		return nil, err
	}
	refs, err := s.batch.File(f)
	if err != nil {
		return nil, err
	}
	return fileSink{refs}, nil
}

type fileSink struct{ refs *store.FileRefs }

// Chunks implements dag.FileSink.
func (s fileSink) Chunks(_ context.Context, refs []dag.Ref) error {
	batch := make([]store.Ref, 0, len(refs))
	for _, r := range refs {
		batch = append(batch, store.Ref{Cid: r.Cid, Offset: r.Offset, Length: r.Size})
	}
	return s.refs.Add(batch...)
}

// Close implements dag.FileSink.
func (s fileSink) Close(err error) error {
	if err != nil {
		return s.refs.Abort()
	}
	return s.refs.Close()
}
