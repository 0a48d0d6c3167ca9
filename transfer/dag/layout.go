package dag

// layout builds the balanced tree over a file's leaves, bottom up, while they
// come in: every leaf has the same depth, and every node but the last of its
// level has the full number of children. It holds one unfinished node a level.
type layout struct {
	width  int // children of a full node, at least 2
	emit   emitFunc
	levels [][]child
}

// add appends a leaf.
func (l *layout) add(leaf child) error { return l.addAt(0, leaf) }

// addAt appends a node at a height. A full node is only written when another
// sibling comes, so that a root never gets a parent with one child.
func (l *layout) addAt(height int, c child) error {
	if height == len(l.levels) {
		l.levels = append(l.levels, nil)
	}
	if len(l.levels[height]) == l.width {
		if err := l.flush(height); err != nil {
			return err
		}
	}
	l.levels[height] = append(l.levels[height], c)
	return nil
}

// flush writes the node over the collected children of a height.
func (l *layout) flush(height int) error {
	n, err := encodeFile(l.levels[height], l.emit)
	if err != nil {
		return err
	}
	l.levels[height] = l.levels[height][:0]
	return l.addAt(height+1, n)
}

// root writes what is unfinished and returns the root. There must be a leaf.
func (l *layout) root() (child, error) {
	for height := 0; ; height++ {
		if height == len(l.levels)-1 && len(l.levels[height]) == 1 {
			return l.levels[height][0], nil
		}
		if err := l.flush(height); err != nil {
			return child{}, err
		}
	}
}
