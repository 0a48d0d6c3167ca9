// Package node is the composition root: the only place where the overlay, the
// store, the swap and the host meet, and where their lifetimes begin and end.
//
// Start at [Node], or at [Service], which is all that a user can ask of it.
package node
