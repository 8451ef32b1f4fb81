package forstsidecar

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// firstListenFD is SD_LISTEN_FDS_START of sd_listen_fds(3).
const firstListenFD = 3

// maxSocketPath is what sun_path holds on every supported system (104 bytes on
// macOS, 108 on Linux), less the closing NUL.
const maxSocketPath = 103

// ListenError says why there is no listener: what was found in the environment
// and what was expected there.
type ListenError struct {
	// Source is the environment variable at fault.
	Source string
	// Value is what it held.
	Value string
	// Reason says what is wrong and what was expected.
	Reason string
	// Err is the cause, where the operating system named one.
	Err error
}

func (e *ListenError) Error() string {
	text := fmt.Sprintf("%s=%q: %s", e.Source, e.Value, e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *ListenError) Unwrap() error { return e.Err }

// Listen returns the listener that the environment names: an inherited one
// (LISTEN_FDS) before an address (FORST_LISTEN).
//
// LISTEN_PID may be absent, because a parent that forks and executes in one step
// does not know the number yet. If it is there and names another process, the
// inherited descriptors are not ours (sd_listen_fds(3)) and are ignored.
//
// The error is always a *[ListenError].
func Listen() (net.Listener, error) {
	if fds, ours := inheritedFDs(); ours {
		return listenInherited(fds)
	}
	value := os.Getenv("FORST_LISTEN")
	network, address, reason := parseListen(value)
	if reason != "" {
		return nil, &ListenError{Source: "FORST_LISTEN", Value: value, Reason: reason}
	}
	if network == "unix" {
		return listenUnix(value, address)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &ListenError{Source: "FORST_LISTEN", Value: value, Reason: "cannot listen", Err: err}
	}
	return listener, nil
}

func inheritedFDs() (string, bool) {
	fds, pid := os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID")
	return fds, fds != "" && (pid == "" || pid == strconv.Itoa(os.Getpid()))
}

func listenInherited(fds string) (net.Listener, error) {
	if fds != "1" {
		return nil, &ListenError{Source: "LISTEN_FDS", Value: fds, Reason: "expected 1: one listener, as file descriptor 3"}
	}
	// Children must not believe that the descriptor is theirs.
	for _, name := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	syscall.CloseOnExec(firstListenFD)
	file := os.NewFile(firstListenFD, "LISTEN_FD_3")
	defer file.Close() // FileListener works on a duplicate
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, &ListenError{Source: "LISTEN_FDS", Value: fds, Reason: "file descriptor 3 is not a listening socket", Err: err}
	}
	return listener, nil
}

// parseListen splits the value of FORST_LISTEN; reason is empty if it is good.
func parseListen(value string) (network, address, reason string) {
	const expected = "expected unix:/path/to.sock, tcp:127.0.0.1:9000 or 127.0.0.1:9000"
	switch {
	case value == "":
		return "", "", "no listener given: " + expected
	case strings.HasPrefix(value, "unix:"):
		network, address = "unix", strings.TrimPrefix(value, "unix:")
	default:
		network, address = "tcp", strings.TrimPrefix(value, "tcp:")
	}
	if network == "unix" {
		return network, address, badSocketPath(address)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", expected
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", fmt.Sprintf("bad port %q: expected a number from 0 to 65535", port)
	} else {
		return network, net.JoinHostPort(hostOf(address), strconv.FormatUint(number, 10)), ""
	}
}

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address)
	return host
}

func badSocketPath(path string) string {
	if path == "" {
		return "empty socket path: expected unix:/path/to.sock"
	}
	if len(path) > maxSocketPath {
		return fmt.Sprintf("socket path of %d bytes: at most %d fit into a socket address", len(path), maxSocketPath)
	}
	return ""
}

// listenUnix creates the socket with mode 0600. What lies at the path already is
// replaced only if it is a socket that nobody listens on.
func listenUnix(value, path string) (net.Listener, error) {
	if reason, err := clearStale(path); reason != "" {
		return nil, &ListenError{Source: "FORST_LISTEN", Value: value, Reason: reason, Err: err}
	}
	// A chmod after the bind would leave a moment in which others can connect.
	// The mask belongs to the whole process; nothing else runs this early.
	old := syscall.Umask(0o177)
	listener, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, &ListenError{Source: "FORST_LISTEN", Value: value, Reason: "cannot listen", Err: err}
	}
	return newOwnSocket(listener.(*net.UnixListener), path)
}

func clearStale(path string) (string, error) {
	found, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "cannot look at the path", err
	}
	if found.Mode().Type() != fs.ModeSocket {
		return "the path exists and is not a socket; remove it or choose another", nil
	}
	return removeIfRefused(path)
}

func removeIfRefused(path string) (string, error) {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return "another process listens on this socket", nil
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return "cannot tell whether the socket is in use", err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "cannot remove the stale socket", err
	}
	return "", nil
}

// ownSocket removes its file when it closes, but only if the file is still its
// own: a successor may have put a new one at the same path.
type ownSocket struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

func newOwnSocket(listener *net.UnixListener, path string) (net.Listener, error) {
	listener.SetUnlinkOnClose(false)
	file, err := os.Lstat(path)
	if err != nil {
		listener.Close()
		return nil, &ListenError{Source: "FORST_LISTEN", Value: "unix:" + path, Reason: "the socket vanished", Err: err}
	}
	return &ownSocket{UnixListener: listener, path: path, file: file}, nil
}

func (s *ownSocket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.file) {
		os.Remove(s.path)
	}
	return s.UnixListener.Close()
}
