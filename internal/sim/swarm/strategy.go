package swarm

// Strategy is how a node plays. The zero Strategy is honest: it serves what it
// has by the swarm's rule, asks whom the tracker names, and tells the truth.
type Strategy struct {
	// Name tells strategies apart; "" is honest.
	Name string
	// Mute nodes serve nothing, though they say what they have.
	Mute bool
	// Claims nodes say that they have everything, and answer nothing.
	Claims bool
	// Uplink is the share of its link that the node gives: 0 means all.
	Uplink float64
	// Seeds nodes ask only those who began complete.
	Seeds bool
	// Everyone nodes connect to the whole swarm, not to what the tracker names.
	Everyone bool
	// Streams are opened to each holder: 0 means 1.
	Streams int
	// Identities nodes come back as somebody else, from the same household, as
	// soon as they are not served: so many times, at each holder. 0: never.
	Identities int
	// Collude nodes vouch for each other without having received anything.
	Collude bool
	// Tyrant nodes give as little as keeps others giving (BitTyrant).
	Tyrant bool
}

// Honest reports whether the node plays by the rules.
func (s Strategy) Honest() bool { return s.Name == "" }

// Attacks are the strategies that the rules are measured against.
func Attacks() []Strategy {
	return []Strategy{
		{Name: "free rider", Mute: true},
		{Name: "many connections", Mute: true, Streams: 4},
		{Name: "large view", Mute: true, Everyone: true},
		{Name: "whitewasher", Mute: true, Identities: 32},
		{Name: "false vouchers", Mute: true, Collude: true},
		{Name: "lying bitmap", Claims: true, Mute: true},
		{Name: "slow drip", Uplink: 1. / 50},
		{Name: "seed-only leech", Mute: true, Seeds: true},
		{Name: "BitTyrant", Tyrant: true, Everyone: true},
	}
}
