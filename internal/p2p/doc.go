// Package p2p is the node's place in the network: one libp2p host, set up for a
// laptop, and the adapter that carries an overlay machine's messages over its
// streams.
//
// Start reading at [New], which builds a [Host] from a [Config]: transports,
// security, multiplexing, limits, identity and address policy are decided
// there, each with its reason. [Transport] implements overlay.Transport on such
// a host for one protocol and tells the machine, through [Transport.Watch],
// which peers answer that protocol and at which addresses this node is known.
// [Discovery] finds peers of the same network on the local link with multicast
// DNS, and [Host.Conns] lists the connections for people.
//
// The package knows no overlay protocol and no file: it moves bytes.
package p2p
