package node

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/overlay/record"
)

// How often what the overlay knows is written down: soon after the start, so
// that a node which is not stopped in good order remembers somebody, and then
// from time to time.
const (
	firstSave = 10 * time.Second
	saveEvery = 5 * time.Minute
)

// memory is what a repo remembers of an overlay between two runs. There is one
// for each overlay and network, so that a repo can be run on another one and
// come back.
type memory struct {
	records  string // path of the file
	label    string // overlay/network, inside the files: names of files may ignore case
	contacts *contacts
}

// openMemory reads what earlier runs left. What is damaged is left out, and the
// errors say so; the result is usable beside them.
func openMemory(cfg Config) (memory, record.Snapshot, error) {
	base := filepath.Join(cfg.Repo, "overlay", cfg.Overlay+"-"+cfg.Network)
	m := memory{records: base + ".records", label: cfg.Overlay + "/" + cfg.Network}
	var bad error
	m.contacts, bad = loadContacts(base+".peers.json", m.label)
	kept, err := loadRecords(m.records, m.label)
	return m, kept, errors.Join(bad, err)
}

// recall gives the overlay what the last run kept, before its first step.
func (n *Node) recall() {
	m, kept, err := openMemory(n.cfg)
	if err != nil {
		n.notices.add(err.Error())
		n.log.Warn("some of what earlier runs left is not used", "err", err)
	}
	n.net.memory = m
	if count := len(kept.Providers) + len(kept.Values); count > 0 {
		taken := n.net.overlay.Restore(time.Now(), kept)
		n.log.Info("records of the last run", "kept", count, "taken", taken)
	}
}

// keepMemory writes down what the overlay knows, until ctx ends.
func (n *Node) keepMemory(ctx context.Context) error {
	for wait := firstSave; pause(ctx, wait); wait = saveEvery {
		var met []overlay.Contact
		var kept record.Snapshot
		if n.net.inspect(ctx, func(o routing) { met, kept = o.Contacts(), o.Snapshot() }) == nil {
			n.memorize(met, kept)
		}
	}
	return nil
}

// memorize writes down whom the overlay knows and what it keeps.
func (n *Node) memorize(met []overlay.Contact, kept record.Snapshot) {
	m := &n.net.memory
	m.contacts.remember(time.Now(), met)
	err := errors.Join(m.contacts.save(), saveRecords(m.records, m.label, kept))
	if err != nil {
		n.notices.add("what this node knows of the network could not be written down: " + err.Error())
		n.log.Warn("what the overlay knows cannot be written down", "err", err)
	}
}

// join enters the overlay through the bootstrap nodes and the peers of earlier
// runs: at first until somebody answers, then now and again.
func (n *Node) join(ctx context.Context) error {
	boot, err := peer.AddrInfosFromP2pAddrs(n.cfg.Bootstrap...)
	if err != nil {
		return err
	}
	wait := time.Second
	for {
		if seeds := n.seeds(boot); len(seeds) > 0 {
			if err := n.net.driver.Notify(ctx, overlay.Join{Seeds: seeds}); err != nil {
				return nil // the node is closing
			}
		}
		if !pause(ctx, wait) {
			return nil
		}
		wait = min(2*wait, time.Minute)
		if n.entries(ctx) > 0 {
			wait = n.net.overlay.rejoin()
		}
	}
}
