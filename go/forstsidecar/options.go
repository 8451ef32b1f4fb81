package forstsidecar

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"
)

const (
	defaultGrace  = 8 * time.Second
	lifelineGrace = 500 * time.Millisecond
	// afterCancel is how long handlers have, once their contexts are cancelled,
	// to write a last line and return.
	afterCancel = 250 * time.Millisecond
)

// Options change what [Serve] and [Run] do. The zero value is the default.
type Options struct {
	// Grace is how long a drain may take. Zero means FORST_GRACE, else 8 seconds.
	Grace time.Duration
	// MaxBodyBytes limits every request body; reading on gives an
	// *http.MaxBytesError, which [WriteError] answers with 413. Zero means no limit.
	MaxBodyBytes int64
	// Checks are asked, by name, for GET /.forst/health; without any it says that
	// the program runs.
	Checks map[string]Check
	// Logger takes what the server has to say. Nil means JSON lines on standard
	// error, which the Python side reads.
	Logger *slog.Logger
}

// complete fills in the defaults; FORST_GRACE must be a positive duration.
func (o Options) complete() (Options, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
		if text := os.Getenv("FORST_GRACE"); text != "" {
			grace, err := time.ParseDuration(text)
			if err != nil || grace <= 0 {
				return o, fmt.Errorf("FORST_GRACE=%q: expected a positive duration such as 8s or 500ms", text)
			}
			o.Grace = grace
		}
	}
	return o, nil
}

// newServer has limits on what a client can hold open, but none on how long a
// response may take: streams are legitimate.
func newServer(handler http.Handler, o Options) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelError),
	}
}
