package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// countID is the field by which a request asks to be counted.
const countID = "X-Count-Id"

// ledger is what really arrived: lines of JSON that are only ever appended, each
// in one write and before the answer it precedes, so that they outlive a kill -9.
type ledger struct {
	path     string
	file     *os.File
	mutex    sync.Mutex
	events   map[string]int
	open     int
	most     int
	accepted int
}

// entry is one line.
//
//	begun      the head arrived
//	whole      the handler read the body to its end
//	cut        the body broke off while the handler read it
//	unread     the handler did not read the body to its end
//	cancelled  the context was cancelled before the handler returned
//	ended      the handler returned
type entry struct {
	Event  string `json:"event"`
	ID     string `json:"id"`
	PID    int    `json:"pid"`
	Conn   int    `json:"conn"`  // which connection of this process, from 1
	At     int64  `json:"at_ns"` // since 1970
	Method string `json:"method,omitempty"`
	Target string `json:"target,omitempty"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
}

func openLedger(path string) *ledger {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	return &ledger{path: path, file: file, events: map[string]int{}}
}

type connKey struct{}

// connNumber returns which connection of this process the request came over.
func connNumber(r *http.Request) int {
	n, _ := r.Context().Value(connKey{}).(int)
	return n
}

func (l *ledger) write(e entry) {
	e.PID, e.At = os.Getpid(), time.Now().UnixNano()
	line, err := json.Marshal(e)
	if err != nil {
		log.Fatal(err)
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.events[e.Event]++
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		log.Fatal(err)
	}
}

// count keeps account of the requests that ask for it.
func (l *ledger) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(countID)
		if id == "" {
			next.ServeHTTP(w, r)
			return
		}
		conn := connNumber(r)
		l.write(entry{Event: "begun", ID: id, Conn: conn, Method: r.Method, Target: r.RequestURI})
		stop := context.AfterFunc(r.Context(), func() { l.write(entry{Event: "cancelled", ID: id, Conn: conn}) })
		body := &countedBody{ReadCloser: r.Body, ledger: l, id: id, conn: conn, hash: sha256.New()}
		defer func() {
			// The handler may learn of it before we do, and return at once.
			if stop() && r.Context().Err() != nil {
				l.write(entry{Event: "cancelled", ID: id, Conn: conn})
			}
			body.finish("unread")
			l.write(entry{Event: "ended", ID: id, Conn: conn})
		}()
		counted := r.WithContext(r.Context())
		counted.Body = body
		next.ServeHTTP(w, counted)
	})
}

// countedBody writes down how a body ended, as soon as it has.
type countedBody struct {
	io.ReadCloser
	ledger *ledger
	id     string
	conn   int
	hash   hash.Hash
	bytes  int64
	once   sync.Once
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	b.hash.Write(p[:n])
	switch err {
	case nil:
	case io.EOF:
		b.finish("whole")
	default:
		b.finish("cut")
	}
	return n, err
}

func (b *countedBody) finish(event string) {
	b.once.Do(func() {
		sum := hex.EncodeToString(b.hash.Sum(nil))
		b.ledger.write(entry{Event: event, ID: b.id, Conn: b.conn, Bytes: b.bytes, SHA256: sum})
	})
}

// control adds the tests' side: what was written of one request or of all, and
// what this process counted.
func (l *ledger) control(mux *http.ServeMux) {
	mux.HandleFunc("GET /ledger", func(w http.ResponseWriter, r *http.Request) {
		lines, err := os.ReadFile(l.path)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		wanted := []byte{}
		if id := r.FormValue("id"); id != "" {
			quoted, _ := json.Marshal(id)
			wanted = append([]byte(`"id":`), quoted...)
		}
		for line := range bytes.Lines(lines) {
			if bytes.Contains(line, wanted) {
				w.Write(line)
			}
		}
	})
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		json.NewEncoder(w).Encode(map[string]any{
			"events":           l.events,
			"connections":      l.open,
			"most_connections": l.most,
			"accepted":         l.accepted,
		})
	})
}

// countedListener counts connections from accept to close, those that a handler
// took over included.
type countedListener struct {
	net.Listener
	ledger *ledger
}

type countedConn struct {
	net.Conn
	ledger *ledger
	number int
	once   sync.Once
}

func (c countedListener) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l := c.ledger
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.accepted++
	l.open++
	l.most = max(l.most, l.open)
	return &countedConn{Conn: conn, ledger: l, number: l.accepted}, nil
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.ledger.mutex.Lock()
		defer c.ledger.mutex.Unlock()
		c.ledger.open--
	})
	return c.Conn.Close()
}
