package forstsidecar

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
)

// openLifeline returns a channel that closes when the parent is gone, or nil
// (which blocks for ever) if the environment names no lifeline.
//
// The parent holds the write end of a pipe and never writes. However it dies,
// the kernel closes that end, and the read end here reports its end of file.
func openLifeline() (<-chan struct{}, error) {
	text := os.Getenv("FORST_LIFELINE")
	if text == "" {
		return nil, nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < firstListenFD {
		return nil, fmt.Errorf("FORST_LIFELINE=%q: expected the number of an inherited file descriptor, 3 or above", text)
	}
	var found syscall.Stat_t
	if err := syscall.Fstat(fd, &found); err != nil {
		return nil, fmt.Errorf("FORST_LIFELINE=%q: not an open file descriptor: %w", text, err)
	}
	// A child that inherited either would outlive the parent's death unnoticed.
	os.Unsetenv("FORST_LIFELINE")
	syscall.CloseOnExec(fd)
	return watch(os.NewFile(uintptr(fd), "lifeline")), nil
}

func watch(pipe io.Reader) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		// An error means as much as the end: nobody can tell us anything any more.
		_, _ = io.Copy(io.Discard, pipe)
	}()
	return gone
}
