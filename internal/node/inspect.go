package node

import (
	"context"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"ringswap/transfer"
	"ringswap/transfer/dag"
)

// Entries implements [Service]. Only the folders are fetched, those on the way to
// what is meant and those below, and one node of a file whose size its folder does
// not say.
func (n *Node) Entries(ctx context.Context, text string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ref, err := parsePath(text)
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
		from, err := f.descend(ctx)
		if err != nil {
			yield(Entry{}, f.failed(err))
			return
		}
		if from.item.Kind != 0 && from.item.Kind != dag.Folder {
			yield(from.entry(), nil)
			return
		}
		todo := []listed{from}
		for len(todo) > 0 {
			at := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			items, err := dag.List(ctx, at.item.Cid, f, dag.Limits{}, true)
			if err != nil {
				yield(Entry{}, f.failed(err))
				return
			}
			var below []listed
			for _, it := range items {
				l := listed{path.Join(at.path, it.Name), it}
				if !yield(l.entry(), nil) {
					return
				}
				if it.Kind == dag.Folder {
					below = append(below, l)
				}
			}
			for i := len(below) - 1; i >= 0; i-- {
				todo = append(todo, below[i])
			}
		}
	}
}

// listed is what was found at a path below a root.
type listed struct {
	path string
	item dag.Item
}

func (l listed) entry() Entry {
	it := l.item
	return Entry{Path: l.path, Type: typeName(it.Kind), Cid: it.Cid.String(), Size: max(0, it.Size), Link: it.Target}
}

// descend finds what a fetch is about: its root, of which only the CID is known, or
// what is at its path below.
func (f *fetch) descend(ctx context.Context) (listed, error) {
	at := listed{item: dag.Item{Cid: f.ref.root}}
	if f.ref.path == "" {
		return at, nil
	}
	for name := range strings.SplitSeq(f.ref.path, "/") {
		i := -1
		if at.item.Kind == 0 || at.item.Kind == dag.Folder {
			items, err := dag.List(ctx, at.item.Cid, f, dag.Limits{}, true)
			if err != nil {
				return listed{}, err
			}
			if i = slices.IndexFunc(items, func(it dag.Item) bool { return it.Name == name }); i >= 0 {
				at = listed{path.Join(at.path, name), items[i]}
			}
		}
		if i < 0 {
			return listed{}, fmt.Errorf("%s: %w: %q", f.ref.root, transfer.ErrNoEntry, path.Join(at.path, name))
		}
	}
	return at, nil
}

func typeName(k dag.Kind) string {
	if k == dag.Folder {
		return "dir"
	}
	return k.String()
}
