package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// serveCounted serves with a ledger, and with nothing but the standard library:
// it may be killed at any moment and started again at the same address.
// $IDLE_TIMEOUT is when it hangs up on connections that nobody uses.
func serveCounted(l *ledger, mux *http.ServeMux) {
	network, address, _ := strings.Cut(os.Getenv("FORST_LISTEN"), ":")
	if network == "unix" {
		os.Remove(address) // a killed predecessor's
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	idle, err := time.ParseDuration(os.Getenv("IDLE_TIMEOUT"))
	if err != nil {
		idle = 2 * time.Minute
	}
	server := &http.Server{
		Handler:     l.count(mux),
		IdleTimeout: idle,
		ErrorLog:    log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn.(*countedConn).number)
		},
	}
	log.Fatal(server.Serve(countedListener{listener, l}))
}

func countedRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /counted/small", small)
	mux.HandleFunc("GET /counted/download", download)
	mux.HandleFunc("POST /counted/upload", upload)
	mux.HandleFunc("GET /counted/events", countedEvents)
	mux.HandleFunc("GET /counted/junk", junk)
	mux.HandleFunc("GET /counted/ws", socketEcho)
}

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.FormValue(name))
	return n
}

// pause waits as long as the query says; false if the client went away.
func pause(r *http.Request, name string) bool {
	select {
	case <-time.After(time.Duration(number(r, name)) * time.Millisecond):
		return true
	case <-r.Context().Done():
		return false
	}
}

// small answers with the request's own id, after "wait" milliseconds.
func small(w http.ResponseWriter, r *http.Request) {
	if !pause(r, "wait") {
		return
	}
	fmt.Fprintf(w, "%s\n%s", r.Header.Get(countID), strings.Repeat("x", number(r, "pad")))
}

// upload answers with what arrived, reading with "wait" milliseconds between pieces.
func upload(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	var length int64
	for {
		n, err := io.CopyN(hash, r.Body, 256<<10)
		length += n
		if err == io.EOF {
			break
		}
		if err != nil || !pause(r, "wait") {
			return
		}
	}
	fmt.Fprintf(w, "%s %d %s", r.Header.Get(countID), length, hex.EncodeToString(hash.Sum(nil)))
}

// block returns 64 KiB that a download repeats: SHA-256 of "seed:0", "seed:1" and so on.
func block(seed string) []byte {
	var made bytes.Buffer
	for i := range 2048 {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s:%d", seed, i))
		made.Write(sum[:])
	}
	return made.Bytes()
}

// download sends "bytes" bytes of the seed's block, with "wait" milliseconds
// between blocks, chunked or with a length.
func download(w http.ResponseWriter, r *http.Request) {
	left, piece := number(r, "bytes"), block(r.FormValue("seed"))
	if r.FormValue("framing") == "length" {
		w.Header().Set("Content-Length", strconv.Itoa(left))
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	for left > 0 {
		size := min(left, len(piece))
		if _, err := w.Write(piece[:size]); err != nil {
			return
		}
		left -= size
		if r.FormValue("wait") != "" {
			http.NewResponseController(w).Flush()
			if !pause(r, "wait") {
				return
			}
		}
	}
}

// countedEvents sends "n" events, each with its number and the time in
// nanoseconds since 1970, "wait" milliseconds apart; after the last it waits for
// the client to go if "hold" says so.
func countedEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range number(r, "n") {
		fmt.Fprintf(w, "data: %s %d %d\n\n", r.Header.Get(countID), i, time.Now().UnixNano())
		http.NewResponseController(w).Flush()
		if !pause(r, "wait") {
			return
		}
	}
	if r.FormValue("hold") != "" {
		<-r.Context().Done()
	}
}

// junks are answers that no client may take for whole ones.
var junks = map[string]string{
	"nothing":   "",
	"garbage":   "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	"no-head":   "HTTP/1.1 200 OK\r\nContent-Le",
	"short":     "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.",
	"bad-chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\nzz\r\n",
	"no-end":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n",
	"two":       "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nfour!",
	"switched":  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
	"status":    "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
}

// junk writes what its kind says over the bare connection and hangs up.
func junk(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, junks[r.FormValue("kind")])
}
