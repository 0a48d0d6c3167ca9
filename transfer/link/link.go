// Package link reads and writes the links by which people hand each other
// content: a CID with a name and with hints where to find it.
//
//	peer:CID/PATH?name=NAME&at=MULTIADDR&tracker=URL
//
// The format is docs/wire.md, section Links. Start reading at [Parse].
package link

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// ErrSyntax is returned for what is neither a link nor a CID.
var ErrSyntax = errors.New("not a link or CID")

// Bounds of a link.
const (
	MaxBytes    = 8 << 10 // of the whole link
	MaxName     = 255     // bytes of the name
	MaxAt       = 32      // addresses
	MaxTrackers = 8
	maxCid      = 512 // characters of a CID, in any base
	maxPath     = 4096
)

const scheme = "peer"

// Link is content and what its sender says about it. All but the CID are
// hints of a stranger.
type Link struct {
	Cid      cid.Cid
	Path     string         // of what is meant below the CID: plain names, with slashes between; empty: all of it
	Name     string         // of the file or folder; may be empty, and is not safe as a path
	At       []ma.Multiaddr // where peers that have it may be reached; each ends in /p2p/ID
	Trackers []string       // http or https URLs, or multiaddrs
}

// Parse reads a link, or a bare CID in any version and base, or one written as
// ipfs://CID or /ipfs/CID, each with a path behind it or without. Space around it
// is ignored. All errors are ErrSyntax.
func Parse(s string) (Link, error) {
	l, err := parse(strings.TrimSpace(s))
	if err != nil {
		return Link{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return l, nil
}

func parse(s string) (Link, error) {
	if len(s) > MaxBytes {
		return Link{}, fmt.Errorf("%d bytes, at most %d are allowed", len(s), MaxBytes)
	}
	if rest, ok := cutPrefixFold(s, scheme+":"); ok {
		return parsePeer(rest)
	}
	rest, ok := cutPrefixFold(s, "ipfs://")
	if ok {
		return parsePlace(rest, true)
	}
	rest, _ = strings.CutPrefix(s, "/ipfs/")
	return parsePlace(rest, false)
}

// parsePlace reads a CID and the path behind it, which may be percent-encoded.
func parsePlace(s string, escaped bool) (l Link, err error) {
	if l.Cid, err = parseCid(strings.TrimSuffix(s, "/")); err == nil {
		return l, nil // base64 has slashes too
	}
	id, path, _ := strings.Cut(s, "/")
	if l.Cid, err = parseCid(id); err != nil {
		return Link{}, err
	}
	if escaped {
		if path, err = url.PathUnescape(path); err != nil {
			return Link{}, err
		}
	}
	l.Path = strings.TrimSuffix(path, "/")
	return l, checkPath(l.Path)
}

// checkPath refuses what leads nowhere below a CID.
func checkPath(path string) error {
	if path == "" {
		return nil
	}
	if len(path) > maxPath || strings.Contains(path, "\x00") {
		return errors.New("a path that is too long, or has a zero in it")
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." {
			return fmt.Errorf("a path with the name %q in it", name)
		}
	}
	return nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func parseCid(s string) (cid.Cid, error) {
	switch {
	case s == "":
		return cid.Undef, errors.New("the CID is missing")
	case len(s) > maxCid:
		return cid.Undef, fmt.Errorf("a CID of %d characters", len(s))
	}
	c, err := cid.Decode(s)
	if err != nil {
		return cid.Undef, err
	}
	return c, nil
}

// parsePeer reads what follows "peer:".
func parsePeer(s string) (l Link, err error) {
	id, query, more := strings.Cut(s, "?")
	if l, err = parsePlace(id, true); err != nil {
		return Link{}, err
	}
	if !more {
		return l, nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		key, escaped, ok := strings.Cut(pair, "=")
		if !ok {
			return Link{}, fmt.Errorf("%q has no value", pair)
		}
		value, err := url.PathUnescape(escaped) // unlike in forms, + is itself
		if err != nil {
			return Link{}, err
		}
		if err := l.add(key, value); err != nil {
			return Link{}, err
		}
	}
	return l, l.Validate()
}

// add takes one key. Unknown ones are refused: they may say something without
// which the content is of no use.
func (l *Link) add(key, value string) error {
	switch key {
	case "name":
		if l.Name != "" || value == "" {
			return errors.New("an empty name, or a second one")
		}
		l.Name = value
	case "at":
		addr, err := ma.NewMultiaddr(value)
		if err != nil {
			return err
		}
		l.At = append(l.At, addr)
	case "tracker":
		l.Trackers = append(l.Trackers, value)
	default:
		return fmt.Errorf("unknown key %q: the link may be for a newer version", key)
	}
	return nil
}

// Validate reports what Parse would refuse of the link.
func (l Link) Validate() error {
	switch {
	case !l.Cid.Defined():
		return errors.New("the CID is missing")
	case len(l.Name) > MaxName || !utf8.ValidString(l.Name) || strings.ContainsFunc(l.Name, unicode.IsControl):
		return fmt.Errorf("the name %.300q is too long or unprintable", l.Name)
	case len(l.At) > MaxAt:
		return fmt.Errorf("%d addresses, at most %d are allowed", len(l.At), MaxAt)
	case len(l.Trackers) > MaxTrackers:
		return fmt.Errorf("%d trackers, at most %d are allowed", len(l.Trackers), MaxTrackers)
	}
	if err := checkPath(l.Path); err != nil {
		return err
	}
	for _, a := range l.At {
		if _, err := peer.AddrInfoFromP2pAddr(a); err != nil {
			return fmt.Errorf("at %s: %w", a, err)
		}
	}
	for _, t := range l.Trackers {
		if err := checkTracker(t); err != nil {
			return err
		}
	}
	return nil
}

func checkTracker(t string) error {
	if strings.HasPrefix(t, "/") {
		a, err := ma.NewMultiaddr(t)
		if err == nil {
			_, err = peer.AddrInfoFromP2pAddr(a)
		}
		return err
	}
	u, err := url.Parse(t)
	switch {
	case err != nil:
		return err
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil, u.Fragment != "":
		return fmt.Errorf("tracker %q: neither a multiaddr nor a plain http or https URL", t)
	}
	return nil
}

// String writes the link so that Parse reads the same from it. Links that
// Validate accepts may still be longer than MaxBytes; Fit shortens them.
func (l Link) String() string {
	var b strings.Builder
	b.WriteString(scheme + ":" + l.Cid.String())
	if l.Path != "" {
		b.WriteString("/" + escape(l.Path))
	}
	next := byte('?')
	put := func(key, value string) {
		b.WriteByte(next)
		next = '&'
		b.WriteString(key + "=" + escape(value))
	}
	if l.Name != "" {
		put("name", l.Name)
	}
	for _, a := range l.At {
		put("at", a.String())
	}
	for _, t := range l.Trackers {
		put("tracker", t)
	}
	return b.String()
}

// Fit returns the link without what is beyond the bounds: an unusable name, the
// last addresses and trackers.
func (l Link) Fit() Link {
	if (Link{Cid: l.Cid, Name: l.Name}).Validate() != nil {
		l.Name = ""
	}
	l.At = l.At[:min(len(l.At), MaxAt)]
	l.Trackers = l.Trackers[:min(len(l.Trackers), MaxTrackers)]
	for len(l.String()) > MaxBytes && len(l.At) > 0 {
		l.At = l.At[:len(l.At)-1]
	}
	for len(l.String()) > MaxBytes && len(l.Trackers) > 0 {
		l.Trackers = l.Trackers[:len(l.Trackers)-1]
	}
	return l
}

// Peers are the peers that the link names, in its order, each with all its
// addresses.
func (l Link) Peers() []peer.AddrInfo {
	var out []peer.AddrInfo
	index := make(map[peer.ID]int)
	for _, a := range l.At {
		info, err := peer.AddrInfoFromP2pAddr(a)
		if err != nil {
			continue // Validate refuses such links
		}
		i, ok := index[info.ID]
		if !ok {
			i = len(out)
			index[info.ID] = i
			out = append(out, peer.AddrInfo{ID: info.ID})
		}
		out[i].Addrs = append(out[i].Addrs, info.Addrs...)
	}
	return out
}

// escape percent-encodes all but the characters that mean nothing in a link
// nor to its readers.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/:", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
