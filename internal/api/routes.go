package api

import (
	"context"
	"encoding/json"
	"iter"

	"ringswap/internal/node"
)

// The calls of node.Service, one line each. Both sides use this table, so they
// cannot disagree about a name or a type.
var (
	callIdentity    = plain("identity", node.Service.Identity)
	callStatus      = plain("status", node.Service.Status)
	callConnections = plain("connections", node.Service.Connections)
	callShare       = work("share", node.Service.Share)
	callGet         = work("get", node.Service.Get)
	callEnqueue     = ask("enqueue", node.Service.Enqueue)
	callTransfers   = list("transfers", node.Service.Transfers)
	callControl     = ask("control", node.Service.Control)
	callSettings    = ask("settings", node.Service.Settings)
	callShares      = list("shares", node.Service.Shares)
	callEntries     = listOf("entries", node.Service.Entries)
	callUnshare     = ask("unshare", node.Service.Unshare)
	callPins        = list("pins", node.Service.Pins)
	callPin         = work("pin", node.Service.Pin)
	callUnpin       = ask("unpin", node.Service.Unpin)
	callGC          = workAll("gc", node.Service.GC)
	callVerify      = listWork("verify", node.Service.Verify)
	callRing        = plain("ring", node.Service.Ring)
	callLookup      = ask("lookup", node.Service.Lookup)
	callProviders   = listOf("providers", node.Service.Providers)
	callSwarm       = ask("swarm", node.Service.Swarm)
	callActivity    = list("activity", node.Service.Activity)

	routes = []route{
		callIdentity, callStatus, callConnections, callShare, callGet,
		callEnqueue, callTransfers, callControl, callSettings, callShares, callEntries, callUnshare,
		callPins, callPin, callUnpin, callGC, callVerify, callRing, callLookup, callProviders, callSwarm, callActivity,
	}
)

// callCat is the one call that answers with bytes.
const callCat = "cat"

// nothing is the request, item or result of a call that has none.
type nothing struct{}

type (
	progressFunc    = func(node.Progress)
	itemFunc[T any] = func(T) error
)

// route is a method as the server sees it.
type route interface {
	path() string
	// serve decodes the request, runs the call and returns its encoded result.
	serve(ctx context.Context, s node.Service, body []byte, out *answer) (json.RawMessage, error)
}

// method is one call: a request, then any number of items, then a result.
type method[Req, Item, Res any] struct {
	name string
	run  func(ctx context.Context, s node.Service, req Req, progress progressFunc, item itemFunc[Item]) (Res, error)
}

func (m method[Req, Item, Res]) path() string { return pathPrefix + m.name }

func (m method[Req, Item, Res]) serve(ctx context.Context, s node.Service, body []byte, out *answer) (json.RawMessage, error) {
	var req Req
	if err := unmarshalStrict(body, &req); err != nil {
		return nil, badRequest(err, "the daemon does not understand the request %s", m.name)
	}
	res, err := m.run(ctx, s, req, out.progress, func(it Item) error {
		b, err := json.Marshal(it)
		if err != nil {
			return err
		}
		return out.frame(frame{Item: b})
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(res)
}

func plain[Res any](name string, f func(node.Service, context.Context) (Res, error)) method[nothing, nothing, Res] {
	return method[nothing, nothing, Res]{name, func(ctx context.Context, s node.Service, _ nothing, _ progressFunc, _ itemFunc[nothing]) (Res, error) {
		return f(s, ctx)
	}}
}

func ask[Req, Res any](name string, f func(node.Service, context.Context, Req) (Res, error)) method[Req, nothing, Res] {
	return method[Req, nothing, Res]{name, func(ctx context.Context, s node.Service, req Req, _ progressFunc, _ itemFunc[nothing]) (Res, error) {
		return f(s, ctx, req)
	}}
}

func work[Req, Res any](name string, f func(node.Service, context.Context, Req, func(node.Progress)) (Res, error)) method[Req, nothing, Res] {
	return method[Req, nothing, Res]{name, func(ctx context.Context, s node.Service, req Req, p progressFunc, _ itemFunc[nothing]) (Res, error) {
		return f(s, ctx, req, p)
	}}
}

func workAll[Res any](name string, f func(node.Service, context.Context, func(node.Progress)) (Res, error)) method[nothing, nothing, Res] {
	return method[nothing, nothing, Res]{name, func(ctx context.Context, s node.Service, _ nothing, p progressFunc, _ itemFunc[nothing]) (Res, error) {
		return f(s, ctx, p)
	}}
}

func list[Item any](name string, f func(node.Service, context.Context) iter.Seq2[Item, error]) method[nothing, Item, nothing] {
	return method[nothing, Item, nothing]{name, func(ctx context.Context, s node.Service, _ nothing, _ progressFunc, item itemFunc[Item]) (nothing, error) {
		return pour(ctx, f(s, ctx), item)
	}}
}

func listOf[Req, Item any](name string, f func(node.Service, context.Context, Req) iter.Seq2[Item, error]) method[Req, Item, nothing] {
	return method[Req, Item, nothing]{name, func(ctx context.Context, s node.Service, req Req, _ progressFunc, item itemFunc[Item]) (nothing, error) {
		return pour(ctx, f(s, ctx, req), item)
	}}
}

func listWork[Item any](name string, f func(node.Service, context.Context, func(node.Progress)) iter.Seq2[Item, error]) method[nothing, Item, nothing] {
	return method[nothing, Item, nothing]{name, func(ctx context.Context, s node.Service, _ nothing, p progressFunc, item itemFunc[Item]) (nothing, error) {
		return pour(ctx, f(s, ctx, p), item)
	}}
}

// pour gives every element to item until one of them fails. One that ctx may
// have cut short counts as failed.
func pour[Item any](ctx context.Context, seq iter.Seq2[Item, error], item itemFunc[Item]) (nothing, error) {
	for it, err := range seq {
		if err != nil {
			return nothing{}, err
		}
		if err := item(it); err != nil {
			return nothing{}, err
		}
	}
	return nothing{}, ctx.Err()
}
