package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	socketFile = "api.sock" // in the repo
	placeFile  = "api.addr" // in the repo, if the socket is not

	// maxSocketPath is what every platform's sockaddr_un has room for.
	maxSocketPath = 100
	maxPlaceFile  = 4 << 10
)

// place is where a server listens. Its zero value is invalid.
type place struct {
	Network string `json:"network"` // unix or tcp
	Address string `json:"address"` // a path, or 127.0.0.1:PORT
	// Token must accompany every request over tcp, where any user can connect.
	Token string `json:"token,omitempty"`

	file string // that says so, to be removed with the place; may be empty
}

// unixHost is the Host of requests over a unix socket.
const unixHost = "ringswap.local"

func (p place) host() string {
	if p.Network == "unix" {
		return unixHost
	}
	return p.Address
}

// authorize makes r a request that foreign lets through.
func (p place) authorize(r *http.Request) {
	r.Host = p.host()
	r.Header.Set(headerName, headerValue)
	if p.Token != "" {
		r.Header.Set("Authorization", "Bearer "+p.Token)
	}
}

// foreign says why r does not come from a Client of this user, or "".
func (p place) foreign(r *http.Request) string {
	switch {
	case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "":
		return "it comes from a web page"
	case r.Host != p.host():
		return "it was meant for another host"
	case r.Header.Get(headerName) != headerValue:
		return "it has no header " + headerName
	case p.Token != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+p.Token)) != 1:
		return "its token is not the one in the repo"
	}
	return ""
}

func (p place) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, p.Network, p.Address)
}

// release removes what listen left on disk.
func (p place) release() {
	if p.file != "" {
		_ = os.Remove(p.file) // a stale one is replaced by the next process
	}
}

// listen opens the first place that works: the repo, a short private folder,
// the loopback interface.
func listen(repo string, noUnix bool) (net.Listener, place, error) {
	var failed []error
	if !noUnix {
		for _, where := range []func(string) (string, error){inRepo, inShortDir} {
			path, err := where(repo)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			l, err := listenUnix(path)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			p := place{Network: "unix", Address: path}
			if err := p.publish(repo); err != nil {
				return nil, place{}, errors.Join(err, l.Close())
			}
			return l, p, nil
		}
	}
	l, p, err := listenTCP(repo)
	if err != nil {
		return nil, place{}, errors.Join(append(failed, err)...)
	}
	return l, p, nil
}

func inRepo(repo string) (string, error) {
	path := filepath.Join(repo, socketFile)
	if len(path) > maxSocketPath {
		return "", fmt.Errorf("the path %s is too long for a socket", path)
	}
	return path, nil
}

// inShortDir is a socket path outside of the repo, in a folder that only this
// user can enter, and of a name that only this repo has.
func inShortDir(repo string) (string, error) {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(dir) || checkPrivate(dir) != nil {
		dir = filepath.Join(os.TempDir(), "ringswap-"+strconv.Itoa(os.Geteuid()))
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	if err := checkPrivate(dir); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(filepath.Clean(repo)))
	path := filepath.Join(dir, "ringswap-"+hex.EncodeToString(sum[:8])+".sock")
	if len(path) > maxSocketPath {
		return "", fmt.Errorf("the path %s is too long for a socket", path)
	}
	return path, nil
}

// checkPrivate fails unless dir is a folder of this user that nobody else can
// enter.
func checkPrivate(dir string) error {
	fi, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !fi.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case !ownedByUser(fi) || !privateMode(fi):
		return fmt.Errorf("others than this user can enter %s", dir)
	}
	return nil
}

// listenUnix makes the socket, in place of one that a dead process left.
func listenUnix(path string) (net.Listener, error) {
	if fi, err := os.Lstat(path); err == nil {
		if fi.Mode().IsRegular() || fi.IsDir() {
			return nil, fmt.Errorf("%s is in the way of the control socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	lc := net.ListenConfig{Control: restrictSocket}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func listenTCP(repo string) (net.Listener, place, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, place{}, err
	}
	p := place{Network: "tcp", Address: l.Addr().String(), Token: rand.Text()}
	if err := p.publish(repo); err != nil {
		return nil, place{}, errors.Join(err, l.Close())
	}
	return l, p, nil
}

// publish tells clients of the repo about the place: in a file, unless it is
// the one where they look anyway.
func (p *place) publish(repo string) error {
	file := filepath.Join(repo, placeFile)
	if p.Network == "unix" && p.Address == filepath.Join(repo, socketFile) {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(repo, placeFile+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(b, '\n'))
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	p.file = file
	return nil
}

// find is the place where a server of the repo listens, if one does.
func find(repo string) (place, error) {
	b, err := readSmall(filepath.Join(repo, placeFile))
	if errors.Is(err, fs.ErrNotExist) {
		p := place{Network: "unix", Address: filepath.Join(repo, socketFile)}
		return p, p.trustworthy()
	}
	if err != nil {
		return place{}, err
	}
	p, err := parsePlace(b)
	if err != nil {
		return place{}, err
	}
	return p, p.trustworthy()
}

func readSmall(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxPlaceFile || !ownedByUser(fi) {
		return nil, fmt.Errorf("%s is not a file of ours", path)
	}
	return os.ReadFile(path)
}

// parsePlace reads the file that publish wrote.
func parsePlace(b []byte) (place, error) {
	var p place
	if err := unmarshalStrict(b, &p); err != nil {
		return place{}, fmt.Errorf("%s is damaged: %w", placeFile, err)
	}
	host, port, err := net.SplitHostPort(p.Address)
	switch {
	case p.Network == "unix" && filepath.IsAbs(p.Address) && p.Token == "":
	case p.Network == "tcp" && err == nil && host == "127.0.0.1" && strings.Trim(port, "0123456789") == "" && p.Token != "":
	default:
		return place{}, fmt.Errorf("%s is damaged: it names no place on this machine", placeFile)
	}
	return p, nil
}

// trustworthy fails if someone else made the socket.
func (p place) trustworthy() error {
	if p.Network != "unix" {
		return nil // who read the repo's token file is asked for the token
	}
	fi, err := os.Lstat(p.Address)
	if err != nil {
		return err
	}
	if !ownedByUser(fi) {
		return fmt.Errorf("the socket %s belongs to another user", p.Address)
	}
	return nil
}

// dialTimeout is how long a local connection may take.
const dialTimeout = 2 * time.Second
