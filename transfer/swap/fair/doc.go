// Package fair decides who is served next, and keeps the accounts that the
// decision rests on. It is pure: it has no clock, lock or source of randomness
// and is stepped by one owner, so a server on a laptop and a swarm in virtual
// time follow the same rule.
//
// Start reading at [Choker], the decision, [Credit], the rule that is used, and
// [Book], the accounts. vouch.go is how a seed, to which nobody gives anything,
// learns who gives; losing.go has the rules that were measured and not taken.
package fair
