package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"ringswap/scripts/internal/experiment"
)

// Small parts, twice: every file is the same, and the page shows what is there.
func TestPageIsTheSameTwice(t *testing.T) {
	small := func() []part {
		return []part{
			{new(experiment.Hops), []string{"--sweep", "--most", "1000", "--lookups", "200"}},
			{new(experiment.Load), []string{"--nodes", "300", "--keys", "9000", "--runs", "1"}},
		}
	}
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for _, d := range dirs {
		if err := run(t.Context(), small(), d, "", io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"README.md", "hops.csv", "hops.svg", "hops.png", "load.csv", "load.svg", "load.png"} {
		a, errA := os.ReadFile(filepath.Join(dirs[0], name))
		b, errB := os.ReadFile(filepath.Join(dirs[1], name))
		if errA != nil || errB != nil || len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s differs, %v, %v", name, errA, errB)
		}
	}
	// One part anew leaves the page as it is; one that is not there is refused.
	page, err := os.ReadFile(filepath.Join(dirs[0], "README.md"))
	if err := run(t.Context(), small(), dirs[0], "load", io.Discard); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(filepath.Join(dirs[0], "README.md")); err != nil || !bytes.Equal(again, page) {
		t.Errorf("the page with one part anew is %s, %v", again, err)
	}
	if err := run(t.Context(), small(), dirs[0], "load,tides", io.Discard); err == nil {
		t.Error("a part that there is not was run")
	}
	if err != nil || !bytes.Contains(page, []byte("![")) || !bytes.Contains(page, []byte("verdict")) {
		t.Errorf("the page is %s, %v", page, err)
	}
}

func TestPartsAreValid(t *testing.T) {
	ctx := t.Context()
	bad := []part{{new(experiment.Load), []string{"--nodes", "0"}}}
	if err := run(ctx, bad, t.TempDir(), "", io.Discard); err == nil {
		t.Error("an invalid part was run")
	}
}
