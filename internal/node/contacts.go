package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// contactsFile is where a node keeps the peers it routed through, so that it
// finds its network again without a bootstrap node. It holds nothing that
// cannot be lost.
const contactsFile = "peers.json"

// maxContactsFile bounds what is read back, in bytes.
const maxContactsFile = 4 << 20

// loadContacts reads the peers of the last run. A missing file is no error, and
// a damaged one costs only its content.
func loadContacts(repo string) ([]overlay.Contact, error) {
	path := filepath.Join(repo, contactsFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxContactsFile {
		err = fmt.Errorf("%d bytes are too many", info.Size())
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	var infos []peer.AddrInfo
	if err == nil {
		err = json.Unmarshal(text, &infos)
	}
	if err != nil {
		return nil, fmt.Errorf("the peers of the last run cannot be read from %s: %w", path, err)
	}
	contacts := make([]overlay.Contact, 0, len(infos))
	for _, info := range infos {
		contacts = append(contacts, overlay.NewContact(info.ID, info.Addrs...))
	}
	return contacts, nil
}

// saveContacts replaces the file in one step.
func saveContacts(repo string, contacts []overlay.Contact) error {
	infos := make([]peer.AddrInfo, 0, len(contacts))
	for _, c := range contacts {
		infos = append(infos, c.AddrInfo())
	}
	text, err := json.Marshal(infos)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(repo, contactsFile+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(repo, contactsFile))
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}
