package operation

// Background runs what a machine does by itself, a few tasks at a time. Limit
// must be set.
type Background struct {
	// Limit is the most tasks that run at a time.
	Limit int

	running int
	queue   []func(done func())
	closed  bool
}

// Do runs the task now, or when others are done, in the order in which they came.
// The task must call done once, at its end.
func (b *Background) Do(task func(done func())) {
	if !b.closed {
		b.queue = append(b.queue, task)
		b.next()
	}
}

func (b *Background) next() {
	for b.running < b.Limit && len(b.queue) > 0 {
		task := b.queue[0]
		b.queue[0] = nil
		b.queue = b.queue[1:]
		if len(b.queue) == 0 {
			b.queue = nil
		}
		b.running++
		task(func() {
			b.running--
			b.next()
		})
	}
}

// Close drops the tasks that wait, and every later one.
func (b *Background) Close() { b.queue, b.closed = nil, true }
