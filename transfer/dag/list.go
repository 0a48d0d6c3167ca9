package dag

import (
	"context"
	"fmt"

	"github.com/ipfs/go-cid"
)

// Item is an entry of a listing.
type Item struct {
	Name     string // plain, as in Entry; empty for what is no folder and lists itself
	Cid      cid.Cid
	Kind     Kind   // 0 if it takes another block to know
	Size     int64  // of a file, in bytes; -1 if it takes another block to know
	DAGBytes uint64 // bytes of all blocks below, as the folder claims; 0 if it does not say
	Target   string // of a symbolic link
}

// List lists the folder at root in the order of the DAG; a file or symbolic
// link lists itself. It fetches the nodes of this folder alone, and with resolve
// also one node of every entry whose kind is not known without. Errors are those
// of Build.
func List(ctx context.Context, root cid.Cid, blocks Blocks, limits Limits, resolve bool) ([]Item, error) {
	if err := limits.Validate(); err != nil {
		return nil, err
	}
	if err := CheckCid(root); err != nil {
		return nil, err
	}
	f := &fetcher{blocks: blocks, limits: limits.withDefaults(), nodes: make(map[cid.Cid]*node)}
	err := f.breadth(ctx, root, func(n *node, l *link) bool { return n.form == formShard && l.name == "" })
	if err != nil {
		return nil, err
	}
	n := f.nodes[root]
	if n.form != formFolder && n.form != formShard {
		it := Item{Cid: root}
		it.resolve(n)
		return []Item{it}, nil
	}
	ls := lister{fetcher: f, names: make(map[string]struct{})}
	if err := ls.node(n, 0); err != nil {
		return nil, err
	}
	if !resolve {
		return ls.items, nil
	}
	return ls.items, ls.resolve(ctx)
}

// lister collects the entries of one folder.
type lister struct {
	*fetcher
	items    []Item
	names    map[string]struct{}
	unfolded int
}

func (ls *lister) node(n *node, depth int) error {
	if ls.unfolded += len(n.links); depth == ls.limits.Levels || ls.unfolded > ls.limits.Links {
		return fmt.Errorf("a folder of more than %d levels or %d links: %w", ls.limits.Levels, ls.limits.Links, ErrTooLarge)
	}
	for i := range n.links {
		l := &n.links[i]
		if l.name == "" {
			shard := ls.nodes[l.cid]
			if shard.form != formShard {
				return fmt.Errorf("%s: %w: a shard that is none", l.cid, ErrMalformed)
			}
			if err := ls.node(shard, depth+1); err != nil {
				return err
			}
			continue
		}
		if _, ok := ls.names[l.name]; ok {
			return fmt.Errorf("%w: two entries called %q", ErrMalformed, l.name)
		}
		if len(ls.items) == ls.limits.Entries {
			return fmt.Errorf("more than %d entries: %w", ls.limits.Entries, ErrTooLarge)
		}
		ls.names[l.name] = struct{}{}
		it := Item{Name: l.name, Cid: l.cid, Size: -1, DAGBytes: l.tsize}
		if n.isChunk(l) {
			it.Kind, it.Size = File, int64(min(l.tsize, maxFileBytes))
		}
		ls.items = append(ls.items, it)
	}
	return nil
}

// resolve fetches what is needed to know the kind of every entry.
func (ls *lister) resolve(ctx context.Context) error {
	var cids []cid.Cid
	for _, it := range ls.items {
		if it.Kind == 0 {
			cids = append(cids, it.Cid)
		}
	}
	if _, err := ls.level(ctx, cids); err != nil {
		return err
	}
	for i := range ls.items {
		if it := &ls.items[i]; it.Kind == 0 {
			it.resolve(ls.nodes[it.Cid])
		}
	}
	return nil
}

// resolve fills in what the entry's own node says.
func (it *Item) resolve(n *node) {
	switch n.form {
	case formFile:
		it.Kind, it.Size = File, int64(n.size)
	case formSymlink:
		it.Kind, it.Target = Symlink, n.target
	default:
		it.Kind = Folder
	}
}
