package dag

import (
	"context"
	"io/fs"

	"github.com/ipfs/go-cid"
)

// Kind says what an entry of a DAG is.
type Kind uint8

// The kinds of entries.
const (
	File Kind = iota + 1
	Folder
	Symlink
)

// String is the kind as people call it.
func (k Kind) String() string {
	switch k {
	case File:
		return "file"
	case Folder:
		return "folder"
	case Symlink:
		return "symlink"
	}
	return "unknown"
}

// Ref is a chunk at its place in a file. The chunk of an empty file has size 0.
type Ref struct {
	Chunk
	Offset int64 // in bytes, from the start of the file
}

// Sink is told what an import finds. Import calls it, and the FileSinks it
// returns, from several goroutines but never two at a time. An error from any
// call ends the import with that error.
type Sink interface {
	// Node takes an internal node: of a file of several chunks, of a folder, of
	// a symbolic link. The bytes belong to the sink. The same node may come more
	// than once, children come before their parents, the root comes last.
	Node(ctx context.Context, c cid.Cid, data []byte) error
	// File announces a file before it is read. The path is absolute; stat was
	// taken from the open file, before anything was read from it. Files come
	// interleaved.
	File(ctx context.Context, path string, stat fs.FileInfo) (FileSink, error)
}

// FileSink is told the chunks of one file.
type FileSink interface {
	// Chunks takes the next chunks of the file, in order and without gaps: at
	// most 1024 of them. The slice is reused after the call.
	Chunks(ctx context.Context, refs []Ref) error
	// Close is the last call, and is always made. A nil err says that all chunks
	// were given and that the file was the same afterwards as before: same
	// place, size and time of modification. Otherwise what was given is not to
	// be used.
	Close(err error) error
}
