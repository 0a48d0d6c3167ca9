package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"syscall"
	"time"

	"ringswap/internal/node"
)

var (
	// ErrNoDaemon is returned by Dial when no process serves the repo, and by
	// calls that nobody heard, so that they may be made again elsewhere.
	ErrNoDaemon = errors.New("no daemon answers for this repo")
	// ErrLost is the cause of calls whose process died or fell silent midway.
	ErrLost = errors.New("the daemon went away")
)

// silence is how long a call may be without a sign of life, in beats of
// watchEvery.
const (
	watchEvery = 5 * time.Second
	maxSilent  = 4
)

// Client is the node of another process. Its methods may be called at once from
// several goroutines.
type Client struct {
	place place
	http  *http.Client
	hello Hello
	watch time.Duration // watchEvery, shorter in tests
}

var _ node.Service = (*Client)(nil)

// Dial connects to the process that serves the repo. It returns ErrNoDaemon
// quickly when there is none, also if a dead one left its socket behind.
func Dial(ctx context.Context, repo string) (*Client, error) {
	p, err := find(repo)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDaemon, err)
	}
	c := newClient(p)
	ctx, cancel := context.WithTimeout(ctx, dialTimeout+time.Second)
	defer cancel()
	if err := c.greet(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func newClient(p place) *Client {
	c := &Client{place: p, watch: watchEvery}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			return p.dial(ctx)
		},
		DisableKeepAlives:  true, // a local connection costs nothing, and an idle one would hold up a server that stops
		DisableCompression: true,
	}}
	return c
}

func (c *Client) greet(ctx context.Context) error {
	h, err := method[nothing, nothing, json.RawMessage]{name: callHello}.do(ctx, c, nothing{}, nil, nil)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &node.Error{
			Kind: node.KindTimeout,
			What: "a process has the repo but does not answer",
			Why:  "it may be suspended, or overloaded",
			Try:  "peer status, in a while; or end that process",
			Err:  err,
		}
	case err != nil:
		return err
	}
	if err := json.Unmarshal(h, &c.hello); err != nil || c.hello.API != version {
		return &node.Error{
			Kind: node.KindFailed,
			What: "the daemon of this repo is of another version",
			Why:  fmt.Sprintf("it speaks version %d of the control API, this command version %d", c.hello.API, version),
			Try:  "stop the daemon and start it again",
		}
	}
	return nil
}

// Hello is what the other process says of itself.
func (c *Client) Hello() Hello { return c.hello }

// Identity implements [node.Service], as do all methods below.
func (c *Client) Identity(ctx context.Context) (node.Identity, error) {
	return callIdentity.do(ctx, c, nothing{}, nil, nil)
}

// Status asks for the node's health.
func (c *Client) Status(ctx context.Context) (node.Status, error) {
	return callStatus.do(ctx, c, nothing{}, nil, nil)
}

// Connections asks for the node's connections.
func (c *Client) Connections(ctx context.Context) ([]node.Connection, error) {
	return callConnections.do(ctx, c, nothing{}, nil, nil)
}

// Share shares a path of this machine.
func (c *Client) Share(ctx context.Context, req node.ShareRequest, progress func(node.Progress)) (node.Shared, error) {
	return callShare.do(ctx, c, req, progress, nil)
}

// Get fetches to a path of this machine.
func (c *Client) Get(ctx context.Context, req node.GetRequest, progress func(node.Progress)) (node.Got, error) {
	return callGet.do(ctx, c, req, progress, nil)
}

// Enqueue puts a transfer into the node's queue.
func (c *Client) Enqueue(ctx context.Context, req node.GetRequest) (node.Transfer, error) {
	return callEnqueue.do(ctx, c, req, nil, nil)
}

// Transfers yields what the node fetches, is to fetch, and gives.
func (c *Client) Transfers(ctx context.Context) iter.Seq2[node.Transfer, error] {
	return callTransfers.each(ctx, c, nothing{}, nil)
}

// Control pauses, resumes, cancels or limits transfers.
func (c *Client) Control(ctx context.Context, req node.ControlRequest) ([]node.Transfer, error) {
	return callControl.do(ctx, c, req, nil, nil)
}

// Settings changes what is set for the node, and returns it.
func (c *Client) Settings(ctx context.Context, change node.SettingsChange) (node.Settings, error) {
	return callSettings.do(ctx, c, change, nil, nil)
}

// Shares yields what the node shares.
func (c *Client) Shares(ctx context.Context) iter.Seq2[node.ShareInfo, error] {
	return callShares.each(ctx, c, nothing{}, nil)
}

// Entries yields what is inside a CID or link.
func (c *Client) Entries(ctx context.Context, ref string) iter.Seq2[node.Entry, error] {
	return callEntries.each(ctx, c, ref, nil)
}

// Unshare stops sharing.
func (c *Client) Unshare(ctx context.Context, ref string) (node.ShareInfo, error) {
	return callUnshare.do(ctx, c, ref, nil, nil)
}

// Pins yields the pinned roots.
func (c *Client) Pins(ctx context.Context) iter.Seq2[node.Pin, error] {
	return callPins.each(ctx, c, nothing{}, nil)
}

// Pin fetches and keeps.
func (c *Client) Pin(ctx context.Context, ref string, progress func(node.Progress)) (node.Pin, error) {
	return callPin.do(ctx, c, ref, progress, nil)
}

// Unpin keeps no longer.
func (c *Client) Unpin(ctx context.Context, ref string) (node.Pin, error) {
	return callUnpin.do(ctx, c, ref, nil, nil)
}

// GC reclaims what nothing needs.
func (c *Client) GC(ctx context.Context, progress func(node.Progress)) (node.Reclaimed, error) {
	return callGC.do(ctx, c, nothing{}, progress, nil)
}

// Verify yields what is damaged, then a summary.
func (c *Client) Verify(ctx context.Context, progress func(node.Progress)) iter.Seq2[node.Verified, error] {
	return callVerify.each(ctx, c, nothing{}, progress)
}

// Ring asks for the node's view of its overlay.
func (c *Client) Ring(ctx context.Context) (node.Ring, error) {
	return callRing.do(ctx, c, nothing{}, nil, nil)
}

// Lookup finds the responsible nodes of a key.
func (c *Client) Lookup(ctx context.Context, req node.LookupRequest) (node.Lookup, error) {
	return callLookup.do(ctx, c, req, nil, nil)
}

// Providers yields who has the content.
func (c *Client) Providers(ctx context.Context, ref string) iter.Seq2[node.Provider, error] {
	return callProviders.each(ctx, c, ref, nil)
}

// Swarm tells of the transfers of a CID.
func (c *Client) Swarm(ctx context.Context, req node.SwarmRequest) (node.Swarm, error) {
	return callSwarm.do(ctx, c, req, nil, nil)
}

// Activity yields the node's traffic until ctx ends.
func (c *Client) Activity(ctx context.Context) iter.Seq2[node.Activity, error] {
	return callActivity.each(ctx, c, nothing{}, nil)
}

// Cat writes a file's bytes to w.
func (c *Client) Cat(ctx context.Context, req node.CatRequest, w io.Writer) error {
	return c.exchange(ctx, pathPrefix+callCat, req, func(body io.Reader) error {
		return readBlocks(body, w)
	})
}

// errStop ends an enumeration that nobody reads on.
var errStop = errors.New("stopped by the reader")

// each makes the call and yields its items. A break ends the call.
func (m method[Req, Item, Res]) each(ctx context.Context, c *Client, req Req, progress progressFunc) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		_, err := m.do(ctx, c, req, progress, func(it Item) error {
			if !yield(it, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			var zero Item
			yield(zero, err)
		}
	}
}

// do makes the call. Progress and items are given out on this goroutine.
func (m method[Req, Item, Res]) do(ctx context.Context, c *Client, req Req, progress progressFunc, item itemFunc[Item]) (res Res, err error) {
	err = c.exchange(ctx, m.path(), req, func(body io.Reader) error {
		r := bufio.NewReaderSize(body, 32<<10)
		for {
			f, err := readFrame(r)
			if err != nil {
				return err
			}
			switch {
			case f.Progress != nil && progress != nil:
				progress(*f.Progress)
			case f.Item != nil && item != nil:
				var it Item
				if err := json.Unmarshal(f.Item, &it); err != nil {
					return fmt.Errorf("%w: %w", errBadFrame, err)
				}
				if err := item(it); err != nil {
					return writeError{err}
				}
			case f.Result != nil:
				if err := json.Unmarshal(f.Result, &res); err != nil {
					return fmt.Errorf("%w: %w", errBadFrame, err)
				}
				return nil
			case f.Error != nil:
				return f.Error
			}
		}
	})
	return res, err
}

// exchange makes one request and lets read take the answer.
func (c *Client) exchange(ctx context.Context, path string, req any, read func(body io.Reader) error) error {
	b, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("api: %w", err)
	}
	if len(b) > maxRequest {
		return &node.Error{Kind: node.KindUsage, What: "an argument is too long"}
	}
	call, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := watch(c.watch, func() { cancel(ErrLost) })
	defer w.stop()

	r, err := http.NewRequestWithContext(call, http.MethodPost, "http://"+c.place.host()+path, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("api: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	c.place.authorize(r)
	resp, err := c.http.Do(r)
	if err != nil {
		return c.failed(ctx, call, err, false)
	}
	defer func() { _ = resp.Body.Close() }()
	w.heard()
	if resp.StatusCode != http.StatusOK {
		return c.refused(ctx, call, resp)
	}
	return c.failed(ctx, call, read(watched{resp.Body, w}), true)
}

// refused reads the one frame of an answer that is not OK.
func (c *Client) refused(ctx, call context.Context, resp *http.Response) error {
	f, err := readFrame(bufio.NewReader(io.LimitReader(resp.Body, maxRequest)))
	if err != nil || f.Error == nil {
		return c.failed(ctx, call, fmt.Errorf("%w: status %s", errBadFrame, resp.Status), true)
	}
	return f.Error
}

// failed is err as the caller is to see it. heard says whether the other side
// had begun to answer.
func (c *Client) failed(ctx, call context.Context, err error, heard bool) error {
	var told *node.Error
	var local writeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &local):
		return local.error
	case errors.As(err, &told):
		return told
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &node.Error{Kind: node.KindTimeout, What: "the daemon took too long", Err: ctx.Err()}
	case ctx.Err() != nil:
		return &node.Error{Kind: node.KindInterrupted, What: "interrupted", Err: ctx.Err()}
	case !heard && unheard(err):
		return ErrNoDaemon
	case errors.Is(context.Cause(call), ErrLost):
		err = fmt.Errorf("%w: it is silent", ErrLost)
	case errors.Is(err, errBadFrame):
	default:
		err = fmt.Errorf("%w: %w", ErrLost, err)
	}
	return &node.Error{
		Kind: node.KindFailed,
		What: "the process that runs the node did not finish the command",
		Why:  err.Error(),
		Try:  "the same command again; what came so far is kept",
		Err:  err,
	}
}

// unheard says whether a request failed before anyone can have read it: nobody
// listens, or the listener closed without a word.
func unheard(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" ||
		errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
