package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringswap/store"
	"ringswap/store/storetest"
)

// childVar, in the environment, makes the test binary a process to be killed.
const childVar = "STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		if err := busyChild(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var crashConfig = store.Config{PackBytes: 64 << 10, ReserveBytes: -1}

// step does the i-th thing: a block, a file of three chunks, and a root that
// leads to them. Old ones are taken away again, so that there is garbage.
func step(s *store.Store, dir string, i uint64) error {
	b, err := s.Begin()
	if err != nil {
		return err
	}
	defer b.Close()
	data := bytes.Repeat(fmt.Append(nil, "chunk of ", i, ";"), 100)
	path := filepath.Join(dir, fmt.Sprint("file-", i))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	f, err := store.StatFile(path)
	if err != nil {
		return err
	}
	r, err := b.File(f)
	if err != nil {
		return err
	}
	third := len(data) / 3
	chunk := storetest.RawCid(data[:third])
	if err := errors.Join(r.Add(store.Ref{Cid: chunk, Length: third}), r.Close()); err != nil {
		return err
	}
	own := bytes.Repeat(fmt.Append(nil, "own ", i, ";"), int(1+i%50*i%90))
	if err := b.Put(storetest.RawCid(own), own); err != nil {
		return err
	}
	root, block := storetest.Node(i, chunk, storetest.RawCid(own))
	if err := b.Put(root, block); err != nil {
		return err
	}
	if err := s.AddRoot(store.Root{Cid: root, Name: strconv.FormatUint(i, 10)}); err != nil {
		return err
	}
	if i%5 == 0 && i > 20 {
		chunk := bytes.Repeat(fmt.Append(nil, "chunk of ", i-20, ";"), 100)
		own := bytes.Repeat(fmt.Append(nil, "own ", i-20, ";"), int(1+(i-20)%50*(i-20)%90))
		old, _ := storetest.Node(i-20, storetest.RawCid(chunk[:len(chunk)/3]), storetest.RawCid(own))
		if err := s.RemoveRoot(old); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		_, err = s.GC(context.Background(), store.GCOptions{Links: storetest.Links, Garbage: 0.2})
	}
	return err
}

// busyChild goes on from the last root, and says on stdout what is durable.
func busyChild(dir string) error {
	s, err := store.Open(filepath.Join(dir, "store"), crashConfig)
	if err != nil {
		return err
	}
	i := uint64(0)
	for r, err := range s.Roots(context.Background()) {
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(r.Name, 10, 64)
		if err != nil {
			return err
		}
		i = max(i, n)
	}
	for {
		i++
		if err := step(s, dir, i); err != nil {
			return err
		}
		if i%3 == 0 {
			if err := s.Sync(context.Background()); err != nil {
				return err
			}
			fmt.Println("durable", i)
		}
	}
}

// TestKill kills a busy process again and again, with SIGKILL at a random
// moment, and looks whether everything is there that was durable.
func TestKill(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	durable := uint64(0)
	for round := range rounds {
		durable = max(durable, killOne(t, dir, 1+r.IntN(25)))
		if r.IntN(4) == 0 {
			all, _ := filepath.Glob(filepath.Join(dir, "store", "index.*"))
			for _, x := range all {
				if err := os.RemoveAll(x); err != nil {
					t.Fatal(err)
				}
			}
		}
		s, err := store.Open(filepath.Join(dir, "store"), crashConfig)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		seen := uint64(0)
		for root, err := range s.Roots(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			n, _ := strconv.ParseUint(root.Name, 10, 64)
			seen = max(seen, n)
			block, err := s.Get(context.Background(), root.Cid)
			if err != nil {
				t.Fatalf("round %d: root %d: %v", round, n, err)
			}
			links, err := storetest.Links(root.Cid, block)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range links { // a root comes after what it leads to
				if _, err := s.Get(context.Background(), l); err != nil {
					t.Errorf("round %d: below root %d: %v", round, n, err)
				}
			}
		}
		if seen < durable {
			t.Errorf("round %d: the last root is %d, durable was %d", round, seen, durable)
		}
		for d, err := range s.Verify(context.Background(), store.VerifyOptions{}) {
			t.Errorf("round %d: damage %+v, %v", round, d, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d things durable after %d kills", durable, rounds)
}

// killOne runs a child until it has said so many lines, and kills it. It
// returns the last thing that was durable.
func killOne(t *testing.T, dir string, lines int) (durable uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // for a child that hangs
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		n, ok := strings.CutPrefix(sc.Text(), "durable ")
		if !ok {
			t.Errorf("child: %s", sc.Text())
			break
		}
		if durable, err = strconv.ParseUint(n, 10, 64); err != nil {
			t.Error(err)
		}
		if lines--; lines == 0 {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait() // killed
	return durable
}
