package operation

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// Search is the part of a FindProviders that is the same in every overlay: it
// shows each provider once, with an address if anybody knows one, and ends when
// there are as many as were wanted.
type Search struct {
	table *Table
	id    overlay.OpID
	limit int
	shown map[peer.ID]bool
	bare  []*overlay.Contact // offered without an address so far
}

// NewSearch begins a search for at most limit providers, 0 or less meaning all.
// The operation of that number must be in the table, which it is ended through.
func NewSearch(t *Table, id overlay.OpID, limit int) Search {
	return Search{table: t, id: id, limit: limit, shown: make(map[peer.ID]bool)}
}

// Offer shows a provider unless it was shown before. One without addresses is
// held back: another node may know where it is. Offer reports whether that was
// the last one wanted; then the operation has been stopped.
func (s *Search) Offer(c *overlay.Contact) (enough bool) {
	switch {
	case c.Peer == "" || s.shown[c.Peer]:
		return false
	case len(c.Addrs) == 0:
		s.bare = append(s.bare, c)
		return false
	}
	return s.Show(c)
}

// Show is like Offer, for a provider that needs no address.
func (s *Search) Show(c *overlay.Contact) (enough bool) {
	if c.Peer == "" || s.shown[c.Peer] {
		return false
	}
	s.shown[c.Peer] = true
	s.table.Emit(overlay.Found{Op: s.id, Provider: *c})
	if s.limit > 0 && len(s.shown) == s.limit {
		s.table.Interrupt(s.id, nil)
		return true
	}
	return false
}

// End ends the operation after everyone was asked: with what was held back, and
// with err if no provider was found, or ErrNotFound if that is nil.
func (s *Search) End(res overlay.Result, err error) {
	for _, c := range s.bare {
		if s.Show(c) {
			return
		}
	}
	if len(s.shown) > 0 {
		err = nil
	} else if err == nil {
		err = overlay.ErrNotFound
	}
	s.table.Finish(s.id, res, err)
}
