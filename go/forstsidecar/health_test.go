package forstsidecar

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func askHealth(checks map[string]Check, method, path string) (*httptest.ResponseRecorder, string) {
	var logged bytes.Buffer
	w := httptest.NewRecorder()
	handler := healthFirst(checks, slog.New(slog.NewTextHandler(&logged, nil)), http.NotFoundHandler())
	handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w, logged.String()
}

func TestHealthWithoutChecks(t *testing.T) {
	w, logged := askHealth(nil, "GET", "/.forst/health")
	if w.Code != 200 || w.Body.String() != `{"status":"healthy","build":"`+BuildID()+`","checks":{}}` || logged != "" {
		t.Errorf("got %d %s, logged %s", w.Code, w.Body, logged)
	}
}

func TestAFailedCheckIsLoggedNotTold(t *testing.T) {
	checks := map[string]Check{
		"db":   func(context.Context) error { return errors.New("password wrong") },
		"disk": func(context.Context) error { return nil },
	}
	w, logged := askHealth(checks, "GET", "/.forst/health")
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"status":"unhealthy"`) || !strings.Contains(w.Body.String(), `"checks":{"db":"failed","disk":"ok"}`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), "password") || !strings.Contains(logged, "password wrong") {
		t.Errorf("told %s, logged %s", w.Body, logged)
	}
}

func TestACheckThatDoesNotEnd(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := runCheck(ctx, func(context.Context) error { <-end; return nil }); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

func TestHealthIsOneResource(t *testing.T) {
	for _, c := range [][2]string{{"POST", "/.forst/health"}, {"GET", "/.forst/healthy"}, {"GET", "/health"}} {
		if w, _ := askHealth(nil, c[0], c[1]); w.Code != 404 {
			t.Errorf("%v: got %d", c, w.Code)
		}
	}
}
