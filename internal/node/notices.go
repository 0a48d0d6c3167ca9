package node

import (
	"slices"
	"sync"
)

// maxNotices bounds what is kept to be shown.
const maxNotices = 32

// notices are what the user should know and no call failed for, the latest.
type notices struct {
	mu   sync.Mutex
	list []string
}

func (n *notices) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if slices.Contains(n.list, text) {
		return
	}
	n.list = append(n.list, text)
	if len(n.list) > maxNotices {
		n.list = n.list[1:]
	}
}

func (n *notices) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.list)
}
