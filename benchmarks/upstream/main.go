// Command upstream is what the benchmarks forward to: as little Go as answers.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// The very bytes that the Python routes of benchmarks/app.py answer with.
const answer = `{"message":"hello world","n":42}`

var piece = make([]byte, 64*1024)

func main() {
	listener, err := listen(os.Getenv("FORST_LISTEN"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "upstream:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "upstream:", http.Serve(listener, handler()))
	os.Exit(1)
}

func listen(address string) (net.Listener, error) {
	network, where, ok := strings.Cut(address, ":")
	if !ok {
		return nil, errors.New(`FORST_LISTEN: expected "unix:/path" or "tcp:host:port"`)
	}
	return net.Listen(network, where)
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// All of it first: Go's HTTP/1 server stops reading a request once its answer has begun.
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	mux.HandleFunc("GET /body", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(piece)))
		_, _ = w.Write(piece)
	})
	mux.HandleFunc("GET /download", download)
	mux.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) {
		count, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, count)
	})
	mux.HandleFunc("GET /events", events)
	mux.HandleFunc("GET /socket", socket)
	return mux
}

// download sends as many bytes as ?bytes= says, which must be a multiple of 64 KiB.
func download(w http.ResponseWriter, r *http.Request) {
	count, err := strconv.Atoi(r.URL.Query().Get("bytes"))
	if err != nil || count%len(piece) != 0 {
		http.Error(w, "bytes: expected a multiple of 65536", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(count))
	for range count / len(piece) {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// events sends one event and then nothing, until the client goes away.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "data: open\n\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}
