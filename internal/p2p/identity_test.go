package p2p

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
)

func TestIdentityIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "identity")
	first, err := LoadIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadIdentity(path)
	if err != nil || !again.Equals(first) {
		t.Fatalf("another key on the second start: %v", err)
	}
	if first.Type() != crypto.Ed25519 {
		t.Errorf("a key of type %v", first.Type())
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	onlyIdentity(t, filepath.Dir(path))
}

func onlyIdentity(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

func TestIdentityRefusals(t *testing.T) {
	dir := t.TempDir()
	good, err := crypto.MarshalPrivateKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		raw  []byte
		mode fs.FileMode
		want error
	}{
		"empty":            {nil, 0o600, ErrIdentityDamaged},
		"garbage":          {[]byte("not a key"), 0o600, ErrIdentityDamaged},
		"cut short":        {good[:len(good)-1], 0o600, ErrIdentityDamaged},
		"huge":             {make([]byte, maxIdentityFile+1), 0o600, ErrIdentityDamaged},
		"readable by all":  {good, 0o644, ErrIdentityExposed},
		"readable by some": {good, 0o640, ErrIdentityExposed},
	} {
		if runtime.GOOS == "windows" && errors.Is(tc.want, ErrIdentityExposed) {
			continue // modes say nothing there
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, tc.raw, tc.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tc.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadIdentity(path); !errors.Is(err, tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(tc.raw) {
			t.Errorf("%s: the file was changed: %v", name, err)
		}
	}
	if _, err := LoadIdentity(dir); !errors.Is(err, ErrIdentityDamaged) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := LoadIdentity(filepath.Join(dir, "garbage", "identity")); err == nil {
		t.Error("a file as a folder was accepted")
	}
}

func TestIdentityRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	keys := make([]crypto.PrivKey, 16)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			key, err := LoadIdentity(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k == nil || !k.Equals(keys[0]) {
			t.Fatal("two starts at once ended with two identities")
		}
	}
	onlyIdentity(t, filepath.Dir(path))
}

// identityChild makes this binary load identities until it is killed.
const identityChild = "P2P_TEST_IDENTITY_DIR"

func init() { children[identityChild] = identityLoop }

func identityLoop(dir string) {
	for i := 0; ; i++ {
		if _, err := LoadIdentity(filepath.Join(dir, string(rune('a'+i%26)), strings.Repeat("x", 1+i/26))); err != nil {
			panic(err)
		}
	}
}

// However a process that creates identities is killed, every identity file
// that is there afterwards is whole.
func TestIdentitySurvivesKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts ten processes: not with -short")
	}
	for i := range 10 {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), identityChild+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "a")); return err == nil }, "the child does nothing")
		time.Sleep(time.Duration(i) * 700 * time.Microsecond) // another moment each time, on purpose
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.Contains(path, ".tmp-") {
				return err
			}
			_, err = readIdentity(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
