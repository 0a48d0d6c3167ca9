// Package dag turns files and folders into UnixFS DAGs and back: the CIDs are
// those that Kubo computes under its profile unixfs-v1-2025 (IPIP-499).
//
// [Import] hashes a path in place, with all cores and reading every byte once,
// and tells a [Sink] what it found: the internal nodes as blocks, the chunks as
// references into the files. [Build] goes the other way: from a root CID and a
// [Blocks] source it makes a [Manifest], the list of entries and chunks with
// the places where each chunk belongs. [List] only looks into one folder.
//
// Everything that comes from a block source is hostile until proven otherwise:
// a Manifest is bounded by [Limits] and internally consistent, and its names
// are plain names, though not yet safe ones for every file system (package
// transfer decides that).
//
// The codec of nodes is boxo's, behind encode.go and decode.go. None of boxo's
// process-wide settings are read or written, but for the field order of
// dag-pb, which is left at its canonical default.
//
// Start reading at [Import] and [Build].
package dag
