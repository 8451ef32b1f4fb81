package forstsidecar

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

type contextKey int

const (
	exchangeKey contextKey = iota
	requestKey
	identityKey
)

// exchange is what the server knows of one request from its arrival on.
type exchange struct {
	logger  *slog.Logger
	arrived time.Time
}

// withLogger begins an exchange; what is logged in it ties the line to the
// request: the id that the Python side logs under too, and the trace.
func withLogger(r *http.Request, logger *slog.Logger) *http.Request {
	begun := &exchange{
		logger: logger.With(
			slog.String("request_id", r.Header.Get("X-Request-Id")),
			slog.String("traceparent", r.Header.Get("Traceparent")),
		),
		arrived: time.Now(),
	}
	return r.WithContext(context.WithValue(r.Context(), exchangeKey, begun))
}

// Logger returns a logger whose lines carry request_id and traceparent of the
// request behind the context, as those of the Python side do. For another context
// it is [slog.Default].
func Logger(ctx context.Context) *slog.Logger {
	if begun, ok := ctx.Value(exchangeKey).(*exchange); ok {
		return begun.logger
	}
	return slog.Default()
}

// arrival is when the request behind the context came in; now, for another context.
func arrival(ctx context.Context) time.Time {
	if begun, ok := ctx.Value(exchangeKey).(*exchange); ok {
		return begun.arrived
	}
	return time.Now()
}

// logFailure writes one line that ties a failure to its request. The query stays
// out of it: it may hold secrets.
func logFailure(r *http.Request, message string, more ...any) {
	Logger(r.Context()).With(slog.String("method", r.Method), slog.String("path", r.URL.Path)).
		ErrorContext(r.Context(), message, more...)
}
