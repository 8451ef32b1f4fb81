package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

func handlers(d *diary) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/echo/{rest...}", echo)
	mux.HandleFunc("GET /cookies", cookies)
	mux.HandleFunc("GET /moved", moved)
	mux.HandleFunc("GET /text", text)
	mux.HandleFunc("GET /hold", d.hold)
	mux.HandleFunc("GET /events", d.events)
	mux.HandleFunc("GET /endless", d.endless)
	mux.HandleFunc("POST /drain", d.drain)
	return mux
}

// echo answers with everything that arrived.
func echo(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	length, err := io.Copy(hash, r.Body)
	if err != nil {
		return
	}
	identity, _ := forstsidecar.Identity(r)
	w.Header().Set("Allow", "GET, HEAD, POST, OPTIONS")
	forstsidecar.WriteJSON(w, http.StatusOK, map[string]any{
		"method":   r.Method,
		"target":   r.RequestURI,
		"host":     r.Host,
		"headers":  r.Header,
		"length":   length,
		"sha256":   hex.EncodeToString(hash.Sum(nil)),
		"identity": identity,
		"pid":      os.Getpid(),
	})
}

func cookies(w http.ResponseWriter, _ *http.Request) {
	for _, cookie := range []string{"a=1; Path=/", "b=2; HttpOnly", "a=3; Path=/x"} {
		w.Header().Add("Set-Cookie", cookie)
	}
}

func moved(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", r.FormValue("to"))
	w.WriteHeader(http.StatusSeeOther)
}

// text is long enough to be worth compressing.
func text(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	for range 1000 {
		io.WriteString(w, "the same line again\n")
	}
}

// hold answers when it is let go on.
func (d *diary) hold(w http.ResponseWriter, r *http.Request) {
	key := r.FormValue("key")
	d.note(key, "begun")
	if !d.pass(r.Context(), key) {
		d.note(key, "cancelled")
		return
	}
	d.note(key, "released")
	forstsidecar.WriteJSON(w, http.StatusOK, map[string]any{"held": key})
}

// events sends one event at once, and each further one when it is let go on.
func (d *diary) events(w http.ResponseWriter, r *http.Request) {
	key := r.FormValue("key")
	n, _ := strconv.Atoi(r.FormValue("n"))
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range n {
		if i > 0 && !d.pass(r.Context(), key) {
			d.note(key, "cancelled")
			return
		}
		fmt.Fprintf(w, "data: %d\n\n", i+1)
		http.NewResponseController(w).Flush()
		d.note(key, fmt.Sprintf("sent %d", i+1))
	}
}

// endless sends until nobody takes it any more.
func (d *diary) endless(w http.ResponseWriter, r *http.Request) {
	key := r.FormValue("key")
	block := make([]byte, 64<<10)
	for r.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			break
		}
	}
	<-r.Context().Done()
	d.note(key, "cancelled")
}

// drain reads a body and notes its first byte and its end.
func (d *diary) drain(w http.ResponseWriter, r *http.Request) {
	key := r.FormValue("key")
	buffer := make([]byte, 64<<10)
	var length int64
	for {
		n, err := r.Body.Read(buffer)
		if n > 0 && length == 0 {
			d.note(key, "first byte")
		}
		length += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			d.note(key, "broken")
			return
		}
	}
	d.note(key, "whole")
	forstsidecar.WriteJSON(w, http.StatusOK, map[string]any{"length": length})
}
