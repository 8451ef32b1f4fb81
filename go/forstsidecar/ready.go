package forstsidecar

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
)

const reservedPrefix = "/.forst/"

// readiness is the body of GET /.forst/ready.
type readiness struct {
	Status string `json:"status"` // "ready" or "draining"
	PID    int    `json:"pid"`
	Build  string `json:"build"`
	Nonce  string `json:"nonce,omitempty"`
}

// readyFirst answers the paths reserved for the Python side before the author's
// handler sees them.
func readyFirst(isDraining func() bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasPrefix(r.URL.Path, reservedPrefix):
			next.ServeHTTP(w, r)
		case r.URL.Path == reservedPrefix+"ready":
			answerReady(w, r, isDraining())
		default:
			WriteError(w, r, &HTTPError{Status: http.StatusNotFound})
		}
	})
}

func answerReady(w http.ResponseWriter, r *http.Request, draining bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header := http.Header{"Allow": {"GET, HEAD"}}
		WriteError(w, r, &HTTPError{Status: http.StatusMethodNotAllowed, Header: header})
		return
	}
	status, text := http.StatusOK, "ready"
	if draining {
		status, text = http.StatusServiceUnavailable, "draining"
	}
	WriteJSON(w, status, readiness{text, os.Getpid(), BuildID(), identityNonce()})
}

// BuildID names the program: the revision it was built from, or, where the build
// recorded none or the checkout was dirty, a hash of the executable.
var BuildID = sync.OnceValue(func() string {
	if revision := vcsRevision(); revision != "" {
		return revision
	}
	return executableHash()
})

func vcsRevision() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	settings := map[string]string{}
	for _, setting := range build.Settings {
		settings[setting.Key] = setting.Value
	}
	if settings["vcs.modified"] == "true" {
		return ""
	}
	return settings["vcs.revision"]
}

func executableHash() string {
	path, err := os.Executable()
	if err != nil {
		return "unknown"
	}
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "unknown"
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))[:16]
}
