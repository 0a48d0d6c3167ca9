package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"ringswap/internal/node"
)

const (
	pathPrefix  = "/v1/"
	callHello   = "hello"
	version     = 1              // of the API; the path's prefix has it too
	headerName  = "Ringswap-Api" // a page in a browser cannot set it
	headerValue = "1"

	maxRunning     = 128 // calls at once
	maxHeaderBytes = 16 << 10
)

// errStopping is the cause of the contexts of calls that the server ends.
var errStopping = errors.New("the daemon is stopping")

// Config is how a Server serves.
type Config struct {
	// Repo is the absolute path of the repo. The caller holds its lock, so no
	// other process listens for it. Required.
	Repo string
	// Service does what is asked. Required.
	Service node.Service
	// Lasting says that the process stays until it is told to stop, as opposed
	// to one that ends with its own command.
	Lasting bool
	// Beat is the time between two signs of life of a call; 0 means 3 seconds.
	Beat time.Duration
	// Grace is how long Run waits for calls that were told to end; 0 means 5
	// seconds.
	Grace time.Duration

	noUnix bool // for tests: as if no unix socket could be made
}

func (c *Config) validate() error {
	if c.Repo == "" || c.Service == nil {
		return errors.New("api: a server needs a repo and a service")
	}
	if c.Beat < 0 || c.Grace < 0 {
		return errors.New("api: a duration must not be negative")
	}
	if c.Beat == 0 {
		c.Beat = 3 * time.Second
	}
	if c.Grace == 0 {
		c.Grace = 5 * time.Second
	}
	return nil
}

// Hello is what a server says of itself.
type Hello struct {
	API     int  `json:"api"`
	PID     int  `json:"pid"`
	Lasting bool `json:"lasting"`
}

// Server serves a node to the other processes of the user.
type Server struct {
	cfg      Config
	place    place
	listener net.Listener
	handlers map[string]http.HandlerFunc

	mu      sync.Mutex
	running int
	idle    chan struct{} // closed while nothing runs
}

// Listen takes the repo's place for the API, whoever had it before. Nothing is
// answered before Run, which also gives the place up.
func Listen(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	l, p, err := listen(cfg.Repo, cfg.noUnix)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	s := &Server{cfg: cfg, place: p, listener: l, idle: make(chan struct{}), handlers: make(map[string]http.HandlerFunc)}
	close(s.idle)
	s.handlers[pathPrefix+callHello] = s.hello
	s.handlers[pathPrefix+callCat] = s.counted(s.cat)
	for _, r := range routes {
		s.handlers[r.path()] = s.counted(func(w http.ResponseWriter, req *http.Request) { s.call(w, req, r) })
	}
	return s, nil
}

// Run answers until ctx ends; then it ends the running calls, waits for them,
// and frees the place. It must be called once.
func (s *Server) Run(ctx context.Context) error {
	base, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	hs := &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	served := make(chan struct{})
	var failed error
	go func() {
		defer close(served)
		if err := hs.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			failed = fmt.Errorf("api: %w", err)
		}
	}()
	select {
	case <-served:
	case <-ctx.Done():
	}
	stop(errStopping)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Grace)
	defer cancel()
	if hs.Shutdown(grace) != nil {
		_ = hs.Close() // cut those off that do not read their last frame
	}
	<-served
	s.place.release()
	return errors.Join(failed, s.waitForCalls())
}

func (s *Server) waitForCalls() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Grace)
	defer cancel()
	if s.WaitIdle(ctx) != nil {
		return fmt.Errorf("api: %d calls did not end within %v of being told to", s.Running(), s.cfg.Grace)
	}
	return nil
}

// Running is the number of calls being answered now.
func (s *Server) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// WaitIdle returns when no call is being answered, or with ctx's error. A
// process that ends with its own command waits so for the others that use its
// node meanwhile.
func (s *Server) WaitIdle(ctx context.Context) error {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running >= maxRunning {
		return false
	}
	if s.running == 0 {
		s.idle = make(chan struct{})
	}
	s.running++
	return true
}

func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.running == 0 {
		close(s.idle)
	}
}

// counted counts the calls of h, and refuses those that are too many.
func (s *Server) counted(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.begin() {
			refuse(w, http.StatusServiceUnavailable, &node.Error{
				Kind: node.KindFailed,
				What: fmt.Sprintf("the daemon already answers %d commands", maxRunning),
				Try:  "wait for some of them to end",
			})
			return
		}
		defer s.end()
		h(w, r)
	}
}

// serve lets in only what a Client of this version sends.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if why := s.place.foreign(r); why != "" {
		refuse(w, http.StatusForbidden, &node.Error{Kind: node.KindFailed, What: "the control API refused a request", Why: why})
		return
	}
	h := s.handlers[r.URL.Path]
	switch {
	case h == nil:
		refuse(w, http.StatusNotFound, badRequest(nil, "the daemon knows no call %q", r.URL.Path))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, badRequest(nil, "a call is a POST, not a %s", r.Method))
	default:
		h(w, r)
	}
}

func (s *Server) hello(w http.ResponseWriter, r *http.Request) {
	b, err := json.Marshal(Hello{API: version, PID: os.Getpid(), Lasting: s.cfg.Lasting})
	if _, ok := body(w, r); ok && err == nil {
		_ = newAnswer(w, false).frame(frame{Result: b})
	}
}

func (s *Server) call(w http.ResponseWriter, r *http.Request, rt route) {
	req, ok := body(w, r)
	if !ok {
		return
	}
	out := newAnswer(w, false)
	defer out.start(s.cfg.Beat)()
	res, err := rt.serve(r.Context(), s.cfg.Service, req, out)
	if err != nil {
		out.fail(told(r.Context(), err))
		return
	}
	_ = out.frame(frame{Result: res}) // a client that went away does not hear it
}

func (s *Server) cat(w http.ResponseWriter, r *http.Request) {
	b, ok := body(w, r)
	if !ok {
		return
	}
	var req node.CatRequest
	if err := unmarshalStrict(b, &req); err != nil {
		refuse(w, http.StatusBadRequest, badRequest(err, "the daemon does not understand the request cat"))
		return
	}
	out := newAnswer(w, true)
	defer out.start(s.cfg.Beat)()
	if err := s.cfg.Service.Cat(r.Context(), req, out); err != nil {
		out.fail(told(r.Context(), err))
		return
	}
	_ = out.block(blockEnd, nil)
}

// body reads a request's body, or refuses it. That it is read to its end lets
// net/http notice that a client goes away.
func body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		refuse(w, http.StatusBadRequest, badRequest(err, "a request could not be read"))
		return nil, false
	}
	return b, true
}

// told is err as the client hears it.
func told(ctx context.Context, err error) *node.Error {
	e := node.AsError(err)
	if e.Kind == node.KindInterrupted && errors.Is(context.Cause(ctx), errStopping) {
		return &node.Error{
			Kind: node.KindInterrupted,
			What: "the process that runs the node was stopped",
			Why:  e.Error(),
			Try:  "the same command again; what came so far is kept",
		}
	}
	return e
}

// refuse answers with one frame and a status that is not OK.
func refuse(w http.ResponseWriter, status int, e *node.Error) {
	b, err := json.Marshal(frame{Error: e})
	if err != nil {
		b = nil
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Connection", "close")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // whoever was refused may be gone
}

// badRequest is for what no Client of this version sends.
func badRequest(err error, format string, args ...any) *node.Error {
	e := &node.Error{
		Kind: node.KindFailed,
		What: fmt.Sprintf(format, args...),
		Try:  "stop the daemon and start it again, if it is of another version than this command",
	}
	if err != nil {
		e.Why = err.Error()
	}
	return e
}
