package dag

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkImportFile is `peer share` of a large file in page cache, without a
// store. Point TMPDIR at a memory file system to leave the disk out.
func BenchmarkImportFile(b *testing.B) {
	const size = 1 << 30
	path := filepath.Join(b.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	k, buf := newKeystream("v1-2025-seed", size), make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(buf)) {
		if _, err := k.ReadAt(buf, off); err != nil {
			b.Fatal(err)
		}
		if _, err := f.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	f.Close()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		res, err := Import(b.Context(), path, nil, ImportConfig{})
		if err != nil || res.Root.String() != "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm" {
			b.Fatal(res.Root, err)
		}
	}
}

// BenchmarkImportSmall is a folder of 10,000 files of 4 KiB.
func BenchmarkImportSmall(b *testing.B) {
	dir := b.TempDir()
	buf := make([]byte, 4096)
	for i := range 10000 {
		copy(buf, fmt.Sprint(i))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%05d", i)), buf, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Import(b.Context(), dir, nil, ImportConfig{}); err != nil {
			b.Fatal(err)
		}
	}
}
