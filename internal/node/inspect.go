package node

import (
	"context"
	"iter"
	"path"

	"ringswap/transfer/dag"
)

// Entries implements [Service]. Only the folders are fetched, and one node of a
// file whose size its folder does not say.
func (n *Node) Entries(ctx context.Context, text string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ref, err := parseRef(text)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		f, err := n.startFetch(ctx, ref, 0)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer f.close()
		type folder struct {
			path string
			item dag.Item
		}
		todo := []folder{{item: dag.Item{Cid: ref.root}}}
		for len(todo) > 0 {
			at := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			items, err := dag.List(ctx, at.item.Cid, f, dag.Limits{}, true)
			if err != nil {
				yield(Entry{}, f.failed(err))
				return
			}
			var below []folder
			for _, it := range items {
				p := path.Join(at.path, it.Name)
				if !yield(Entry{Path: p, Type: typeName(it.Kind), Cid: it.Cid.String(), Size: max(0, it.Size), Link: it.Target}, nil) {
					return
				}
				if it.Kind == dag.Folder {
					below = append(below, folder{p, it})
				}
			}
			for i := len(below) - 1; i >= 0; i-- {
				todo = append(todo, below[i])
			}
		}
	}
}

func typeName(k dag.Kind) string {
	if k == dag.Folder {
		return "dir"
	}
	return k.String()
}
