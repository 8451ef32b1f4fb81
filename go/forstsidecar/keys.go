package forstsidecar

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// leastSecret is how many bytes a secret must have: as many as the digest has
// (RFC 2104, section 3).
const leastSecret = 32

// processKeys are the keys that identities are verified with: of the secret that
// the Python side handed over at the start, and of those that FORST_SECRET or the
// file named by FORST_SECRET_FILE holds, one a line.
//
// What is wrong with the latter two is an error at the start of [Serve]; here they
// then count for nothing.
var processKeys = sync.OnceValue(func() keyring {
	secrets, _ := namedSecrets()
	if secret := bootSecret(); len(secret) >= leastSecret {
		secrets = append(secrets, secret)
	}
	return newKeyring(secrets)
})

// loadKeys makes the keys before the first request, and before anything else could
// inherit the descriptor that one of the secrets comes through.
func loadKeys() error {
	_, err := namedSecrets()
	processKeys()
	return err
}

// namedSecrets returns the secrets that the environment names. They are for a
// sidecar that was not started by the Python side.
func namedSecrets() ([][]byte, error) {
	where, text := "FORST_SECRET", os.Getenv("FORST_SECRET")
	if path := os.Getenv("FORST_SECRET_FILE"); path != "" {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("FORST_SECRET_FILE=%q: %w", path, err)
		}
		where, text = fmt.Sprintf("FORST_SECRET_FILE=%q", path), string(content)
	} else if text == "" {
		return nil, nil
	}
	return readSecrets(where, text)
}

// readSecrets takes one secret a line; blank lines are skipped. The error does not
// tell the secret.
func readSecrets(where, text string) ([][]byte, error) {
	var secrets [][]byte
	for _, line := range strings.Split(text, "\n") {
		switch secret := strings.TrimSpace(line); {
		case secret == "":
		case len(secret) < leastSecret:
			return nil, fmt.Errorf("%s: secret %d has %d bytes, expected at least %d", where, len(secrets)+1, len(secret), leastSecret)
		default:
			secrets = append(secrets, []byte(secret))
		}
	}
	if secrets == nil {
		return nil, fmt.Errorf("%s: is empty, expected a secret of at least %d bytes", where, leastSecret)
	}
	return secrets, nil
}
