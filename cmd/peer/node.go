package main

import (
	"context"

	"ringswap/internal/node"
)

// openNode starts a node in this process.
func openNode(ctx context.Context, cfg node.Config) (localNode, error) { return node.Open(ctx, cfg) }

// computeCID computes the CID of a path without any node.
func computeCID(ctx context.Context, path string, hidden bool, progress func(node.Progress)) (node.Shared, error) {
	return node.ComputeCID(ctx, path, hidden, progress)
}
