package p2p

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/crypto"
)

// Errors of [LoadIdentity].
var (
	// ErrIdentityDamaged: the file exists but holds no usable key.
	ErrIdentityDamaged = errors.New("the identity file is damaged")
	// ErrIdentityExposed: others than the owner may read or write the file.
	ErrIdentityExposed = errors.New("the identity file is open to other users")
)

// maxIdentityFile is far above what a key needs (68 bytes for Ed25519) and far
// below what would hurt to read.
const maxIdentityFile = 16 << 10

// LoadIdentity reads the private key at path, or makes a new Ed25519 key there
// if there is no file. The file holds libp2p's protobuf form of the key.
//
// A new file appears under its name complete or not at all, and is on the disk
// when LoadIdentity returns, whatever kills the process or the power. Two
// processes that start at once agree on one key. A damaged file, or one that
// other users may read or write, is refused and left as it is: the key is who
// the node is, and only its owner can say what should happen to it.
func LoadIdentity(path string) (crypto.PrivKey, error) {
	key, err := readIdentity(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := createIdentity(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create the identity %s: %w", path, err)
	}
	return readIdentity(path)
}

func readIdentity(path string) (crypto.PrivKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the identity: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the identity: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrIdentityDamaged, path)
	}
	if err := checkPrivate(path, info); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxIdentityFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the identity: %w", err)
	}
	if len(raw) > maxIdentityFile {
		return nil, fmt.Errorf("%w: %s is larger than any key", ErrIdentityDamaged, path)
	}
	key, err := crypto.UnmarshalPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %s (%d bytes): %w; restore it from a backup, or remove it to start under a new peer ID",
			ErrIdentityDamaged, path, len(raw), err)
	}
	return key, nil
}

// createIdentity writes a new key beside path, syncs it, and links it to path.
// Linking, unlike renaming, fails if another process was faster.
func createIdentity(path string) error {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return err
	}
	raw, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // the name that is left over
	_, err = tmp.Write(raw)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = publish(tmp.Name(), path)
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

// publish gives the finished file its name without replacing another one. File
// systems without hard links get a rename instead, which is as atomic but lets
// the last of two racing processes win; both then read the same file.
func publish(tmp, path string) error {
	err := os.Link(tmp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, serr := os.Lstat(path); serr == nil {
		return fs.ErrExist
	}
	return os.Rename(tmp, path)
}
