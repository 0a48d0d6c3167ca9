package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// What a node remembers of the peers it routed through, so that it finds its
// network again without a bootstrap node, and the other half of one that was
// cut in two. Nothing of it cannot be lost.
const (
	// maxRemembered bounds the peers, and maxContactsFile the bytes read back.
	maxRemembered   = 256
	maxContactsFile = 4 << 20
	// rememberFor is how long a peer that is not met again is remembered.
	rememberFor = 30 * 24 * time.Hour
	// seedsAtOnce is how many of them a machine is given at a time.
	seedsAtOnce = 32
)

// remembered is a peer of the routing state, now or in an earlier run.
type remembered struct {
	Peer peer.AddrInfo
	Seen time.Time // when it was last in the routing state
}

// contactsFile is the file's content.
type contactsFile struct {
	Network string // with the overlay, see memory
	Peers   []remembered
}

// contacts are the remembered peers, those that were seen last first.
type contacts struct {
	path string

	mu   sync.Mutex
	file contactsFile
}

// loadContacts reads what earlier runs remembered of this network.
// What cannot be read costs only its content: the result is usable beside the
// error.
func loadContacts(path, of string) (*contacts, error) {
	c := &contacts{path: path, file: contactsFile{Network: of}}
	text, err := readBounded(path, maxContactsFile)
	var old contactsFile
	if err == nil {
		err = json.Unmarshal(text, &old)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, nil
	case err != nil:
		return c, fmt.Errorf("the peers of earlier runs cannot be read from %s: %w", path, err)
	case old.Network == of:
		c.file.Peers = old.Peers
		c.tidy(time.Now())
	}
	return c, nil
}

// remember takes the peers of the routing state, which were met just now.
func (c *contacts) remember(now time.Time, met []overlay.Contact) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := make([]remembered, 0, len(met)+len(c.file.Peers))
	for _, m := range met {
		fresh = append(fresh, remembered{Peer: m.AddrInfo(), Seen: now.UTC().Truncate(time.Second)})
	}
	c.file.Peers = append(fresh, c.file.Peers...)
	c.tidy(now)
}

// tidy keeps each peer once, and no more than is wanted. c.mu is held, or nobody
// else knows of c.
func (c *contacts) tidy(now time.Time) {
	known := make(map[peer.ID]bool)
	c.file.Peers = slices.DeleteFunc(c.file.Peers, func(r remembered) bool {
		drop := known[r.Peer.ID] || r.Peer.ID.Validate() != nil || len(r.Peer.Addrs) == 0 || now.Sub(r.Seen) > rememberFor
		known[r.Peer.ID] = true
		return drop
	})
	slices.SortStableFunc(c.file.Peers, func(a, b remembered) int { return b.Seen.Compare(a.Seen) })
	c.file.Peers = c.file.Peers[:min(len(c.file.Peers), maxRemembered)]
}

// seeds are some of them: half those that were seen last, half any.
func (c *contacts) seeds() (seeds []overlay.Contact) {
	c.mu.Lock()
	list := slices.Clone(c.file.Peers)
	c.mu.Unlock()
	if rest := list[min(len(list), seedsAtOnce/2):]; len(rest) > 0 {
		rand.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	}
	for _, r := range list[:min(len(list), seedsAtOnce)] {
		seeds = append(seeds, overlay.NewContact(r.Peer.ID, r.Peer.Addrs...))
	}
	return seeds
}

// save replaces the file. A node that never met anyone leaves none.
func (c *contacts) save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.file.Peers) == 0 {
		return nil
	}
	return replaceFile(c.path, func(w io.Writer) error { return json.NewEncoder(w).Encode(c.file) })
}

// readBounded reads a file of at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return text, err
}
