package chord

// rules are switches that bring back rules of the published protocol that Zave
// found wrong. They exist to show that the checks of this package notice; see
// [Mistake].
type rules struct {
	mistake Mistake
}

// Mistake is a rule of the published protocol, or of nobody's, that breaks the
// ring.
type Mistake uint8

// The mistakes.
const (
	// NoMistake is the protocol as it should be.
	NoMistake Mistake = iota
	// AdoptDead takes a successor's predecessor for the only successor without
	// making sure that it lives (the published stabilize).
	AdoptDead
	// KeepList does not take over the successor's list when the first successor
	// changes (the published join and stabilize leave that to a later time).
	KeepList
	// JoinBare joins with the successor alone instead of with its predecessor's
	// whole list (the published join).
	JoinBare
)

// Misbehave makes machines of cfg follow a mistaken rule. It is for tests of
// the checks: nothing else may call it.
func Misbehave(cfg *Config, m Mistake) { cfg.rules.mistake = m }
