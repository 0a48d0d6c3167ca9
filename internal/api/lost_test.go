package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"ringswap/internal/node"
)

// answers runs a server that answers every call as h does, and returns a
// client that is quick to lose patience.
func answers(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	l, p, err := listen(shortRepo(t), false)
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = hs.Serve(l)
	}()
	t.Cleanup(func() {
		hs.Close()
		<-done
	})
	c := newClient(p)
	c.watch = 5 * time.Millisecond
	return c
}

func write(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func TestBrokenAnswersAreFailures(t *testing.T) {
	hang := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"beat":true}`+"\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for name, tc := range map[string]struct {
		h    http.HandlerFunc
		want error
	}{
		"nothing at all":          {write(""), ErrLost},
		"an end without a result": {write(`{"beat":true}` + "\n"), ErrLost},
		"half a line":             {write(`{"result":{"id":`), ErrLost},
		"no newline":              {write(`{"result":{}}`), ErrLost},
		"garbage":                 {write("<html>\n"), errBadFrame},
		"two members":             {write(`{"beat":true,"result":{}}` + "\n"), errBadFrame},
		"another result":          {write(`{"result":[1]}` + "\n"), errBadFrame},
		"silence midway":          {hang, ErrLost},
		"a crash":                 {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ErrNoDaemon},
		"a strange status":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, errBadFrame},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answers(t, tc.h).Identity(t.Context())
			if !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

func TestCutCatIsAFailure(t *testing.T) {
	data := string(appendBlockHeader(nil, blockData, 4)) + "data"
	end := string(appendBlockHeader(nil, blockEnd, 0))
	for name, tc := range map[string]struct {
		answer string
		want   error
	}{
		"whole":            {data + data + end, nil},
		"no end":           {data, ErrLost},
		"cut in a block":   {data[:7], ErrLost},
		"cut in a header":  {data + data[:3], ErrLost},
		"an unknown kind":  {data + "?\x00\x00\x00\x00", errBadFrame},
		"a giant":          {"d\xff\xff\xff\xff", errBadFrame},
		"an end with more": {"z\x00\x00\x00\x01x", errBadFrame},
		"a bad error":      {"e\x00\x00\x00\x01x", errBadFrame},
		"a cut error":      {"e\x00\x00\x00\x09x", ErrLost},
	} {
		var out bytes.Buffer
		err := answers(t, write(tc.answer)).Cat(t.Context(), node.CatRequest{}, &out)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestHungDaemonIsNotWaitedFor(t *testing.T) {
	c := answers(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if err := c.greet(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("a daemon that never answers: %v", err)
	}
}

func TestBusyReaderDoesNotLoseTheDaemon(t *testing.T) {
	c := answers(t, write(`{"progress":{"phase":"x"}}`+"\n"+`{"result":{"id":"me"}}`+"\n"))
	const patience = 5 * time.Millisecond * (maxSilent + 1)
	slow := time.NewTimer(3 * patience)
	if _, err := c.Share(t.Context(), node.ShareRequest{}, func(node.Progress) { <-slow.C }); err != nil {
		t.Error("a reader that was busy took the daemon for dead: ", err)
	}
}

func TestAnotherVersionIsNamed(t *testing.T) {
	for _, hello := range []string{`{"api":2,"pid":1}`, `{"api":"x"}`, `3`} {
		err := answers(t, write(`{"result":`+hello+"}\n")).greet(t.Context())
		if e := node.AsError(err); err == nil || !strings.Contains(e.What, "version") {
			t.Errorf("hello %s: %v", hello, err)
		}
	}
}

func TestTooLongARequestIsNotSent(t *testing.T) {
	c := answers(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	_, err := c.Swarm(t.Context(), node.SwarmRequest{Ref: strings.Repeat("x", maxRequest)})
	if e := node.AsError(err); e.Kind != node.KindUsage {
		t.Errorf("%#v", e)
	}
}
