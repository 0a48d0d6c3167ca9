// Package experiment holds what ringswap's measuring programs measure: each
// type is one of them, with its flags, its run and its report. The programs
// under scripts/ only name one, and scripts/figures runs them all.
//
// What is measured is always the code that ships: the machines of packages
// chord and kademlia, stepped by internal/sim in virtual time or by the real
// driver over loopback. Published values that stand beside ours are in
// papers.go, formulas in theory.go.
//
// Everything a run depends on is in its flags; the same flags give the same
// numbers, except for real nodes and for what is measured in seconds or bytes
// of this machine.
package experiment
