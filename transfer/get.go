package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/ipfs/go-cid"

	"ringswap/transfer/dag"
)

// GetConfig says what to get and where to put it.
type GetConfig struct {
	Root cid.Cid
	// Inside is the path of what to get below the root, with slashes; empty: all of
	// it. The result has a root of its own.
	Inside string
	// Out is where the result goes: see OutputPath.
	Out string
	// Name is the name that a link proposes, by a stranger. What cannot be used
	// of it is dropped; empty: the root's CID.
	Name string
	// Force replaces what is in the way: see TargetConfig.
	Force bool
	// Order is the order in which chunks are fetched. InOrder lets a program read the
	// part file from its beginning while it grows.
	Order Order
	// Limits bound the content; zero fields mean the default.
	Limits dag.Limits

	// Sink, if not nil, is told what Import would tell it of the result, so that
	// the result can be shared by reference: the nodes as soon as they come,
	// parents first, and the files when all is in place. Files that are not made
	// of raw blocks are left out (see Got).
	Sink dag.Sink
	// Around, if not nil, is told of the nodes of Root's DAG when only what is Inside
	// is got, parents first. Peers that are given a part of Root want them too. The
	// result may have some of them.
	Around func(ctx context.Context, c cid.Cid, block []byte) error
	// Opened, if not nil, is given the target before chunks are fetched, and how its
	// chunks count in Root's DAG. What is there can be served from it until Get returns.
	Opened func(t *Target, of Whole)
	// Arrived, if not nil, is called when a chunk can be read from the target
	// that was not there before, by its index there; from several goroutines.
	Arrived func(i int)
	// Progress, if not nil, is told how far things are, from several goroutines
	// but never two at a time. It must be quick.
	Progress func(GetProgress)
}

// Phase is a stage of a get.
type Phase int

// The phases of a get, in order.
const (
	PhaseNodes    Phase = iota // fetching the nodes: the size is not known yet
	PhaseChecking              // hashing what is there already
	PhaseFetching              // fetching chunks
	PhaseSyncing               // waiting for the disk
)

// GetProgress is how far a get is.
type GetProgress struct {
	Phase   Phase
	Bytes   int64 // of files in place; in PhaseChecking: hashed
	Resumed int64 // of them: there before
	Total   int64 // of files; 0 in PhaseNodes
}

// Got is the result of a get.
type Got struct {
	Path     string // where it is, absolute
	Manifest *dag.Manifest
	Resumed  int64 // bytes that were there before
	// Shareable says that the whole DAG can be served from the files and the
	// nodes that the sink was told: every chunk is a plain run of bytes. DAGs
	// that wrap their chunks in nodes, as CIDv0 does, are not.
	Shareable bool
}

// Get fetches the content under cfg.Root and puts it in place. It resumes what
// an earlier, interrupted Get of the same content and place has left, whatever
// ended it, and leaves the same when it fails or ctx ends.
//
// Errors are ErrNoEntry, those of dag.Build, OpenTarget, Target.Finish and of the
// fetcher.
func Get(ctx context.Context, cfg GetConfig, fetcher Fetcher) (Got, error) {
	g := &getter{cfg: cfg, fetcher: fetcher}
	return g.run(ctx)
}

type getter struct {
	cfg     GetConfig
	fetcher Fetcher
	inside  *inside // nil unless only a part is got
	m       *dag.Manifest
	t       *Target

	mu       sync.Mutex // guards what follows, and calls of the sink's Node
	progress GetProgress
}

func (g *getter) run(ctx context.Context) (got Got, err error) {
	g.tell(func(*GetProgress) {})
	if g.cfg.Inside != "" {
		if g.cfg.Root, g.inside, err = enter(ctx, g.cfg.Root, g.cfg.Inside, g.cfg.Limits, g.fetcher, g.cfg.Around); err != nil {
			return Got{}, err
		}
		g.fetcher = g.inside
	}
	var nodes dag.Blocks = g.fetcher
	if g.cfg.Sink != nil {
		nodes = nodeTap{blocks: nodes, mu: new(sync.Mutex), node: g.cfg.Sink.Node}
	}
	if g.m, err = dag.Build(ctx, g.cfg.Root, nodes, g.cfg.Limits); err != nil {
		return Got{}, err
	}
	path, err := g.path(ctx)
	if err != nil {
		return Got{}, err
	}
	g.tell(func(p *GetProgress) { p.Phase, p.Total = PhaseChecking, g.m.Size })
	g.t, err = OpenTarget(ctx, g.m, TargetConfig{
		Path: path, Force: g.cfg.Force,
		Checking: func(read, _ int) { g.tell(func(p *GetProgress) { p.Bytes += int64(read) }) },
	})
	if err != nil {
		return Got{}, err
	}
	if err := g.fill(ctx); err != nil {
		return Got{}, errors.Join(err, g.t.Close())
	}
	got = Got{Path: g.t.Path(), Manifest: g.m, Resumed: g.t.Resumed(), Shareable: g.m.Plain()}
	if g.cfg.Sink != nil {
		err = Report(ctx, g.m, got.Path, g.cfg.Sink)
	}
	return got, errors.Join(err, g.t.Close())
}

// path is where the result goes. A folder that is given as the place to put the
// result in may already be the result.
func (g *getter) path(ctx context.Context) (string, error) {
	name := PlainName(g.cfg.Name)
	if name == "" {
		name = g.cfg.Root.String()
	}
	if info, err := os.Stat(g.cfg.Out); g.cfg.Out != "" && err == nil && info.IsDir() && g.m.Entries[0].Kind == dag.Folder {
		if same, err := sameAs(ctx, g.m, g.cfg.Out, checker{}); same {
			return g.cfg.Out, err
		}
	}
	return OutputPath(g.cfg.Out, name)
}

// fill brings all chunks to the target and finishes it.
func (g *getter) fill(ctx context.Context) error {
	if g.cfg.Opened != nil {
		of := Whole{Chunks: len(g.m.Chunks), Size: g.m.Size}
		if g.inside != nil {
			of = g.inside.of(g.m)
		}
		g.cfg.Opened(g.t, of)
	}
	g.tell(func(p *GetProgress) {
		p.Phase, p.Bytes, p.Resumed = PhaseFetching, g.t.Resumed(), g.t.Resumed()
	})
	for i := range g.m.Chunks {
		block, ok := g.m.Known(i)
		if !ok || g.t.Has(i) {
			continue
		}
		if err := g.deliver(i, block); err != nil {
			return err
		}
	}
	if !g.t.Complete() {
		have := g.t.Have()
		err := g.fetcher.FetchChunks(ctx, ChunkRequest{
			Chunks:  g.m.Chunks,
			Missing: func(i int) bool { return !have.Has(i) },
			Order:   g.cfg.Order,
			Deliver: g.deliver,
		})
		if err != nil {
			return err
		}
	}
	g.tell(func(p *GetProgress) { p.Phase = PhaseSyncing })
	return g.t.Finish(ctx)
}

func (g *getter) deliver(i int, block []byte) error {
	if err := g.t.Write(i, block); err != nil {
		return err
	}
	if g.cfg.Arrived != nil {
		g.cfg.Arrived(i)
	}
	if g.cfg.Progress != nil {
		n := g.t.payloads(i)
		g.tell(func(p *GetProgress) { p.Bytes += n })
	}
	return nil
}

func (g *getter) tell(change func(p *GetProgress)) {
	if g.cfg.Progress == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.progress)
	g.cfg.Progress(g.progress)
}

// errNotPlain ends the report of a file whose chunks are not plain bytes.
var errNotPlain = errors.New("chunks are wrapped in nodes")

// Report tells sink about the files of a manifest that are in place at path, as
// Import would.
func Report(ctx context.Context, m *dag.Manifest, path string, sink dag.Sink) error {
	for i := range m.Entries {
		if m.Entries[i].Kind != dag.File {
			continue
		}
		if err := reportFile(ctx, m, i, entryPath(m, i, path), sink); err != nil && !errors.Is(err, errNotPlain) {
			return err
		}
	}
	return nil
}

func reportFile(ctx context.Context, m *dag.Manifest, entry int, path string, sink dag.Sink) error {
	refs, err := m.Refs(entry)
	if err != nil {
		return fmt.Errorf("%s: %w", path, errNotPlain)
	}
	stat, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !stat.Mode().IsRegular() || stat.Size() != m.Entries[entry].Size {
		return fmt.Errorf("%s: %w", path, dag.ErrChangedWhileReading)
	}
	f, err := sink.File(ctx, path, stat)
	if err != nil {
		return err
	}
	for batch := range refs {
		if err := f.Chunks(ctx, batch); err != nil {
			return errors.Join(err, f.Close(err))
		}
	}
	return f.Close(nil)
}
