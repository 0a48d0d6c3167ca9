package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSameTree(t *testing.T) {
	make := func(files ...string) string {
		dir := t.TempDir()
		for _, f := range files {
			name, text, isFile := strings.Cut(f, "=")
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			var err error
			if isFile {
				err = os.WriteFile(path, []byte(text), 0o600)
			} else {
				err = os.Mkdir(path, 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	a := make("x=1", "sub/y=2", "sub/z=", "empty")
	for name, tc := range map[string]struct {
		b    string
		same bool
	}{
		"the same":       {make("x=1", "sub/y=2", "sub/z=", "empty"), true},
		"other bytes":    {make("x=1", "sub/y=3", "sub/z=", "empty"), false},
		"a file less":    {make("x=1", "sub/y=2", "empty"), false},
		"a folder less":  {make("x=1", "sub/y=2", "sub/z="), false},
		"a file more":    {make("x=1", "sub/y=2", "sub/z=", "empty", "w=1"), false},
		"nothing at all": {filepath.Join(a, "none"), false},
	} {
		if err := sameTree(a, tc.b); (err == nil) != tc.same {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := sameTree(filepath.Join(a, "x"), filepath.Join(a, "sub", "y")); err == nil {
		t.Error("two files that differ are the same")
	}
}

func TestDemoFilesAreTheSameEachTime(t *testing.T) {
	var dirs []string
	for range 2 {
		d := &demo{dir: t.TempDir(), size: 1 << 20}
		if err := d.makeFiles(); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, d.dir)
	}
	if err := sameTree(dirs[0], dirs[1]); err != nil {
		t.Error(err)
	}
}

func TestDemoOverlays(t *testing.T) {
	for name, want := range map[string]string{"both": "kademlia chord", "chord": "chord", "kademlia": "kademlia"} {
		if got, err := demoOverlays(name); err != nil || strings.Join(got, " ") != want {
			t.Errorf("--overlay %s shows %q, %v; want %s", name, got, err, want)
		}
	}
	b := newBench(t, &fakeNode{})
	if code := b.peer("demo", "--overlay", "pastry"); code != exitUsage {
		t.Errorf("--overlay pastry: exit code %d", code)
	}
}

func TestDemoRefusesASmallFile(t *testing.T) {
	for _, size := range []string{"1", "0", "x", "1M"} {
		b := newBench(t, &fakeNode{})
		if code := b.peer("demo", "--size", size); code != exitUsage {
			t.Errorf("--size %s: exit code %d", size, code)
		}
	}
}
