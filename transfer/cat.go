package transfer

import (
	"context"
	"fmt"
	"io"

	"github.com/ipfs/go-cid"

	"ringswap/transfer/dag"
)

// CatConfig says what part of which file to write.
type CatConfig struct {
	Root   cid.Cid
	Inside string // path of the file below the root, with slashes; empty: the root is it
	Offset int64  // in bytes; beyond the end there is nothing
	Length int64  // in bytes; negative: to the end
	Limits dag.Limits
}

// keepAgain bounds the memory for chunks that will come again in the file.
const keepAgain = 32 << 20

// Cat writes a range of the file under cfg.Root to w, in order, as it arrives.
// Only chunks that hold some of the range are fetched. Errors are ErrNotFile,
// ErrNoEntry, those of dag.Build, of the fetcher and of w.
func Cat(ctx context.Context, cfg CatConfig, w io.Writer, fetcher Fetcher) error {
	if cfg.Inside != "" {
		var err error
		if cfg.Root, fetcher, err = enter(ctx, cfg.Root, cfg.Inside, cfg.Limits, fetcher, nil); err != nil {
			return err
		}
	}
	m, err := dag.Build(ctx, cfg.Root, fetcher, cfg.Limits)
	if err != nil {
		return err
	}
	if kind := m.Entries[0].Kind; kind != dag.File {
		return fmt.Errorf("%s is a %s: %w", cfg.Root, kind, ErrNotFile)
	}
	c := &catter{m: m, w: w, fetcher: fetcher, again: make(map[int][]byte), from: max(0, cfg.Offset), to: m.Size}
	if cfg.Length >= 0 && cfg.Length < m.Size-c.from {
		c.to = c.from + cfg.Length
	}
	var run []spot
	for i, off := range m.FileChunks(0) {
		if off >= c.to || off+int64(m.PayloadSize(i)) <= c.from {
			continue
		}
		// A fetch delivers in the order of the chunks, each once: so what repeats an
		// earlier chunk begins a new one.
		if len(run) > 0 && i <= run[len(run)-1].chunk {
			if err := c.write(ctx, run); err != nil {
				return err
			}
			run = run[:0]
		}
		run = append(run, spot{i, off})
	}
	return c.write(ctx, run)
}

// spot is a chunk at a place of the file.
type spot struct {
	chunk  int
	offset int64
}

type catter struct {
	m        *dag.Manifest
	w        io.Writer
	fetcher  Fetcher
	from, to int64

	again map[int][]byte // blocks that are needed once more
	kept  int            // their bytes
}

// write writes a run of chunks with rising numbers: what is known at once, the
// rest in as few fetches as possible.
func (c *catter) write(ctx context.Context, run []spot) error {
	for len(run) > 0 {
		if block, ok := c.known(run[0].chunk); ok {
			if err := c.piece(run[0], block); err != nil {
				return err
			}
			run = run[1:]
			continue
		}
		n := 1
		for n < len(run) {
			if _, ok := c.known(run[n].chunk); ok {
				break
			}
			n++
		}
		if err := c.fetch(ctx, run[:n]); err != nil {
			return err
		}
		run = run[n:]
	}
	return nil
}

func (c *catter) known(chunk int) ([]byte, bool) {
	if block, ok := c.again[chunk]; ok {
		return block, true
	}
	return c.m.Known(chunk)
}

func (c *catter) fetch(ctx context.Context, run []spot) error {
	want := NewBitmap(len(c.m.Chunks))
	for _, s := range run {
		want.Set(s.chunk)
	}
	return c.fetcher.FetchChunks(ctx, ChunkRequest{
		Chunks:  c.m.Chunks,
		Missing: want.Has,
		Order:   InOrder,
		Deliver: func(i int, block []byte) error {
			if len(run) == 0 || run[0].chunk != i {
				return fmt.Errorf("transfer: chunk %d was delivered out of order", i)
			}
			s := run[0]
			run = run[1:]
			c.keep(s, block)
			return c.piece(s, block)
		},
	})
}

// keep remembers a block that is needed again, as far as there is room.
func (c *catter) keep(s spot, block []byte) {
	later := false
	for x := range c.m.Extents(s.chunk) {
		later = later || x.Offset > s.offset && x.Offset < c.to
	}
	if later && c.kept+len(block) <= keepAgain {
		c.again[s.chunk] = append([]byte(nil), block...)
		c.kept += len(block)
	}
}

// piece writes what is wanted of a chunk.
func (c *catter) piece(s spot, block []byte) error {
	p, err := dag.Payload(c.m.Chunks[s.chunk].Cid, c.m.PayloadSize(s.chunk), block)
	if err != nil {
		return err
	}
	begin, end := max(0, c.from-s.offset), min(int64(len(p)), c.to-s.offset)
	_, err = c.w.Write(p[begin:end])
	return err
}
