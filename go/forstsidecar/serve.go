package forstsidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// ConfigError wraps what is wrong with the environment that the program was
// started in. [Run] exits with status 2 on it.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

func (e *ConfigError) Unwrap() error { return e.Err }

// Run serves the handler as [Serve] does and then ends the program: with status
// 0 after a drain, 2 if the environment is missing or bad, 1 on anything else.
func Run(handler http.Handler) { RunWith(handler, Options{}) }

// RunWith is [Run] with options.
func RunWith(handler http.Handler, o Options) {
	err := ServeWith(handler, o)
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "forstsidecar:", err)
	var config *ConfigError
	if errors.As(err, &config) {
		os.Exit(2)
	}
	os.Exit(1)
}

// Serve serves the handler on the listener that the environment names (see the
// package documentation) until SIGTERM, SIGINT or the end of the lifeline, then
// drains and returns nil. A second signal ends the drain at once.
//
// It returns a *[ConfigError] if the environment is missing or bad.
func Serve(handler http.Handler) error { return ServeWith(handler, Options{}) }

// ServeWith is [Serve] with options.
func ServeWith(handler http.Handler, o Options) error {
	o, err := o.complete()
	if err != nil {
		return &ConfigError{err}
	}
	lifeline, err := openLifeline()
	if err != nil {
		return &ConfigError{err}
	}
	identityNonce() // taken now, so that no child inherits it
	if _, err := takeSecret(); err != nil {
		return &ConfigError{err}
	}
	if err := loadKeys(); err != nil {
		return &ConfigError{err}
	}
	listener, err := Listen()
	if err != nil {
		return &ConfigError{err}
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	return newSidecar(handler, o, lifeline, signals).serve(listener)
}

// sidecar is one running server and the two things that can stop it.
type sidecar struct {
	server   *http.Server
	grace    time.Duration
	traffic  *traffic
	cancel   context.CancelFunc // cancels the contexts of all requests
	lifeline <-chan struct{}
	signals  <-chan os.Signal
}

func newSidecar(handler http.Handler, o Options, lifeline <-chan struct{}, signals <-chan os.Signal) *sidecar {
	traffic := newTraffic()
	counted := traffic.count(limitBodies(o.MaxBodyBytes, recoverPanics(o.Logger, handler)))
	server := newServer(healthFirst(o.Checks, o.Logger, readyFirst(traffic.isDraining, counted)), o)
	base, cancel := context.WithCancel(context.Background())
	server.BaseContext = func(net.Listener) context.Context { return base }
	return &sidecar{server, o.Grace, traffic, cancel, lifeline, signals}
}

func (s *sidecar) serve(listener net.Listener) error {
	defer s.cancel()
	failed := make(chan error, 1)
	go func() { failed <- s.server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving stopped: %w", err)
	case <-s.signals:
		s.drain(listener, s.grace)
	case <-s.lifeline:
		s.drain(listener, min(s.grace, lifelineGrace))
	}
	return nil
}

// drain lets requests in flight finish within the grace, and those that still
// come over connections made before. What is left then has its context cancelled,
// a moment to notice, and the connection closed.
func (s *sidecar) drain(listener net.Listener, grace time.Duration) {
	drained := s.traffic.drain() // before the listener closes: whoever sees that finds us draining
	listener.Close()
	ctx, stop := context.WithTimeout(context.Background(), grace)
	defer stop()
	go s.hurry(ctx, stop)
	select {
	case <-drained:
	case <-ctx.Done():
	}
	if s.server.Shutdown(ctx) == nil {
		return
	}
	s.cancel()
	last, stopLast := context.WithTimeout(context.Background(), afterCancel)
	defer stopLast()
	if s.server.Shutdown(last) != nil {
		s.server.Close()
	}
}

// hurry cuts a drain short: at once on a second signal, soon when the parent is gone.
func (s *sidecar) hurry(ctx context.Context, stop context.CancelFunc) {
	select {
	case <-ctx.Done():
	case <-s.signals:
		stop()
	case <-s.lifeline:
		timer := time.AfterFunc(lifelineGrace, stop)
		defer timer.Stop()
		<-ctx.Done()
	}
}

func limitBodies(limit int64, next http.Handler) http.Handler {
	if limit <= 0 {
		return next
	}
	return http.MaxBytesHandler(next, limit)
}
