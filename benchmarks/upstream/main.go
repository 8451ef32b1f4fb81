// Command upstream is what the benchmarks forward to: as little Go as answers.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// The very bytes that the Python routes of benchmarks/app.py answer with.
const answer = `{"message":"hello world","n":42}`

func main() {
	network, address, ok := strings.Cut(os.Getenv("FORST_LISTEN"), ":")
	if !ok {
		fmt.Fprintln(os.Stderr, `upstream: FORST_LISTEN: expected "unix:/path" or "tcp:host:port"`)
		os.Exit(2)
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "upstream:", err)
		os.Exit(1)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	fmt.Fprintln(os.Stderr, "upstream:", http.Serve(listener, mux))
	os.Exit(1)
}
