package forstsidecar

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
)

// recoverPanics turns a panic into a 500, or into an aborted response if bytes
// were on their way already: a short body must not look complete.
// http.ErrAbortHandler passes through unlogged, as in net/http.
func recoverPanics(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tracked := &trackedWriter{ResponseWriter: w}
		r = withLogger(r, logger)
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause)
			default:
				answerPanic(tracked, r, cause)
			}
		}()
		next.ServeHTTP(tracked, r)
	})
}

func answerPanic(w *trackedWriter, r *http.Request, cause any) {
	logFailure(r, "panic in handler", slog.String("error", fmt.Sprint(cause)), slog.String("stack", string(debug.Stack())))
	if w.wrote {
		panic(http.ErrAbortHandler)
	}
	clear(w.Header())
	WriteError(w, r, &HTTPError{Status: http.StatusInternalServerError})
}

// trackedWriter knows whether a response has begun. It hands on what net/http's
// own writer can do besides, by method where handlers look for one and through
// Unwrap for http.ResponseController.
type trackedWriter struct {
	http.ResponseWriter
	wrote bool
}

func (w *trackedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *trackedWriter) WriteHeader(status int) {
	// 1xx other than 101 are not the response (RFC 9110, section 15.2).
	w.wrote = w.wrote || status >= 200 || status == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(status)
}

func (w *trackedWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

// ReadFrom keeps sendfile(2) within reach of io.Copy.
func (w *trackedWriter) ReadFrom(r io.Reader) (int64, error) {
	w.wrote = true
	return io.Copy(w.ResponseWriter, r)
}

func (w *trackedWriter) Flush() {
	w.wrote = true
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *trackedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.wrote = true
	return http.NewResponseController(w.ResponseWriter).Hijack()
}
