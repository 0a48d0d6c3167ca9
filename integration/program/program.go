// Package program builds the program that whole-system tests and measurements
// run.
package program

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Build makes the peer binary in a folder and returns its path. It must be
// called somewhere inside the module.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "peer")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "ringswap/cmd/peer")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building peer: %w", err)
	}
	return binary, nil
}

// LookAtSources makes the result of a test depend on what the program is made
// of: go test, which remembers results, sees only which files a test looks at.
// Root is the path of the module.
func LookAtSources(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"), d.Name() == "go.sum":
			_, err = os.Stat(path)
		}
		return err
	})
}
