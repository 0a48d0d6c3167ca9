//go:build !linux

package main

import (
	"errors"
	"io"
	"os"
)

// begun reports whether any chunk of a file of random bytes is there.
func begun(f *os.File, size int64) (bool, error) {
	var b [16]byte
	for at := int64(0); at < size; at += 1 << 20 {
		if _, err := f.ReadAt(b[:], at); err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if b != [16]byte{} {
			return true, nil
		}
	}
	return false, nil
}
