// Command counter is what the tests of the supervisor start: it writes down every
// POST before it answers, so that those that arrived twice, or never, show.
//
// With $MOOD, a folder, it does as files there say: "broken" ends it at its start,
// "unready" makes /health say so, "deaf" makes it say nothing from then on. With
// $PLAIN it is a program that does not know forstsidecar: it listens at
// FORST_LISTEN itself.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

func main() {
	ledger, err := os.OpenFile(os.Getenv("LEDGER"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		slog.Error("no ledger", "error", err)
		os.Exit(3)
	}
	if in("broken") {
		fmt.Fprintln(os.Stderr, "in a broken mood")
		os.Exit(4)
	}
	mux := http.NewServeMux()
	var deaf atomic.Bool
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		if in("deaf") {
			deaf.Store(true)
			os.WriteFile(filepath.Join(os.Getenv("MOOD"), "asked"), nil, 0o600)
		}
		if deaf.Load() {
			<-r.Context().Done()
			return
		}
		if in("unready") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /pid", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, os.Getpid())
	})
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		pause, _ := time.ParseDuration(r.FormValue("for"))
		time.Sleep(pause)
		fmt.Fprint(w, os.Getpid())
	})
	mux.HandleFunc("POST /count", func(w http.ResponseWriter, r *http.Request) {
		id, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = fmt.Fprintf(ledger, "%s\n", id)
		}
		if err != nil {
			forstsidecar.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, os.Getpid())
	})
	if os.Getenv("PLAIN") != "" {
		plain(mux)
	}
	forstsidecar.Run(mux)
}

func in(mood string) bool {
	_, err := os.Stat(filepath.Join(os.Getenv("MOOD"), mood))
	return err == nil
}

func plain(handler http.Handler) {
	network, address, _ := strings.Cut(os.Getenv("FORST_LISTEN"), ":")
	listener, err := net.Listen(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	slog.Error("ended", "error", http.Serve(listener, handler))
	os.Exit(1)
}
