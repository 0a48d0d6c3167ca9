package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// dirLock keeps a store to one process. The operating system gives it up when
// the process ends, however it ends.
type dirLock struct {
	fl   *flock.Flock
	note string // the file that says who holds it
}

// lockDir takes the lock of dir or returns a LockedError.
func lockDir(dir, owner string) (*dirLock, error) {
	l := &dirLock{fl: flock.New(filepath.Join(dir, "lock")), note: filepath.Join(dir, "lock.owner")}
	ok, err := l.fl.TryLock()
	if err != nil {
		return nil, fmt.Errorf("store: lock %s: %w", dir, err)
	}
	if !ok {
		who, _ := os.ReadFile(l.note) // only for the message
		return nil, &LockedError{Dir: dir, Owner: strings.TrimSpace(string(who))}
	}
	host, _ := os.Hostname() // only for the message
	who := fmt.Sprintf("%s (process %d on %q, since %s)\n", owner, os.Getpid(), host, time.Now().Format(time.RFC3339))
	_ = os.WriteFile(l.note, []byte(who), 0o600) // only for others' messages
	return l, nil
}

func (l *dirLock) unlock() error {
	_ = os.Remove(l.note) // before the lock is free for the next one
	return l.fl.Close()
}
