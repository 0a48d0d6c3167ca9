package store

import "context"

// Sync makes everything durable that was added or removed before the call:
// it survives kill -9 and power loss. Calls that come together share one fsync.
func (s *Store) Sync(ctx context.Context) error {
	if err := s.life.enter(); err != nil {
		return err
	}
	defer s.life.calls.Done()
	return s.flush(ctx)
}

// flush is Sync inside the store. The caller holds no lock.
func (s *Store) flush(ctx context.Context) error {
	s.writing.Lock()
	want := s.log.end
	s.writing.Unlock()
	if err := s.takeTurn(ctx); err != nil {
		return err
	}
	defer s.endTurn()
	if s.log.failure() == nil && logPos(s.log.durable.Load()) >= want {
		return nil // another's fsync covered it
	}
	return s.persist()
}

// flushAll is flush that also brings the index up to date.
func (s *Store) flushAll(ctx context.Context) error {
	if err := s.takeTurn(ctx); err != nil {
		return err
	}
	defer s.endTurn()
	return s.persist()
}

func (s *Store) takeTurn(ctx context.Context) error {
	select {
	case s.syncing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Store) endTurn() { <-s.syncing }

// persist makes the log durable, and then commits to the index what it says.
// The caller has the sync turn.
func (s *Store) persist() error {
	s.writing.Lock()
	t, pos, out := s.t.Load(), s.log.end, s.log.out
	t.seal(pos, s.log.numbers())
	s.log.appended.Store(0)
	s.writing.Unlock()
	if err := s.log.sync(pos, out); err != nil {
		return err
	}
	s.writing.Lock()
	s.log.marked = false // the next record may say how far the log is durable
	s.writing.Unlock()
	if err := t.commit(); err != nil && !indexTrouble(err) {
		return err // the log has it all: a damaged index loses nothing
	}
	return nil
}
