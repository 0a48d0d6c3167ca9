package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// makeFiles writes what is shared: bytes that nobody can compress or guess, but
// the same ones in every demo, and so under the same CIDs.
func (d *demo) makeFiles() error {
	src := rand.NewChaCha8(sha256.Sum256([]byte("the demo of ringswap")))
	if err := writeRandom(filepath.Join(d.dir, demoFile), src, d.size); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		size int64
	}{
		{"cover.jpg", 300 << 10},
		{"empty", 0},
		{"disc 1/Größe.flac", 2<<20 + 1},
		{"disc 1/notes.txt", 11},
		{"disc 2/long.flac", 5 << 20},
	} {
		path := filepath.Join(d.dir, demoFolder, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := writeRandom(path, src, f.size); err != nil {
			return err
		}
	}
	return nil
}

func writeRandom(path string, src io.Reader, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, src, size)
	return errors.Join(err, f.Close())
}

// sameTree fails unless two files, or two folders with all that is in them, are
// the same.
func sameTree(want, got string) error {
	a, err := hashTree(want)
	if err != nil {
		return err
	}
	b, err := hashTree(got)
	if err != nil {
		return err
	}
	for name, sum := range a {
		other, ok := b[name]
		if !ok {
			return fmt.Errorf("%s is missing in %s", name, got)
		}
		if other != sum {
			return fmt.Errorf("%s differs in %s", name, got)
		}
	}
	if len(a) != len(b) {
		return fmt.Errorf("%s holds %d names instead of %d", got, len(b), len(a))
	}
	return nil
}

// hashTree is the sha256 of every file under root, by relative path.
func hashTree(root string) (map[string][32]byte, error) {
	sums := make(map[string][32]byte)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		sums[rel] = [32]byte{}
		if e.IsDir() {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		sums[rel] = [32]byte(h.Sum(nil))
		return errors.Join(err, f.Close())
	})
	return sums, err
}
