package forstsidecar

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// maxSecret is more than any secret has; the pipe holds it without blocking.
const maxSecret = 4096

// bootSecret returns what the Python side signs with, or nil if it handed nothing
// over: a sidecar that was started by hand, say.
func bootSecret() []byte {
	secret, _ := takeSecret()
	return secret
}

// takeSecret reads the secret, once, from the descriptor that FORST_SECRET_FD
// names, and closes it. So it is never in the arguments, on disk, or in what
// children of this process inherit.
var takeSecret = sync.OnceValues(func() ([]byte, error) { return readSecret("FORST_SECRET_FD") })

func readSecret(variable string) ([]byte, error) {
	text := os.Getenv(variable)
	if text == "" {
		return nil, nil
	}
	os.Unsetenv(variable)
	fd, err := strconv.Atoi(text)
	if err != nil || fd < firstListenFD {
		return nil, fmt.Errorf("%s=%q: expected the number of an inherited file descriptor, 3 or above", variable, text)
	}
	syscall.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "secret")
	defer file.Close()
	secret, err := io.ReadAll(io.LimitReader(file, maxSecret))
	if err != nil {
		return nil, fmt.Errorf("%s=%q: cannot be read: %w", variable, text, err)
	}
	if len(secret) == 0 {
		return nil, fmt.Errorf("%s=%q: is empty", variable, text)
	}
	return secret, nil
}

// identityNonce is what the Python side gave to this very process, to be told
// apart from whoever else listens at its address.
var identityNonce = sync.OnceValue(func() string {
	nonce := os.Getenv("FORST_NONCE")
	os.Unsetenv("FORST_NONCE") // children are not this process
	return nonce
})
