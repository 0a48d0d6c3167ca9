package steer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
)

// MaxFile bounds the encoded form of a plan, in bytes.
const MaxFile = 256 << 20

// ErrDamaged is wrapped by Decode's errors.
var ErrDamaged = errors.New("it is damaged")

const fileVersion = 1

// file is the encoded form: JSON, so that a user can read it.
type file struct {
	Version  int              `json:"version"`
	Settings Settings         `json:"settings"`
	Queue    []fileTask       `json:"queue,omitempty"`
	Roots    map[string]*Root `json:"roots,omitempty"`
}

type fileTask struct {
	Cid string `json:"cid"`
	Task
}

// Encode is the plan without its brief tasks.
func (p *Plan) Encode() ([]byte, error) {
	f := file{Version: fileVersion, Settings: p.settings, Roots: make(map[string]*Root, len(p.roots))}
	for root, r := range p.roots {
		f.Roots[root.String()] = r
	}
	for _, t := range p.tasks {
		if !t.Brief {
			f.Queue = append(f.Queue, fileTask{t.Root.String(), *t})
		}
	}
	b, err := json.MarshalIndent(f, "", "\t")
	return append(b, '\n'), err
}

// Decode is the opposite of [Plan.Encode]. It takes nothing of what is not as
// Encode writes it: the error then wraps ErrDamaged.
func Decode(b []byte) (*Plan, error) {
	if len(b) > MaxFile {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrDamaged, len(b))
	}
	var f file
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if f.Version != fileVersion {
		return nil, fmt.Errorf("%w: version %d", ErrDamaged, f.Version)
	}
	p := New()
	p.settings = f.Settings
	if err := f.Settings.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if len(f.Roots) > MaxRoots || len(f.Queue) > MaxTasks {
		return nil, fmt.Errorf("%w: %d roots, %d transfers", ErrDamaged, len(f.Roots), len(f.Queue))
	}
	for text, r := range f.Roots {
		root, err := cid.Decode(text)
		if err == nil && r == nil {
			err = errors.New("nothing is kept of it")
		} else if err == nil {
			err = r.validate()
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrDamaged, text, err)
		}
		p.roots[root] = r
	}
	for _, t := range f.Queue {
		root, err := cid.Decode(t.Cid)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if !filepath.IsAbs(t.Path) || t.Wait < 0 || t.Tries < 0 || t.Done < 0 || t.Size < t.Done {
			return nil, fmt.Errorf("%w: a transfer to %q", ErrDamaged, t.Path)
		}
		t.Root = root
		if _, _, err := p.Add(t.Task); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return p, nil
}

// Roots lists the roots for which something is kept, in the order of their CIDs'
// text.
func (p *Plan) Roots() []cid.Cid {
	out := make([]cid.Cid, 0, len(p.roots))
	for root := range p.roots {
		out = append(out, root)
	}
	slices.SortFunc(out, func(a, b cid.Cid) int { return strings.Compare(a.KeyString(), b.KeyString()) })
	return out
}
