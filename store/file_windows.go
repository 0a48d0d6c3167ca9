package store

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

func statFile(path string) (File, error) {
	f, err := openShared(path, windows.FILE_READ_ATTRIBUTES)
	if err != nil {
		return File{}, fileError(path, err)
	}
	defer f.Close()
	return statOpen(f, path)
}

func statOpen(f *os.File, path string) (File, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return File{}, fileError(path, err)
	}
	if info.FileAttributes&(windows.FILE_ATTRIBUTE_DIRECTORY|windows.FILE_ATTRIBUTE_DEVICE) != 0 {
		return File{}, notRegular(path)
	}
	return File{
		Path:    path,
		Size:    int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow),
		ModTime: info.LastWriteTime.Nanoseconds(),
		Inode:   uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow),
		Device:  uint64(info.VolumeSerialNumber),
	}, nil
}

func openForReading(path string) (*os.File, error) {
	return openShared(path, windows.GENERIC_READ)
}

// openShared opens a file so that its owner can still rename, replace and
// delete it.
func openShared(path string, access uint32) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(name, access,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
		nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

func isNotDir(err error) bool { return errors.Is(err, windows.ERROR_PATH_NOT_FOUND) }

func isDiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// syncDir is nothing here: the system keeps names in its own journal.
func syncDir(string) error { return nil }
