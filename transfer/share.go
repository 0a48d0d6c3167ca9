package transfer

import (
	"context"
	"iter"
	"path/filepath"

	"ringswap/transfer/dag"
)

// Shared is one path that was hashed.
type Shared struct {
	dag.Result
	Path string // absolute
	Name string // its last element: what a link proposes as name
}

// Share hashes paths in place, one after the other, and tells sink about every
// node and chunk; dag.Import says how. It ends with the first path that fails,
// or whose result the consumer does not want more after.
func Share(ctx context.Context, paths []string, sink dag.Sink, cfg dag.ImportConfig) iter.Seq2[Shared, error] {
	return func(yield func(Shared, error) bool) {
		for _, p := range paths {
			s, err := shareOne(ctx, p, sink, cfg)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

func shareOne(ctx context.Context, path string, sink dag.Sink, cfg dag.ImportConfig) (Shared, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Shared{}, err
	}
	res, err := dag.Import(ctx, abs, sink, cfg)
	return Shared{Result: res, Path: abs, Name: filepath.Base(abs)}, err
}
