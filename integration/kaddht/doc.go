// Package kaddht holds this project's Kademlia nodes against those of
// go-libp2p-kad-dht, over real libp2p hosts on loopback: they must find each
// other's nodes, records and values in both directions, write the same bytes,
// and ours must need fewer requests for a lookup. It has nothing but tests, and
// is a module of its own because of the other implementation's dependencies.
package kaddht
