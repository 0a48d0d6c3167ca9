// Package steer keeps what a user has set for a node and asked of it: limits, the
// queue of transfers and how many run at a time, what is paused, and when enough
// has been given back. It is pure: a [Plan] is told the time and what happened and
// says what should run; its owner does it, and writes [Plan.Encode] down so that
// all of it survives a restart.
//
// Start reading at [Plan].
package steer
