package transfer

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"ringswap/transfer/dag"
)

// The child process of TestKill: it gets what its environment names, slowly.
func TestMain(m *testing.M) {
	if src := os.Getenv("TRANSFER_TEST_SOURCE"); src != "" {
		if err := killable(src, os.Getenv("TRANSFER_TEST_OUT")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// killable gets src into out and reports every delivered chunk on stdout.
func killable(src, out string) error {
	t := &testing.B{}
	mem, res := share(child{t}, src)
	sw := &swarm{memory: mem, workers: 2, before: func(int) error {
		time.Sleep(200 * time.Microsecond) // so that there is something to interrupt
		return nil
	}}
	_, err := Get(child{t}.Context(), GetConfig{Root: res.Root, Out: out, Arrived: func(int) { os.Stdout.Write([]byte{1}) }}, sw)
	return err
}

// TestKill kills a getter at random moments until it is done.
func TestKill(t *testing.T) {
	r := seeded(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), randomBytes(r, 40*dag.ChunkBytes+9))
	makeTree(t, r, filepath.Join(dir, "tree"))
	for i := range 200 {
		writeFile(t, filepath.Join(dir, "tree", "lots", strconv.Itoa(i)), randomBytes(r, 3000))
	}
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	for _, name := range []string{"file", "tree"} {
		src, out := filepath.Join(dir, name), filepath.Join(t.TempDir(), "out")
		mem, res := share(t, src)
		chunks := len(mustBuild(t, mem, res.Root).Chunks)
		arrived, kills := 0, 0
		for round := 0; ; round++ {
			quota := -1 // let it end
			if round < rounds {
				quota = r.IntN(max(1, 2*chunks/rounds))
			}
			n, done := killRound(t, r, src, out, quota)
			arrived += n
			if done {
				break
			}
			kills++
			if round > rounds {
				t.Fatal("it does not end")
			}
		}
		sameTree(t, src, out)
		noTraces(t, filepath.Dir(out), "out")
		t.Logf("%s: killed %d times, %d chunks arrived of %d", name, kills, arrived, chunks)
		// Each of the two workers may lose the chunk that it was writing.
		if arrived > chunks+2*kills {
			t.Errorf("%s: %d chunks were fetched again", name, arrived-chunks)
		}
	}
}

// killRound runs a getter and kills it soon after it has fetched quota chunks.
func killRound(t *testing.T, r *rand.Rand, src, out string, quota int) (arrived int, done bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "TRANSFER_TEST_SOURCE="+src, "TRANSFER_TEST_OUT="+out)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	for quota < 0 || arrived < quota {
		if _, err := io.ReadFull(pipe, b); err != nil {
			break
		}
		arrived++
	}
	if quota >= 0 {
		time.AfterFunc(time.Duration(r.IntN(3000))*time.Microsecond, func() { cmd.Process.Kill() })
	}
	rest, _ := io.ReadAll(pipe)
	err = cmd.Wait()
	if quota < 0 && err != nil {
		t.Fatal(err)
	}
	return arrived + len(rest), err == nil
}
