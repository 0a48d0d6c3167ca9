package main

import (
	"context"
	"errors"

	"ringswap/internal/node"
)

// openNode starts a node in this process.
func openNode(context.Context, node.Config) (localNode, error) {
	return nil, errors.New("this build has no node")
}

// computeCID computes the CID of a path without any node.
func computeCID(context.Context, string, bool, func(node.Progress)) (node.Shared, error) {
	return node.Shared{}, errors.New("this build has no node")
}
