// Command peer shares files with other people's laptops by CID: a Kademlia
// node, the swap and the store behind one command line. Start reading at
// newApp, the list of commands; there is one file for each. What they have in
// common is the session: the node of a running daemon, or one of their own.
package main

import (
	"context"
	"io"
	"os"
	"time"

	"ringswap/internal/node"
)

// program is what the commands need of the world.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// open starts a node in this process. The caller closes it.
	open func(context.Context, node.Config) (localNode, error)
	// computeCID computes the CID of a path without any node.
	computeCID func(ctx context.Context, path string, hidden bool, progress func(node.Progress)) (node.Shared, error)
	// self is the path of this program.
	self func() (string, error)
	// lockWait is how long to wait for a repo that another process has.
	lockWait time.Duration
}

// localNode is a node in this process.
type localNode interface {
	node.Service
	io.Closer
}

func main() {
	p := &program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		open: openNode, computeCID: computeCID, self: os.Executable, lockWait: defaultLockWait,
	}
	ctx, stop := untilSignal(context.Background(), os.Stderr)
	code := p.run(ctx, os.Args)
	stop()
	os.Exit(code)
}
