//go:build !unix

package p2p

import (
	"errors"
	"syscall"
)

// wsaeAddrInUse and wsaeAcces are what Windows Sockets report for a taken port;
// the second one if its holder asked for exclusive use.
const (
	wsaeAccess    = syscall.Errno(10013)
	wsaeAddrInUse = syscall.Errno(10048)
)

// portTaken reports whether err says that another socket has the port, as
// opposed to the system having no such address.
func portTaken(err error) bool {
	return errors.Is(err, wsaeAddrInUse) || errors.Is(err, wsaeAccess)
}
