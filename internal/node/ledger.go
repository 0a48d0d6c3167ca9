package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/fair"
)

// What a node remembers of who gave it how much, so that a peer which gave
// yesterday is no stranger today. Nothing of it cannot be lost.
const (
	// maxLedgerFile bounds the bytes read back: 4,096 accounts have half of that.
	maxLedgerFile = 1 << 20
	// creditHalves is the time in which what was given or taken comes to count
	// half: long enough for a holiday, not for a grudge.
	creditHalves = 30 * 24 * time.Hour
	// leastTraffic is what an account needs to be worth a line.
	leastTraffic = 64 << 10
)

var errLedgerDamaged = errors.New("it is damaged")

// ledgerFile is the file's content.
type ledgerFile struct {
	Network  string
	Saved    time.Time
	Sum      uint32 // CRC-32 (Castagnoli) of Accounts
	Accounts json.RawMessage
}

// savedAccount is one peer's account.
type savedAccount struct {
	Peer           peer.ID
	Sent, Received int64
}

// ledgerPath is where the accounts of a network are kept.
func ledgerPath(cfg Config) string { return filepath.Join(cfg.Repo, "ledger", cfg.Network+".json") }

// loadLedger restores the accounts that an earlier run left, aged by the time since
// then. A file that cannot be read costs its content, and the error says so.
func loadLedger(l *swap.Ledger, path, network string, now time.Time) error {
	text, err := readBounded(path, maxLedgerFile)
	var saved []savedAccount
	var f ledgerFile
	if err == nil {
		f, saved, err = parseLedger(text)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("who gave how much in earlier runs cannot be read from %s: %w", path, err)
	case f.Network != network:
		return nil
	}
	for _, a := range saved {
		l.Restore(a.Peer, fair.Account{Sent: a.Sent, Received: a.Received})
	}
	age := max(now.Sub(f.Saved), 0)
	l.Age(math.Exp2(-age.Hours() / creditHalves.Hours()))
	return nil
}

func parseLedger(text []byte) (f ledgerFile, saved []savedAccount, err error) {
	if err := json.Unmarshal(text, &f); err != nil {
		return f, nil, fmt.Errorf("%w: %w", errLedgerDamaged, err)
	}
	if crc32.Checksum(f.Accounts, crc32.MakeTable(crc32.Castagnoli)) != f.Sum {
		return f, nil, errLedgerDamaged
	}
	if err := json.Unmarshal(f.Accounts, &saved); err != nil {
		return f, nil, fmt.Errorf("%w: %w", errLedgerDamaged, err)
	}
	if len(saved) > fair.DefaultAccounts || slices.ContainsFunc(saved, func(a savedAccount) bool { return a.Peer.Validate() != nil }) {
		return f, nil, errLedgerDamaged
	}
	return f, saved, nil
}

// saveLedger replaces the file. A node that exchanged next to nothing leaves none.
func saveLedger(l *swap.Ledger, path, network string, now time.Time) error {
	saved := []savedAccount{}
	for p, a := range l.Accounts() {
		if a.Sent+max(a.Received, -a.Received) >= leastTraffic && p.Validate() == nil {
			saved = append(saved, savedAccount{p, a.Sent, a.Received})
		}
	}
	if len(saved) == 0 {
		return nil
	}
	slices.SortFunc(saved, func(a, b savedAccount) int { return strings.Compare(string(a.Peer), string(b.Peer)) })
	accounts, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	f := ledgerFile{
		Network: network, Saved: now.UTC().Truncate(time.Second),
		Sum: crc32.Checksum(accounts, crc32.MakeTable(crc32.Castagnoli)), Accounts: accounts,
	}
	return replaceFile(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(f) })
}

// recallLedger reads what the last run left of the accounts.
func (n *Node) recallLedger() {
	if err := loadLedger(n.meter.Ledger, ledgerPath(n.cfg), n.cfg.Network, time.Now()); err != nil {
		n.notices.add(err.Error())
		n.log.Warn("the accounts of earlier runs are not used", "err", err)
	}
}

// keepLedger writes the accounts down from time to time, until ctx ends.
func (n *Node) keepLedger(ctx context.Context) error {
	for wait := firstSave; pause(ctx, wait); wait = saveEvery {
		n.memorizeLedger()
	}
	return nil
}

func (n *Node) memorizeLedger() {
	if err := saveLedger(n.meter.Ledger, ledgerPath(n.cfg), n.cfg.Network, time.Now()); err != nil {
		n.notices.add("who gave how much could not be written down: " + err.Error())
		n.log.Warn("the accounts cannot be written down", "err", err)
	}
}
