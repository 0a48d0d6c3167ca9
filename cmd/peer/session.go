package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"ringswap/internal/api"
	"ringswap/internal/node"
)

// defaultLockWait is how long a command waits for a process that has the repo's
// lock but does not answer yet (it is starting) or no more (it is ending).
const (
	defaultLockWait = 5 * time.Second
	lockRetry       = 50 * time.Millisecond
)

// session is the node that a command works with: that of another process, or
// one of its own, which other commands on the same repo can use meanwhile.
type session struct {
	node.Service
	// lasting says that the node stays when this command ends.
	lasting bool

	out    *output
	local  localNode   // nil if the node is another process's
	server *api.Server // nil if it could not be served
	stop   context.CancelFunc
	served chan struct{} // closed when the server has ended
	err    error         // why, after that
}

// with connects to the node, lets f work with it, and ends what it began.
func (in *invocation) with(ctx context.Context, f func(*session) error) error {
	s, err := in.connect(ctx)
	if err != nil {
		return err
	}
	err = f(s)
	return errors.Join(err, s.close(ctx))
}

// connect finds the node that another process runs on the repo, or starts one in
// this process.
func (in *invocation) connect(ctx context.Context) (*session, error) {
	cfg, err := in.nodeConfig()
	if err != nil {
		return nil, err
	}
	return in.patiently(ctx, cfg.Repo, func() (*session, error) {
		c, err := api.Dial(ctx, cfg.Repo)
		switch {
		case err == nil:
			if given := in.nodeFlagsGiven(); len(given) > 0 {
				in.warn("%s: no effect, since process %d already runs the node of this repo", strings.Join(given, ", "), c.Hello().PID)
			}
			return &session{Service: c, lasting: c.Hello().Lasting, out: in.output}, nil
		case !errors.Is(err, api.ErrNoDaemon):
			return nil, err
		}
		return in.start(ctx, cfg, false)
	})
}

// patiently repeats try for a while as long as another process has the repo.
func (in *invocation) patiently(ctx context.Context, repo string, try func() (*session, error)) (*session, error) {
	giveUp := time.NewTimer(in.program.lockWait)
	defer giveUp.Stop()
	retry := time.NewTicker(lockRetry)
	defer retry.Stop()
	for {
		s, err := try()
		if err == nil || !errors.Is(err, node.ErrRepoLocked) {
			return s, err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-giveUp.C:
			return nil, &node.Error{
				Kind: node.KindFailed,
				What: "another process has the repo " + repo + " but does not answer",
				Why:  err.Error(),
				Try:  "the command again when that process has ended, or another repo: peer --repo DIR",
				Err:  err,
			}
		}
	}
}

// start runs a node in this process and serves it to others.
func (in *invocation) start(ctx context.Context, cfg node.Config, lasting bool) (*session, error) {
	cfg.Brief = !lasting
	n, err := in.program.open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &session{Service: n, local: n, lasting: lasting, out: in.output, served: make(chan struct{})}
	s.server, err = api.Listen(api.Config{Repo: cfg.Repo, Service: n, Lasting: lasting})
	if err != nil {
		if lasting {
			return nil, errors.Join(err, n.Close())
		}
		in.warn("other commands cannot use this node meanwhile: %v", err)
		return s, nil
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go func() {
		s.err = s.server.Run(serving)
		close(s.served)
	}()
	return s, nil
}

// close ends a node of this process. Commands of other processes that use it
// are waited for, unless ctx has ended.
func (s *session) close(ctx context.Context) error {
	if s.local == nil {
		return nil
	}
	if s.server != nil {
		if n := s.server.Running(); n > 0 && ctx.Err() == nil {
			s.out.info("done; %s still using this node (process %d), so it stays until then; Ctrl-C ends it now", areCommands(n), os.Getpid())
			_ = s.server.WaitIdle(ctx) // the end of ctx is as good an end
		}
		s.stop()
		<-s.served
		if s.err != nil {
			s.out.warn("%v", s.err)
		}
	}
	return s.local.Close()
}

func areCommands(n int) string {
	if n == 1 {
		return "another command is"
	}
	return count(n, "other command") + " are"
}

// sayIfTemporary tells that what the node says is about a node of this command
// alone.
func (s *session) sayIfTemporary() {
	if s.local != nil {
		s.out.info("no daemon runs on this repo: this is about a node started for this command only")
	}
}
