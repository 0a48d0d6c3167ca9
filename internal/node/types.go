package node

import (
	"context"
	"io"
	"iter"
	"time"
)

// Service is all that a user can ask of a node. *Node is one in this process;
// the client of package api is one in another. Both give the same errors (see
// [Error]). A context that ends interrupts the call and leaves everything sound
// and resumable.
//
// A progress function is called from one goroutine at a time, several times a
// second, and may be nil.
type Service interface {
	Identity(ctx context.Context) (Identity, error)
	Status(ctx context.Context) (Status, error)
	Connections(ctx context.Context) ([]Connection, error)

	// Share hashes the file or folder in place, records it and announces it.
	Share(ctx context.Context, req ShareRequest, progress func(Progress)) (Shared, error)
	// Get fetches what a CID or link names and writes it under a path.
	Get(ctx context.Context, req GetRequest, progress func(Progress)) (Got, error)
	// Cat writes a file's bytes to w in order, as they arrive.
	Cat(ctx context.Context, req CatRequest, w io.Writer) error

	// Enqueue puts a transfer into the queue, which goes on without the caller, over
	// restarts of the daemon, until it is done or cancelled.
	Enqueue(ctx context.Context, req GetRequest) (Transfer, error)
	// Transfers yields what is fetched or waits for it, then what is here whole.
	Transfers(ctx context.Context) iter.Seq2[Transfer, error]
	// Control pauses, resumes, cancels or limits one of them, or all, and returns
	// how they stand then.
	Control(ctx context.Context, req ControlRequest) ([]Transfer, error)
	// Settings changes what is set for the node and returns what holds then.
	Settings(ctx context.Context, change SettingsChange) (Settings, error)

	// Shares yields what this node shares.
	Shares(ctx context.Context) iter.Seq2[ShareInfo, error]
	// Entries yields what is inside a CID or link.
	Entries(ctx context.Context, ref string) iter.Seq2[Entry, error]
	// Unshare stops sharing; the user's files are never touched.
	Unshare(ctx context.Context, ref string) (ShareInfo, error)

	Pins(ctx context.Context) iter.Seq2[Pin, error]
	// Pin fetches and keeps everything under the CID until Unpin.
	Pin(ctx context.Context, ref string, progress func(Progress)) (Pin, error)
	Unpin(ctx context.Context, ref string) (Pin, error)
	// GC reclaims what nothing shared or pinned reaches.
	GC(ctx context.Context, progress func(Progress)) (Reclaimed, error)
	// Verify re-hashes everything and yields what is damaged, then one summary
	// with an empty Path.
	Verify(ctx context.Context, progress func(Progress)) iter.Seq2[Verified, error]

	// Ring is the node's view of its overlay.
	Ring(ctx context.Context) (Ring, error)
	// Lookup finds the responsible nodes of a CID, a peer ID, a hexadecimal ID
	// of the keyspace's pre-image, or any other text as a raw key.
	Lookup(ctx context.Context, req LookupRequest) (Lookup, error)
	// Providers yields who has the content, and which source said so.
	Providers(ctx context.Context, ref string) iter.Seq2[Provider, error]
	// Swarm tells of the transfers of a CID that are running now.
	Swarm(ctx context.Context, req SwarmRequest) (Swarm, error)
	// Activity yields the node's traffic about once a second until ctx ends.
	Activity(ctx context.Context) iter.Seq2[Activity, error]
}

// Identity is who this node is and where it is reached.
type Identity struct {
	ID      string   `json:"id"`
	Addrs   []string `json:"addrs"` // with the /p2p suffix, ready to be pasted
	Overlay string   `json:"overlay"`
	Network string   `json:"network"`
	Version string   `json:"version"`
}

// Status is the node's health at a glance.
type Status struct {
	Identity
	UptimeSeconds float64 `json:"uptime_seconds"`
	Peers         int     `json:"peers"`          // connected
	TablePeers    int     `json:"table_peers"`    // in the overlay's routing table
	OverlayServer bool    `json:"overlay_server"` // answers lookups of others
	// Refused counts the overlay messages that were not accepted, by the reason.
	Refused      map[string]uint64 `json:"refused,omitempty"`
	Reachability string            `json:"reachability"`  // unknown, public or private
	Why          []string          `json:"why,omitempty"` // what that verdict rests on
	Shares       int               `json:"shares"`
	SharedBytes  int64             `json:"shared_bytes"`
	OwnedBytes   int64             `json:"owned_bytes"` // on disk in the repo
	Transfers    int               `json:"transfers"`   // downloads running
	Waiting      int               `json:"waiting"`     // transfers that do not run: queued, paused, failed
	Settings     Settings          `json:"settings"`    // limits and goals in force
	BytesIn      int64             `json:"bytes_in"`
	BytesOut     int64             `json:"bytes_out"`
	RateIn       float64           `json:"rate_in"` // bytes a second
	RateOut      float64           `json:"rate_out"`
	Repo         string            `json:"repo"`
	Notices      []string          `json:"notices,omitempty"` // what the user should know, in plain words
}

// Connection is one connection to another node.
type Connection struct {
	ID        string  `json:"id"`
	Addr      string  `json:"addr"`
	Direction string  `json:"direction"` // inbound or outbound
	Path      string  `json:"path"`      // direct or relay
	Transport string  `json:"transport"`
	Seconds   float64 `json:"seconds"` // how long it has been open
	RTT       float64 `json:"rtt_ms"`  // 0 if not measured yet
	Streams   int     `json:"streams"` // open now
	Overlay   bool    `json:"overlay"` // answers lookups of this network
	LAN       bool    `json:"lan"`     // found by mDNS
	Agent     string  `json:"agent"`   // what it says it is
}

// Progress is how far a long operation has come.
type Progress struct {
	// Phase is hashing, announcing, queued, paused, finding, fetching, finishing,
	// sweeping or verifying.
	Phase string `json:"phase"`
	Name  string `json:"name,omitempty"`
	Done  int64  `json:"done"`  // bytes
	Total int64  `json:"total"` // bytes, 0 while unknown
	Peers int    `json:"peers"` // that send to us
	// Note is something a person should be told once, such as that no provider
	// has been found yet.
	Note string `json:"note,omitempty"`
}

// ShareRequest asks to share one path.
type ShareRequest struct {
	Path   string `json:"path"` // absolute
	Hidden bool   `json:"hidden,omitempty"`
	// Replicas is the number of responsible nodes that are to hold copies; 0
	// means none.
	Replicas int `json:"replicas,omitempty"`
}

// Shared is what became of one shared path.
type Shared struct {
	Cid    string `json:"cid"`
	Link   string `json:"link"`
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes of all files
	Chunks int    `json:"chunks"`
	// Announced is the number of nodes that took the announcement.
	Announced int `json:"announced"`
	// Warning is why nobody did, if that is for the user to mend.
	Warning string `json:"warning,omitempty"`

	Replicas        *int `json:"replicas,omitempty"`
	Acked           *int `json:"acked,omitempty"`            // chunk copies acknowledged
	UnderReplicated *int `json:"under_replicated,omitempty"` // chunks with fewer copies than asked
}

// GetRequest asks for what a CID or link names.
type GetRequest struct {
	Ref string `json:"ref"` // CID or link
	// Path is the absolute path of the result: a folder that exists takes it
	// under its own name.
	Path  string `json:"path"`
	Force bool   `json:"force,omitempty"` // replace another file at that place
	// InOrder fetches from the beginning to the end, so that the part file can be
	// read while it grows; otherwise what is rare comes first.
	InOrder bool `json:"in_order,omitempty"`
	// Limit is bytes a second for this CID until it is here or the command ends; 0
	// means what is set.
	Limit int64 `json:"limit,omitempty"`
	// Wait is how long to look for a provider before giving up with not found;
	// 0 means the default of 60 seconds.
	Wait time.Duration `json:"wait,omitempty"`
}

// Got is what a Get came to.
type Got struct {
	Cid     string    `json:"cid"`
	Path    string    `json:"path"`
	Size    int64     `json:"size"`
	Seconds float64   `json:"seconds"`
	Peers   []GotPeer `json:"peers"`
	// Resumed is the number of bytes that were there already.
	Resumed int64 `json:"resumed"`
}

// GotPeer is what one peer contributed.
type GotPeer struct {
	ID    string `json:"id"`
	Bytes int64  `json:"bytes"`
	Path  string `json:"path"` // direct or relay
}

// CatRequest asks for a range of a file.
type CatRequest struct {
	Ref    string        `json:"ref"`
	Offset int64         `json:"offset,omitempty"`
	Length int64         `json:"length"` // -1: to the end
	Wait   time.Duration `json:"wait,omitempty"`
}

// ShareInfo is one thing that this node shares.
type ShareInfo struct {
	Cid    string    `json:"cid"`
	Name   string    `json:"name"`
	Path   string    `json:"path"`
	Size   int64     `json:"size"`
	Chunks int       `json:"chunks"`
	Added  time.Time `json:"added"`
	Pinned bool      `json:"pinned"`
	Link   string    `json:"link"`
}

// Entry is one name inside a CID.
type Entry struct {
	Path string `json:"path"` // with slashes, relative to the root; empty for a root that is a file
	Type string `json:"type"` // file, dir or symlink
	Cid  string `json:"cid"`
	Size int64  `json:"size"`
	Link string `json:"target,omitempty"` // of a symlink
}

// Pin is one pinned root.
type Pin struct {
	Cid string `json:"cid"`
}

// Reclaimed is what a GC came to.
type Reclaimed struct {
	Blocks int   `json:"blocks"`
	Bytes  int64 `json:"bytes"`
}

// Verified is one thing that is damaged, or without a Path the summary.
type Verified struct {
	Cid    string `json:"cid,omitempty"`  // of the block; empty if a whole file is
	Path   string `json:"path,omitempty"` // the file, or the pack of the store
	Offset int64  `json:"offset,omitempty"`
	Why    string `json:"why,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"` // of the summary: hashed
	Bad    int    `json:"bad"`             // of the summary: how much is damaged
}

// LookupRequest asks for the responsible nodes of a key.
type LookupRequest struct {
	Key   string `json:"key"`
	Trace bool   `json:"trace,omitempty"`
}

// Lookup is the course and the result of a lookup.
type Lookup struct {
	Overlay string      `json:"overlay"`
	Key     string      `json:"key"` // the place in the keyspace, hexadecimal
	Closest []PeerAddrs `json:"closest"`
	Hops    int         `json:"hops"`
	RPCs    int         `json:"rpcs"`
	MS      float64     `json:"ms"`
	// Recursive says that the nodes on the way passed the lookup on by themselves;
	// what the trace tells beyond the first hop is then their word.
	Recursive bool         `json:"recursive,omitempty"`
	Trace     []LookupStep `json:"trace,omitempty"`
}

// PeerAddrs names a node.
type PeerAddrs struct {
	ID    string   `json:"id"`
	Addrs []string `json:"addrs"`
}

// LookupStep is one request of a lookup.
type LookupStep struct {
	ID  string `json:"id"`
	Hop int    `json:"hop"`
	Via int    `json:"via"` // index in the trace of the answer that named it, -1: known before
	// Distance is how far the key was from there as the overlay measures it: the
	// length of that number in bits, 0 to 256. Share is the same distance as a
	// share of the keyspace, 0 to 1.
	Distance int     `json:"distance"`
	Share    float64 `json:"share"`
	// Past says that the node stands behind the key on the ring, so that it is
	// one of the key's successors; the distance is then the way back to the key.
	Past    bool    `json:"past,omitempty"`
	MS      float64 `json:"ms"`      // round trip
	SentMS  float64 `json:"sent_ms"` // since the lookup's start
	Learned int     `json:"learned"` // contacts that were new
	Error   string  `json:"error,omitempty"`
}

// Provider is one node that has the content.
type Provider struct {
	ID     string   `json:"id"`
	Addrs  []string `json:"addrs"`
	Source string   `json:"source"` // link, lan, overlay or self
}

// Activity is the node's traffic at a moment.
type Activity struct {
	Peers    int     `json:"peers"`    // connected
	Serving  int     `json:"serving"`  // peers with open requests to us
	Fetching int     `json:"fetching"` // transfers of ours
	RateIn   float64 `json:"rate_in"`
	RateOut  float64 `json:"rate_out"`
	BytesIn  int64   `json:"bytes_in"`
	BytesOut int64   `json:"bytes_out"`
}
