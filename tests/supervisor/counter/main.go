// Command counter is what the tests of the supervisor start: it writes down every
// POST before it answers, so that those that arrived twice, or never, show.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

func main() {
	ledger, err := os.OpenFile(os.Getenv("LEDGER"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		slog.Error("no ledger", "error", err)
		os.Exit(3)
	}
	mux := http.NewServeMux()
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
	forstsidecar.Run(mux)
}
