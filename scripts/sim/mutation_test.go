package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// edit replaces a piece of a source file, which must be there once.
type edit struct{ file, from, to string }

// mutation is a wrong rule: what it changes, and what a soak says of it. The
// pieces that it adds apply only while mutation, a variable of the environment,
// has its name; so one build has them all.
type mutation struct {
	name, overlay string
	edits         []edit
	// want is in what the soak says, any of them.
	want []string
}

var mutations = []mutation{
	{
		// The published join: the successor alone, the rest of the list later.
		name: "bare join", overlay: "chord",
		edits: []edit{
			{"chord/join.go", "\t\t\tr.insert(before, list, then)\n", "\t\t\tif mutation == `bare join` {\n\t\t\t\tlist = list[:1]\n\t\t\t}\n\t\t\tr.insert(before, list, then)\n"},
			{"chord/join.go", "\tr.setSuccessors(list)\n\tr.stabilize()\n", "\tr.setSuccessors(list)\n\tif mutation != `bare join` {\n\t\tr.stabilize()\n\t}\n"},
		},
		want: []string{"no live successor", "principals"},
	},
	{
		// The published stabilize: a successor's predecessor becomes the successor
		// whether it lives or not.
		name: "adopt the dead", overlay: "chord",
		edits: []edit{{
			"chord/stabilize.go", "\t\tr.adopt(x, func(adopted bool) {\n",
			"\t\tif mutation == `adopt the dead` {\n\t\t\tr.setSuccessors(chain(x, nil))\n\t\t\tr.notify()\n\t\t\treturn\n\t\t}\n\t\tr.adopt(x, func(adopted bool) {\n",
		}},
		want: []string{"no live successor"},
	},
	{
		// The first published notify: only a nearer node replaces a predecessor.
		name: "keep the predecessor", overlay: "chord",
		edits: []edit{{"chord/ring.go", "if r.pred != nil && r.pred.ID == id {", "if r.pred != nil && r.pred.ID == id && mutation != `keep the predecessor` {"}},
		want:  []string{"no ideal ring though nothing happens", "would change it"},
	},
	{
		// A list is made once and then only loses nodes.
		name: "keep the list", overlay: "chord",
		edits: []edit{{"chord/stabilize.go", "\tlist := chain(s, a.Successors)\n", "\tif mutation == `keep the list` && len(r.succ) > 0 {\n\t\treturn true\n\t}\n\tlist := chain(s, a.Successors)\n"}},
		want:  []string{"no ideal ring though nothing happens", "no live successor", "principals"},
	},
	{
		// In a small ring, a list comes around and names its owner.
		name: "come around", overlay: "chord",
		edits: []edit{{"chord/ring.go", "if d.Compare(last) <= 0 || len(out)", "if d.Compare(last) <= 0 && mutation != `come around` || len(out)"}},
		want:  []string{"out of order"},
	},
	{
		name: "split by another bit", overlay: "kademlia",
		edits: []edit{{"kademlia/table.go", "if t.self.CommonPrefixLen(e.c.ID) > d {", "if cpl := t.self.CommonPrefixLen(e.c.ID); cpl > d || mutation == `split by another bit` && cpl == d {"}},
		want:  []string{"which shares"},
	},
	{
		// A bucket that has left the smallest subtree with K contacts keeps all that
		// it was allowed to hold there.
		name: "never demote", overlay: "kademlia",
		edits: []edit{{"kademlia/table.go", "for len(b.live) > room {", "for len(b.live) > room && mutation != `never demote` {"}},
		want:  []string{"has room for"},
	},
	{
		// Whoever is evicted for a spare one is counted still.
		name: "evict nobody", overlay: "kademlia",
		edits: []edit{{"kademlia/table.go", "\tif t.promote(b) {\n\t\tt.left = append(t.left, e.c)\n", "\tif t.promote(b) {\n\t\tif mutation == `evict nobody` {\n\t\t\tt.size++\n\t\t}\n\t\tt.left = append(t.left, e.c)\n"}},
		want:  []string{"table counts"},
	},
	{
		name: "a spare too many", overlay: "kademlia",
		edits: []edit{{"kademlia/bucket.go", "} else if len(b.spare) >= limit {", "} else if len(b.spare) >= limit && mutation != `a spare too many` {"}},
		want:  []string{"spares, has room for"},
	},
}

// variable is what the mutated packages have in addition.
const variable = "package %\n\nimport \"os\"\n\nvar mutation = os.Getenv(\"RINGSWAP_MUTATION\")\n"

// mutate writes the mutated sources and returns the file that go's -overlay wants.
func mutate(t *testing.T, root string) string {
	t.Helper()
	dir := t.TempDir()
	replace := make(map[string]string)
	sources := make(map[string]string)
	for _, m := range mutations {
		for _, e := range m.edits {
			text, ok := sources[e.file]
			if !ok {
				b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
				if err != nil {
					t.Fatal(err)
				}
				text = string(b)
			}
			if n := strings.Count(text, e.from); n != 1 {
				t.Fatalf("%s: the piece to be changed is %d times in %s:\n%s", m.name, n, e.file, e.from)
			}
			sources[e.file] = strings.Replace(text, e.from, e.to, 1)
		}
	}
	for _, pkg := range []string{"chord", "kademlia"} {
		sources[pkg+"/mutation.go"] = strings.Replace(variable, "%", pkg, 1)
	}
	for file, text := range sources {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, filepath.FromSlash(file))] = to
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestMutations: with a wrong rule in the sources, some of them published ones,
// the checks fail, and the command that is printed shows the same failure again.
func TestMutations(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skipf("left out: the go tool, which builds mutated sources, is not there: %v", err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mutated := mutate(t, root)
	bin := filepath.Join(t.TempDir(), "sim")
	if runtime.GOOS == "windows" {
		bin += ".exe"
	}
	build := exec.Command(goTool, "build", "-overlay", mutated, "-o", bin, "./scripts/sim")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := func(mutation, program string, args ...string) (string, error) {
		c := exec.Command(program, args...)
		c.Dir = root
		c.Env = append(os.Environ(), "RINGSWAP_MUTATION="+mutation, "GOFLAGS=-overlay="+mutated)
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out), err
	}
	if out, err := command("", bin, "--events", "20000"); err != nil {
		t.Fatalf("without a mutation: %v\n%s", err, out)
	}
	for i, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			out, err := command(m.name, bin, "--overlay", m.overlay, "--events", "150000", "--seeds", "3")
			said, replay, ok := strings.Cut(out, "replay: go run ")
			if err == nil || !ok || !says(said, m.want) {
				t.Fatalf("%v, want a failure that says one of %q and how to replay it:\n%s", err, m.want, out)
			}
			t.Log(out)
			program, args := bin, strings.Fields(replay)[1:] // without the package
			if i == 0 {                                      // as it stands
				program, args = goTool, append([]string{"run"}, strings.Fields(replay)...)
			}
			again, err := command(m.name, program, args...)
			if err == nil || failure(again) != failure(out) {
				t.Errorf("the command that is to replay it says\n%s", again)
			}
		})
	}
}

func says(text string, want []string) bool {
	for _, w := range want {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// failure is the line that tells of it.
func failure(out string) string {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "sim: ") {
			return line
		}
	}
	return ""
}
