package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Two laptops on one LAN, nothing configured on either: `peer share FILE` on
// one, `peer get CID` on the other. Each laptop is a network namespace, joined
// by a virtual cable that leads nowhere else.
func TestTwoLaptopsOnALAN(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the ip command (Debian: iproute2)")
	}
	w := newWorld(t)
	tag := fmt.Sprintf("rs%04x", rand.Uint32()&0xffff)
	left, right := tag+"a", tag+"b"
	for _, ns := range []string{left, right} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("cannot make a network namespace here: %v: %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := exec.Command("ip", "netns", "del", ns).CombinedOutput(); err != nil {
				t.Errorf("ip netns del %s: %v: %s", ns, err, out)
			}
		})
	}
	for _, line := range []string{
		"link add v0 netns " + left + " type veth peer name v0 netns " + right,
		"-n " + left + " addr add 10.77.0.1/24 dev v0",
		"-n " + right + " addr add 10.77.0.2/24 dev v0",
		"-n " + left + " link set lo up",
		"-n " + right + " link set lo up",
		"-n " + left + " link set v0 up",
		"-n " + right + " link set v0 up",
		"-n " + left + " route add default dev v0",
		"-n " + right + " route add default dev v0",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	inside := func(ns, repo string, args ...string) *exec.Cmd {
		return exec.Command("ip", append([]string{"netns", "exec", ns, binary, "--repo", w.repo(repo), "--json"}, args...)...)
	}

	path := w.file("file", "two laptops", 3<<20+5)
	share := inside(left, "a", "share", path)
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
	get := inside(right, "b", "get", s.Cid, "-o", out)
	var gotOut, gotErr bytes.Buffer
	get.Stdout, get.Stderr = &gotOut, &gotErr
	if err := get.Run(); err != nil {
		t.Fatalf("get: %v\n%s\nshare said:\n%s", err, &gotErr, log)
	}
	w.sameFile(path, out)
}
