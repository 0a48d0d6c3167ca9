package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestDialWithoutADaemon(t *testing.T) {
	repo := shortRepo(t)
	for name, prepare := range map[string]func(){
		"an empty repo":     func() {},
		"no repo":           func() { repo = filepath.Join(repo, "none") },
		"a file in the way": func() { repo = shortRepo(t); writeFile(t, filepath.Join(repo, socketFile), "x") },
		"a damaged address": func() { repo = shortRepo(t); writeFile(t, filepath.Join(repo, placeFile), "{") },
		"a dead daemon": func() {
			repo = shortRepo(t)
			l, err := net.Listen("unix", filepath.Join(repo, socketFile))
			if err != nil {
				t.Fatal(err)
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			l.Close()
		},
		"a dead daemon elsewhere": func() {
			repo = shortRepo(t)
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			p := place{Network: "tcp", Address: l.Addr().String(), Token: "t"}
			if err := p.publish(repo); err != nil {
				t.Fatal(err)
			}
		},
	} {
		prepare()
		if _, err := Dial(t.Context(), repo); !errors.Is(err, ErrNoDaemon) {
			t.Errorf("%s: %v, want ErrNoDaemon", name, err)
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	repo := shortRepo(t)
	path, err := inRepo(repo)
	if err != nil {
		t.Skip("no room for the socket: ", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	writeFile(t, filepath.Join(repo, placeFile), `{"network":"unix","address":"/nowhere"}`)
	srv := serve(t, Config{Repo: repo, Service: &script{}})
	dialed(t, repo)
	if fi, err := os.Stat(path); err != nil || (runtime.GOOS != "windows" && fi.Mode().Perm() != 0o600) {
		t.Errorf("the socket: %v, %v", fi, err)
	}
	if err := srv.stop(); err != nil {
		t.Error(err)
	}
	for _, f := range []string{socketFile, placeFile} {
		if _, err := os.Lstat(filepath.Join(repo, f)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left behind", f)
		}
	}
}

func TestRegularFileIsNotReplaced(t *testing.T) {
	path := filepath.Join(shortRepo(t), socketFile)
	writeFile(t, path, "mine")
	if _, err := listenUnix(path); err == nil {
		t.Error("a user's file was taken for a stale socket")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("the file now holds %q, %v", b, err)
	}
}

func TestDeepRepoUsesAShortFolder(t *testing.T) {
	deep := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, runtimeDir := range []string{"", shortDirFor(t, 0o700), shortDirFor(t, 0o755)} {
		t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
		srv := serve(t, Config{Repo: deep, Service: &script{}})
		if srv.place.Network != "unix" {
			t.Errorf("it listens at %+v", srv.place)
		}
		if err := checkPrivate(filepath.Dir(srv.place.Address)); err != nil {
			t.Error(err)
		}
		dialed(t, deep)
		if err := srv.stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(filepath.Join(deep, placeFile)); !errors.Is(err, os.ErrNotExist) {
			t.Error("the address is left behind")
		}
	}
}

// shortDirFor is a temporary folder with a short path.
func shortDirFor(t *testing.T, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCheckPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes on windows")
	}
	dir := t.TempDir()
	open, closed, link := filepath.Join(dir, "open"), filepath.Join(dir, "closed"), filepath.Join(dir, "link")
	for d, mode := range map[string]os.FileMode{open: 0o750, closed: 0o700} {
		if err := errors.Join(os.Mkdir(d, 0o700), os.Chmod(d, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(closed, link); err != nil {
		t.Fatal(err)
	}
	if err := checkPrivate(closed); err != nil {
		t.Error(err)
	}
	for _, d := range []string{open, link, filepath.Join(dir, "none")} {
		if checkPrivate(d) == nil {
			t.Errorf("%s was taken for private", d)
		}
	}
}

func TestOnlyClientsAreAnswered(t *testing.T) {
	for _, noUnix := range []bool{false, true} {
		repo := shortRepo(t)
		srv := serve(t, Config{Repo: repo, Service: &script{}, noUnix: noUnix})
		c := newClient(srv.place)
		status := func(change func(*http.Request)) int {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+srv.place.host()+"/v1/identity", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			srv.place.authorize(r)
			change(r)
			resp, err := c.http.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		for name, tc := range map[string]struct {
			want   int
			change func(*http.Request)
		}{
			"a client":           {200, func(*http.Request) {}},
			"a web page":         {403, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }},
			"a web page's form":  {403, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }},
			"a rebound name":     {403, func(r *http.Request) { r.Host = "evil.example" }},
			"a rebound name 2":   {403, func(r *http.Request) { r.Host = "localhost" }},
			"no header":          {403, func(r *http.Request) { r.Header.Del(headerName) }},
			"a GET":              {405, func(r *http.Request) { r.Method = http.MethodGet }},
			"an unknown call":    {404, func(r *http.Request) { r.URL.Path = "/v1/../etc" }},
			"another version":    {404, func(r *http.Request) { r.URL.Path = "/v2/identity" }},
			"a request too long": {400, func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 0; setBody(r, maxRequest+1) }},
		} {
			if got := status(tc.change); got != tc.want {
				t.Errorf("%s: %d, want %d", name, got, tc.want)
			}
		}
		if noUnix {
			for _, token := range []string{"", "Bearer ", "Bearer wrong", "Basic " + srv.place.Token} {
				if got := status(func(r *http.Request) { r.Header.Set("Authorization", token) }); got != 403 {
					t.Errorf("token %q: %d, want 403", token, got)
				}
			}
			if fi, err := os.Stat(filepath.Join(repo, placeFile)); err != nil || (runtime.GOOS != "windows" && fi.Mode().Perm() != 0o600) {
				t.Errorf("the token's file: %v, %v", fi, err)
			}
		}
	}
}

func setBody(r *http.Request, n int) {
	s := strings.Repeat(" ", n)
	r.Body, r.ContentLength = http.NoBody, int64(n)
	r.Body = struct {
		*strings.Reader
		nopCloser
	}{strings.NewReader(s), nopCloser{}}
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

func TestParsePlace(t *testing.T) {
	for _, good := range []string{
		`{"network":"unix","address":"/run/x.sock"}`,
		`{"network":"tcp","address":"127.0.0.1:80","token":"t"}`,
	} {
		if runtime.GOOS == "windows" && strings.Contains(good, "unix") {
			continue
		}
		if _, err := parsePlace([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "null", "{}", `{"network":"unix","address":"x.sock"}`, `{"network":"tcp","address":"127.0.0.1:80"}`,
		`{"network":"tcp","address":"10.0.0.1:80","token":"t"}`, `{"network":"tcp","address":"evil.example:80","token":"t"}`,
		`{"network":"tcp","address":"127.0.0.1:http","token":"t"}`, `{"network":"udp","address":"127.0.0.1:80","token":"t"}`,
		`{"network":"tcp","address":"127.0.0.1:80","token":"t"} x`, `{"network":"tcp","address":"127.0.0.1:80","token":"t","more":1}`,
	} {
		if p, err := parsePlace([]byte(bad)); err == nil {
			t.Errorf("%s was read as %+v", bad, p)
		}
	}
}

func TestListenNeedsARepoAndAService(t *testing.T) {
	for _, bad := range []Config{{}, {Repo: "/x"}, {Service: &script{}}, {Repo: "/x", Service: &script{}, Beat: -1}} {
		if _, err := Listen(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	if _, err := Listen(Config{Repo: filepath.Join(t.TempDir(), strings.Repeat("none/", 30)), Service: &script{}, noUnix: true}); err == nil {
		t.Error("it listens for a repo that does not exist")
	}
}

func TestRunEndsWhenTheListenerFails(t *testing.T) {
	s, err := Listen(Config{Repo: shortRepo(t), Service: &script{}})
	if err != nil {
		t.Fatal(err)
	}
	s.listener.Close()
	if err := s.Run(context.Background()); err == nil {
		t.Error("Run hid that it could not listen")
	}
}
