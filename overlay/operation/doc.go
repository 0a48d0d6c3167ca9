// Package operation keeps count of what a machine is about: the operations of the
// local user that run ([Table]), of which a search for providers is half the same
// in every overlay ([Search]), and what the machine does by itself
// ([Background]). It is pure, as machines are: nothing here waits or knows the
// time.
//
// Start reading at [Table].
package operation
