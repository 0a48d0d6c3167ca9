package pick

// Availability returns, for each of so many chunks, how many of the peers have it,
// and the indexes of the chunks that are under way, in no order. Peers that count
// the chunks otherwise are left out.
func (k *Picker) Availability(chunks int) (peers []uint16, active []int) {
	peers = make([]uint16, chunks)
	complete := uint16(len(k.peers) - k.partials)
	for i := range peers {
		peers[i] = complete
		if len(k.rarity) == chunks {
			peers[i] += k.rarity[i]
		}
	}
	for _, b := range k.active {
		if b.job.chunks && b.key.Index < chunks {
			active = append(active, b.key.Index)
		}
	}
	return peers, active
}
