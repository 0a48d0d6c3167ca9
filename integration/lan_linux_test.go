package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ringswap/integration/lab"
)

// Two laptops on one LAN, nothing configured on either: `peer share FILE` on
// one, `peer get CID` on the other.
func TestTwoLaptopsOnALAN(t *testing.T) {
	net, err := lab.New(t.Context())
	if errors.Is(err, lab.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	})
	w := newWorld(t)
	laptop := func(repo string) func(args ...string) *exec.Cmd {
		m, err := net.Machine(t.Context(), lab.Link{})
		if err != nil {
			t.Fatal(err)
		}
		return func(args ...string) *exec.Cmd {
			return m.Command(context.Background(), binary, append([]string{"--repo", w.repo(repo), "--json"}, args...)...)
		}
	}
	left, right := laptop("a"), laptop("b")

	path := w.file("file", "two laptops", 3<<20+5)
	share := left("share", path)
	log := &logBuffer{}
	share.Stderr = log
	stdout, err := share.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := share.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = share.Process.Signal(os.Interrupt)
		_ = share.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("share: %v\n%s", err, log)
	}
	var s shared
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		t.Fatalf("share printed %q: %v", line, err)
	}
	out := filepath.Join(w.dir, "out")
	get := right("get", s.Cid, "-o", out)
	var gotOut, gotErr bytes.Buffer
	get.Stdout, get.Stderr = &gotOut, &gotErr
	if err := get.Run(); err != nil {
		t.Fatalf("get: %v\n%s\nshare said:\n%s", err, &gotErr, log)
	}
	w.sameFile(path, out)
}
