package store

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// MaxBlockBytes is the largest block that is stored or referenced.
const MaxBlockBytes = 4 << 20

// Config says how a store is kept. The zero value is a good one.
type Config struct {
	// Quota is the most bytes of owned blocks, garbage not counted. 0: no limit.
	// References into users' files take none of it.
	Quota int64
	// PackBytes is the size at which a pack file is sealed and the next begun,
	// in bytes, at most 2 GiB. 0: 256 MiB.
	PackBytes int64
	// ReserveBytes is the size of a file that is kept only to be given up when
	// the disk is full, so that there is room to delete. 0: 8 MiB; negative: none.
	ReserveBytes int64
	// OpenFiles is how many referenced files, and how many packs, are kept open
	// between reads. 0: 64.
	OpenFiles int
	// IdleClose is how long a referenced file stays open after its last read.
	// 0: 30 seconds. While it is open its file system cannot be unmounted.
	IdleClose time.Duration
	// IndexCacheBytes bounds the index's cache of blocks. 0: 8 MiB.
	IndexCacheBytes int64
	// Owner is what another process is told that finds the store locked. Empty:
	// the name of the program.
	Owner string
	// Notify, if not nil, is called with what the store has to report: see
	// [Notice]. It must be quick and must not call the store.
	Notify func(Notice)
}

func (c Config) withDefaults() Config {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.PackBytes, 256<<20)
	def(&c.ReserveBytes, 8<<20)
	def(&c.IndexCacheBytes, 8<<20)
	if c.OpenFiles == 0 {
		c.OpenFiles = 64
	}
	if c.IdleClose == 0 {
		c.IdleClose = 30 * time.Second
	}
	if c.Owner == "" {
		c.Owner = filepath.Base(os.Args[0])
	}
	return c
}

// Validate reports what is wrong with the configuration.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Quota < 0:
		return fmt.Errorf("store: Quota is %d bytes", c.Quota)
	case c.PackBytes < 4<<10 || c.PackBytes > 2<<30:
		return fmt.Errorf("store: PackBytes is %d, not between 4 KiB and 2 GiB", c.PackBytes)
	case c.OpenFiles < 1:
		return fmt.Errorf("store: OpenFiles is %d", c.OpenFiles)
	case c.IdleClose < 0:
		return fmt.Errorf("store: IdleClose is %v", c.IdleClose)
	case c.IndexCacheBytes < 0:
		return fmt.Errorf("store: IndexCacheBytes is %d", c.IndexCacheBytes)
	}
	return nil
}

// NoticeKind says what a [Notice] is about.
type NoticeKind uint8

// The kinds of notices.
const (
	// IndexRebuilt: the index was lost, damaged or of another version and has
	// been made anew from the packs. Nothing was lost.
	IndexRebuilt NoticeKind = iota + 1
	// TailCut: the last pack ended in a record that was never completed, as after
	// a crash. Only what no Sync had covered is gone.
	TailCut
	// PackDamaged: a region of a pack cannot be read as records and was skipped.
	PackDamaged
	// PackMissing: a pack that the index knows is gone.
	PackMissing
	// ReserveUsed: the disk was full and the reserve was given up.
	ReserveUsed
)

func (k NoticeKind) String() string {
	names := [...]string{"?", "index rebuilt", "unfinished tail cut", "pack damaged", "pack missing", "disk reserve used"}
	if int(k) >= len(names) {
		k = 0
	}
	return names[k]
}

// Notice is something that a user should be told and that no call failed for.
type Notice struct {
	Kind   NoticeKind
	Path   string // the file or folder concerned
	Offset int64  // in Path, in bytes, where that makes sense
	Length int64
	Detail string
}

func (n Notice) String() string {
	s := fmt.Sprintf("%v: %s", n.Kind, n.Path)
	if n.Length > 0 {
		s += fmt.Sprintf(", %d bytes at %d", n.Length, n.Offset)
	}
	if n.Detail != "" {
		s += ": " + n.Detail
	}
	return s
}
