package store

// layer is index entries in memory, over those on disk: what was appended to
// the log and is not durable yet, so that the index on disk never runs ahead
// of the log.
type layer struct {
	kv map[string][]byte // nil: the entry is gone
	// files are the file ids of the locations in kv, by multihash, so that those
	// of one block are found without an order over kv.
	files map[string][]uint64
}

func newLayer() *layer {
	return &layer{kv: map[string][]byte{}, files: map[string][]uint64{}}
}

func (l *layer) set(key string, v []byte) {
	if _, ok := l.kv[key]; !ok && key[0] == keyBlock {
		if hash, file, ok := splitBlockKey(key); ok {
			l.files[hash] = append(l.files[hash], file)
		}
	}
	l.kv[key] = v
}

// absorb puts the newer layer over this one.
func (l *layer) absorb(newer *layer) {
	for k, v := range newer.kv {
		l.set(k, v)
	}
}
