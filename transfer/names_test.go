package transfer

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	mh "github.com/multiformats/go-multihash"

	"ringswap/transfer/dag"
)

type entry struct {
	name  string
	cid   cid.Cid
	tsize uint64
}

var nodePrefix = cid.Prefix{Version: 1, Codec: cid.DagProtobuf, MhType: mh.SHA2_256, MhLength: 32}

// folderOf adds a folder with any names to mem.
func folderOf(mem *memory, entries ...entry) cid.Cid {
	n := merkledag.NodeWithData(unixfs.FolderPBData())
	for _, e := range entries {
		n.AddRawLink(e.name, &ipld.Link{Cid: e.cid, Size: e.tsize})
	}
	return put(mem, n)
}

func linkTo(mem *memory, target string) cid.Cid {
	return put(mem, merkledag.NodeWithData(must(unixfs.SymlinkData(target))))
}

func put(mem *memory, n *merkledag.ProtoNode) cid.Cid {
	n.SetCidBuilder(nodePrefix)
	mem.blocks[n.Cid()] = n.RawData()
	return n.Cid()
}

func leafOf(mem *memory, data string) entry {
	c := must(cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.SHA2_256, MhLength: 32}.Sum([]byte(data)))
	mem.blocks[c] = []byte(data)
	return entry{cid: c, tsize: uint64(len(data))}
}

func TestNames(t *testing.T) {
	unix, win := rulesOf("linux"), rulesOf("windows")
	for name, c := range map[string]struct{ unix, windows bool }{
		"a": {true, true}, "a b": {true, true}, "déjà": {true, true}, ".hidden": {true, true}, "...": {true, false},
		"": {}, ".": {}, "..": {}, "a/b": {}, "/": {}, "a\x00b": {}, "../x": {},
		`a\b`: {true, false}, `..\x`: {true, false}, "a:b": {true, false}, "C:": {true, false}, "a*": {true, false}, "a\nb": {true, false},
		"a.": {true, false}, "a ": {true, false}, "CON": {true, false}, "con.txt": {true, false}, "aux .x": {true, false}, "NUL": {true, false},
		"COM1": {true, false}, "lpt9.tar.gz": {true, false}, "COM¹": {true, false}, "COM": {true, true}, "COM10": {true, true}, "CONSOLE": {true, true},
		"conin$": {true, false}, "com0.x": {true, false},
	} {
		if err := unix.checkName(name); (err == nil) != c.unix || err != nil && !errors.Is(err, ErrUnsafe) {
			t.Errorf("%q on unix: %v", name, err)
		}
		if err := win.checkName(name); (err == nil) != c.windows || err != nil && !errors.Is(err, ErrUnsafe) {
			t.Errorf("%q on windows: %v", name, err)
		}
	}
}

func TestLinkTargets(t *testing.T) {
	for _, c := range []struct {
		target   string
		above    int
		unix, ok bool
	}{
		{"x", 0, true, true},
		{"x/y/z", 0, true, true},
		{"./x", 0, true, true},
		{"x//y/", 0, true, true},
		{".", 0, true, true},
		{"..", 1, true, true},
		{"../x", 1, true, true},
		{"../../x", 2, true, true},
		{"./.././x", 1, true, true},
		{"..x/y..", 0, true, true},
		{"..", 0, false, false},
		{"../x", 0, false, false},
		{"../../x", 1, false, false},
		{"/", 0, false, false},
		{"/etc/passwd", 5, false, false},
		{"", 0, false, false},
		{"x", -1, false, false},
		{"x/..", 3, false, false},
		{"x/../..", 0, false, false},
		{"../x/../..", 3, false, false},
		{"a\x00", 0, false, false},
		{`..\..\x`, 0, true, false},
		{`\x`, 1, true, false},
		{`C:\x`, 9, true, false},
		{`..\x`, 1, true, true},
		{"C:x", 1, true, false},
	} {
		if err := rulesOf("linux").checkLink(c.target, c.above); (err == nil) != c.unix || err != nil && !errors.Is(err, ErrUnsafe) {
			t.Errorf("%q below %d on unix: %v", c.target, c.above, err)
		}
		if err := rulesOf("windows").checkLink(c.target, c.above); (err == nil) != c.ok {
			t.Errorf("%q below %d on windows: %v", c.target, c.above, err)
		}
	}
}

// FuzzLinkTarget makes real links of targets that pass, in a tree of folders
// and of links that pass too, and looks where they lead.
func FuzzLinkTarget(f *testing.F) {
	for _, s := range []string{"x", "../x", "a/b", "../a/l", "l/../..", "./..//a", "../../.."} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		r := rulesOf(runtime.GOOS)
		if r.windows || len(one)+len(two) > 200 {
			t.Skip()
		}
		base, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		root := filepath.Join(base, "out", "root")
		if err := os.MkdirAll(filepath.Join(root, "a", "b"), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(base, "out", "x"), []byte("outside"))
		for name, l := range map[string]struct {
			target string
			above  int
		}{"l": {one, 0}, "a/l": {two, 1}, "a/b/m": {one, 2}, "m": {two, 0}} {
			if r.checkLink(l.target, l.above) == nil {
				_ = os.Symlink(l.target, filepath.Join(root, name)) // a target may be too long, or odd
			}
		}
		for _, name := range []string{"l", "a/l", "a/b/m", "m"} {
			end, err := filepath.EvalSymlinks(filepath.Join(root, name))
			if err == nil && end != root && !strings.HasPrefix(end, root+"/") {
				t.Fatalf("%s leads to %s (%q, %q)", name, end, one, two)
			}
		}
	})
}

func TestPlainName(t *testing.T) {
	for in, want := range map[string]string{
		"film.mp4": "film.mp4", "a b": "a b", "déjà": "déjà", "": "", ".": "", "..": "", "../../etc/passwd": "passwd", `..\..\x.exe`: "x.exe",
		".bashrc": "bashrc", "...": "", " x ": "x", "a\x00b\nc\x1b[31m": "abc[31m", "a/": "", "/": "", "CON": "", "nul.txt": "", "a:b?": "ab",
		"evil\u202etxt.exe": "eviltxt.exe", "x.": "x", "\xff\xfe": "",
	} {
		if got := PlainName(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
	if got := PlainName(strings.Repeat("é", 500)); len(got) > maxPlainName || len(got) < maxPlainName-3 {
		t.Errorf("%d bytes", len(got))
	}
}

// FuzzPlainName checks that a proposed name never is more than a name.
func FuzzPlainName(f *testing.F) {
	for _, s := range []string{"a", "../x", ".bashrc", "CON", "a\u202eb", `c:\x`, "aux. ", strings.Repeat("x", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := PlainName(in)
		if got == "" {
			return
		}
		for _, goos := range []string{"linux", "windows", "darwin"} {
			if err := rulesOf(goos).checkName(got); err != nil {
				t.Fatal(err)
			}
		}
		if got[0] == '.' || len(got) > maxPlainName || !filepath.IsLocal(got) || filepath.Base(got) != got || PlainName(got) != got {
			t.Fatalf("%q became %q", in, got)
		}
	})
}

func TestUnsafeTrees(t *testing.T) {
	mem := newMemory()
	x := leafOf(mem, "x")
	named := func(name string, e entry) entry { e.name = name; return e }
	sub := folderOf(mem, named("f", x))
	for name, c := range map[string]struct {
		root cid.Cid
		goos string
		safe bool
	}{
		"plain":             {folderOf(mem, named("a", x), named("A", x), entry{"d", sub, 99}), "linux", true},
		"case":              {folderOf(mem, named("a", x), named("A", x)), "darwin", false},
		"case, windows":     {folderOf(mem, named("straße", x), named("STRASSE", x), named("strasse", x)), "windows", false},
		"accents":           {folderOf(mem, named("\u00e9", x), named("e\u0301", x)), "darwin", false},
		"accents on linux":  {folderOf(mem, named("\u00e9", x), named("e\u0301", x)), "linux", true},
		"case, not sibling": {folderOf(mem, named("F", x), entry{"d", sub, 99}), "darwin", true},
		"backslash":         {folderOf(mem, named(`..\x`, x)), "windows", false},
		"device":            {folderOf(mem, named("nul", x)), "windows", false},
		"link out":          {folderOf(mem, entry{"l", linkTo(mem, "../x"), 9}), "linux", false},
		"link abs":          {folderOf(mem, entry{"l", linkTo(mem, "/etc"), 9}), "linux", false},
		"link in":           {folderOf(mem, entry{"l", linkTo(mem, "d/f"), 9}, entry{"d", sub, 99}), "linux", true},
		"link alone":        {linkTo(mem, "x"), "linux", false},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := dag.Build(t.Context(), c.root, &swarm{memory: mem}, dag.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if err := rulesOf(c.goos).checkTree(m); (err == nil) != c.safe || err != nil && !errors.Is(err, ErrUnsafe) {
				t.Errorf("got %v", err)
			}
			if c.safe || c.goos != runtime.GOOS {
				return
			}
			dir := t.TempDir()
			if _, err := OpenTarget(t.Context(), m, TargetConfig{Path: filepath.Join(dir, "out")}); !errors.Is(err, ErrUnsafe) {
				t.Errorf("got %v", err)
			}
			noTraces(t, dir)
		})
	}
}

// TestPlantedLinks puts symbolic links where the target writes.
func TestPlantedLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege there")
	}
	r := seeded(t)
	src := filepath.Join(t.TempDir(), "src")
	writeFile(t, filepath.Join(src, "sub", "f"), randomBytes(r, 2*dag.ChunkBytes))
	writeFile(t, filepath.Join(src, "g"), []byte("content of g"))
	mem, res := share(t, src)
	m := mustBuild(t, mem, res.Root)
	victim := filepath.Join(t.TempDir(), "victim")
	for name, plant := range map[string]func(part string){
		"folder": func(part string) { os.Symlink(victim, filepath.Join(part, "sub")) },
		"file":   func(part string) { os.Symlink(filepath.Join(victim, "f"), filepath.Join(part, "g")) },
		"inside": func(part string) { os.Symlink("sub/f", filepath.Join(part, "g")) },
	} {
		t.Run(name, func(t *testing.T) {
			os.RemoveAll(victim)
			writeFile(t, filepath.Join(victim, "f"), []byte("precious"))
			out := filepath.Join(t.TempDir(), "out")
			tgt := mustOpen(t, m, TargetConfig{Path: out})
			plant(out + partEnding)
			var failed error
			for i, c := range m.Chunks {
				failed = errors.Join(failed, tgt.Write(i, mem.blocks[c.Cid]))
			}
			if failed == nil {
				failed = tgt.Finish(t.Context())
			}
			if failed == nil {
				t.Error("nobody noticed")
			}
			tgt.Close()
			if data, _ := os.ReadFile(filepath.Join(victim, "f")); string(data) != "precious" {
				t.Errorf("the victim has %d bytes", len(data))
			}
			noTraces(t, victim, "f")
			// Nor does a resumed target take it for its own.
			if _, err := OpenTarget(t.Context(), m, TargetConfig{Path: out}); !errors.Is(err, ErrExists) {
				t.Errorf("resumed: %v", err)
			}
		})
	}
	// The part file itself, and its state file, as links.
	one := filepath.Join(src, "g")
	mem, res = share(t, one)
	m = mustBuild(t, mem, res.Root)
	for _, ending := range []string{partEnding, stateEnding} {
		os.RemoveAll(victim)
		writeFile(t, filepath.Join(victim, "f"), []byte("precious"))
		out := filepath.Join(t.TempDir(), "out")
		os.Symlink(filepath.Join(victim, "f"), out+ending)
		if tgt, err := OpenTarget(t.Context(), m, TargetConfig{Path: out}); err == nil {
			t.Errorf("%s: opened", ending)
			tgt.Close()
		}
		if data, _ := os.ReadFile(filepath.Join(victim, "f")); string(data) != "precious" {
			t.Errorf("%s: the victim has %d bytes", ending, len(data))
		}
	}
}
