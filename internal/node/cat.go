package node

import (
	"context"
	"errors"
	"io"
	"os"

	"ringswap/transfer"
)

// Cat implements [Service].
func (n *Node) Cat(ctx context.Context, req CatRequest, w io.Writer) error {
	ref, err := parsePath(req.Ref)
	if err != nil {
		return err
	}
	if req.Offset < 0 {
		return usage("the offset %d is negative", req.Offset)
	}
	ref.order = true
	f, err := n.startFetch(ctx, ref, req.Wait)
	if err != nil {
		return err
	}
	defer f.close()
	err = transfer.Cat(ctx, transfer.CatConfig{Root: ref.root, Inside: ref.path, Offset: req.Offset, Length: req.Length}, w, f)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, transfer.ErrNotFile):
		return failure(KindUsage, err, "peer ls "+ref.root.String(), "cannot print %s", ref.root)
	case errors.Is(err, io.ErrClosedPipe), errors.Is(err, os.ErrClosed):
		return err
	}
	return f.failed(err)
}
