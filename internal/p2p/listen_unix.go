//go:build unix

package p2p

import (
	"errors"
	"syscall"
)

// portTaken reports whether err says that another socket has the port, as
// opposed to the system having no such address.
func portTaken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
