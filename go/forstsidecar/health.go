package forstsidecar

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// healthPatience is how long one check may take.
const healthPatience = 2 * time.Second

// Check says whether something that the program depends on is well: a database, a
// disk. It has two seconds; nil means that all is well.
type Check func(context.Context) error

// health is the body of GET /.forst/health.
type health struct {
	Status string            `json:"status"` // "healthy" or "unhealthy"
	Build  string            `json:"build"`
	Checks map[string]string `json:"checks"` // "ok" or "failed", by name
}

// healthFirst answers GET /.forst/health: 200 if all checks pass, 503 if not. The
// path says who may ask (nobody from outside: it is not one of the routes), but not
// what is wrong; that stands in the log.
func healthFirst(checks map[string]Check, logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != reservedPrefix+"health" || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		found := examine(r.Context(), checks, logger)
		status := http.StatusOK
		if found.Status != "healthy" {
			status = http.StatusServiceUnavailable
		}
		WriteJSON(w, status, found)
	})
}

func examine(ctx context.Context, checks map[string]Check, logger *slog.Logger) health {
	ctx, stop := context.WithTimeout(ctx, healthPatience)
	defer stop()
	type finding struct {
		name string
		err  error
	}
	findings := make(chan finding, len(checks))
	for name, check := range checks {
		go func() { findings <- finding{name, runCheck(ctx, check)} }()
	}
	found := health{"healthy", BuildID(), map[string]string{}}
	for range checks {
		each := <-findings
		found.Checks[each.name] = "ok"
		if each.err != nil {
			found.Status, found.Checks[each.name] = "unhealthy", "failed"
			logger.Warn("health check failed", slog.String("check", each.name), slog.String("error", each.err.Error()))
		}
	}
	return found
}

// runCheck does not wait for a check that does not heed its context.
func runCheck(ctx context.Context, check Check) error {
	done := make(chan error, 1)
	go func() { done <- check(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
