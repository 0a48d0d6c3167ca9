package transfer

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"ringswap/transfer/dag"
)

// rules are what a system makes of names.
type rules struct {
	windows  bool // reserved names and characters, backslashes separate
	foldCase bool // names that differ in case, or in how accents are encoded, are the same
}

// rulesOf are the rules of a system, by its GOOS.
func rulesOf(goos string) rules {
	return rules{
		windows:  goos == "windows",
		foldCase: goos == "windows" || goos == "darwin" || goos == "ios",
	}
}

// checkTree refuses, as ErrUnsafe, a manifest that cannot be kept under these
// rules without leaving the target or mixing up two of its entries.
func (r rules) checkTree(m *dag.Manifest) error {
	depth := make([]int, len(m.Entries)) // folders above, the root not counted
	seen := make(map[folded]string)
	for i, e := range m.Entries {
		if i > 0 {
			depth[i] = depth[e.Parent] + 1
			if err := r.checkName(e.Name); err != nil {
				return fmt.Errorf("%q: %w", m.Path(i), err)
			}
		}
		if r.foldCase && i > 0 {
			key := folded{e.Parent, fold(e.Name)}
			if other, ok := seen[key]; ok {
				return fmt.Errorf("%q: %w: %q is the same name here", m.Path(i), ErrUnsafe, other)
			}
			seen[key] = e.Name
		}
		if e.Kind == dag.Symlink {
			if err := r.checkLink(e.Target, depth[i]-1); err != nil {
				return fmt.Errorf("%q: %w", m.Path(i), err)
			}
		}
	}
	return nil
}

type folded struct {
	parent int
	name   string
}

// fold maps names that a case-insensitive file system takes for the same to the
// same string.
func fold(name string) string {
	return norm.NFC.String(strings.ToLower(strings.ToUpper(norm.NFC.String(name))))
}

// checkName refuses what cannot be one name in one folder.
func (r rules) checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%w: %q is not a name", ErrUnsafe, name)
	}
	if !r.windows {
		return nil
	}
	if i := strings.IndexFunc(name, func(c rune) bool { return c < 32 || strings.ContainsRune(`<>:"\|?*`, c) }); i >= 0 {
		return fmt.Errorf("%w: Windows allows no %q in a name", ErrUnsafe, name[i])
	}
	if last := name[len(name)-1]; last == '.' || last == ' ' {
		return fmt.Errorf("%w: Windows drops the %q at the end of a name", ErrUnsafe, last)
	}
	stem, _, _ := strings.Cut(name, ".")
	if reserved(strings.ToUpper(strings.TrimRight(stem, " "))) {
		return fmt.Errorf("%w: Windows keeps the name %q for a device", ErrUnsafe, name)
	}
	return nil
}

// reserved reports whether Windows takes a name without extension for a device.
func reserved(stem string) bool {
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, ok := strings.CutPrefix(stem, "COM")
	if !ok {
		port, ok = strings.CutPrefix(stem, "LPT")
	}
	digit, size := utf8.DecodeRuneInString(port)
	return ok && size == len(port) && strings.ContainsRune("0123456789¹²³", digit)
}

// checkLink refuses the target of a symbolic link that may lead out of the
// tree. above is the number of folders of the tree between the link and its
// root; negative for a link that is itself the root.
//
// A target may go up first, no further than the root, and then down: after a
// name, "..", which would be resolved behind whatever that name links to, is
// refused. So by induction no chain of links leaves the tree.
func (r rules) checkLink(target string, above int) error {
	escapes := fmt.Errorf("%w: a symbolic link to %q, outside of what is fetched", ErrUnsafe, target)
	if r.windows {
		if strings.ContainsRune(target, ':') {
			return escapes
		}
		target = strings.ReplaceAll(target, `\`, "/")
	}
	if target == "" || path.IsAbs(target) || strings.ContainsRune(target, 0) || above < 0 {
		return escapes
	}
	down := false
	for name := range strings.SplitSeq(target, "/") {
		switch {
		case name == "" || name == ".":
		case name != "..":
			down = true
		case down:
			return escapes
		default:
			if above--; above < 0 {
				return escapes
			}
		}
	}
	return nil
}

// PlainName makes a file name out of one that a stranger proposes: the last
// element of a path, without control characters, not hidden, fit for every
// system. It is empty if nothing is left.
func PlainName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.In(c, unicode.Cf) || strings.ContainsRune(`<>:"|?*`, c) || c == unicode.ReplacementChar {
			return -1
		}
		return c
	}, name)
	name = strings.Trim(name, " .")
	for len(name) > maxPlainName {
		_, last := utf8.DecodeLastRuneInString(name)
		name = strings.TrimRight(name[:len(name)-last], " .")
	}
	if rulesOf("windows").checkName(name) != nil {
		return ""
	}
	return name
}

// maxPlainName leaves room for the endings of part files below the usual limit
// of 255 bytes.
const maxPlainName = 240
