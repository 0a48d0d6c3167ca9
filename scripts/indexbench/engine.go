package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	bolt "go.etcd.io/bbolt"
)

// pair is one entry of an index.
type pair struct{ key, value []byte }

// engine is the least that a block index asks of its storage: atomic batches,
// the entries under a prefix, and an honest close.
type engine interface {
	apply(batch []pair) error
	// under calls f for every entry whose key begins with prefix.
	under(prefix []byte, f func(k, v []byte)) error
	flush() error
	close() error
}

// openEngine opens the named engine in dir. Durable asks that apply returns
// only once its batch survives power loss; otherwise the engine may lose the
// latest batches, which the pack files can give again.
func openEngine(name, dir string, durable bool) (engine, error) {
	switch name {
	case "pebble":
		return openPebble(dir, durable)
	case "bbolt":
		return openBolt(dir, durable)
	}
	return nil, fmt.Errorf("no engine %q", name)
}

type pebbleEngine struct {
	db *pebble.DB
	wo *pebble.WriteOptions
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(f string, a ...any) {
	fmt.Fprintf(os.Stderr, f+"\n", a...)
	os.Exit(1)
}

func openPebble(dir string, durable bool) (engine, error) {
	cache := pebble.NewCache(8 << 20)
	defer cache.Unref()
	o := &pebble.Options{
		Cache:              cache,
		MemTableSize:       4 << 20,
		MaxOpenFiles:       64,
		DisableWAL:         !durable,
		Logger:             quiet{},
		FormatMajorVersion: pebble.FormatNewest,
		// By default a damaged table ends the process; the read's error is enough.
		EventListener: &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	c := *pebble.DefaultComparer
	c.Split = func(k []byte) int { return min(len(k), 35) }
	c.Name = "indexbench"
	o.Comparer = &c
	db, err := pebble.Open(filepath.Join(dir, "pebble"), o)
	if err != nil {
		return nil, err
	}
	e := &pebbleEngine{db: db, wo: pebble.NoSync}
	if durable {
		e.wo = pebble.Sync
	}
	return e, nil
}

func (e *pebbleEngine) apply(batch []pair) error {
	b := e.db.NewBatchWithSize(len(batch) * 72)
	for _, p := range batch {
		if err := b.Set(p.key, p.value, nil); err != nil {
			return err
		}
	}
	return errors.Join(b.Commit(e.wo), b.Close())
}

func (e *pebbleEngine) under(prefix []byte, f func(k, v []byte)) error {
	it, err := e.db.NewIter(nil)
	if err != nil {
		return err
	}
	for ok := it.SeekPrefixGE(prefix); ok; ok = it.Next() {
		f(it.Key(), it.Value())
	}
	return it.Close()
}

func (e *pebbleEngine) flush() error { return e.db.Flush() }
func (e *pebbleEngine) close() error { return e.db.Close() }

type boltEngine struct{ db *bolt.DB }

var bucket = []byte("blocks")

func openBolt(dir string, durable bool) (engine, error) {
	if err := os.MkdirAll(filepath.Join(dir, "bbolt"), 0o700); err != nil {
		return nil, err
	}
	db, err := bolt.Open(filepath.Join(dir, "bbolt", "db"), 0o600,
		&bolt.Options{NoSync: !durable, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	return &boltEngine{db}, db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
}

func (e *boltEngine) apply(batch []pair) error {
	return e.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucket)
		for _, p := range batch {
			if err := b.Put(p.key, p.value); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *boltEngine) under(prefix []byte, f func(k, v []byte)) error {
	return e.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucket).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			f(k, v)
		}
		return nil
	})
}

func (e *boltEngine) flush() error { return e.db.Sync() }
func (e *boltEngine) close() error { return e.db.Close() }
