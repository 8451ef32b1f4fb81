package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// request is what the mirror received of one request. Bytes that are not ASCII stand
// for themselves, as in Latin-1.
type request struct {
	Method   string              `json:"method"`
	Target   string              `json:"target"`
	Version  string              `json:"version"`
	Host     string              `json:"host"`
	Lines    []string            `json:"lines"`  // field lines as they came
	Fields   map[string][]string `json:"fields"` // as net/http understands them
	Length   int64               `json:"length"`
	Digest   string              `json:"digest"`
	Chunked  bool                `json:"chunked"`
	Trailers map[string][]string `json:"trailers"`
	Whole    bool                `json:"whole"` // whether the body could be read to its end
}

type mirror struct {
	mutex    sync.Mutex
	changed  *sync.Cond
	busy     map[net.Conn]bool
	requests []request
}

func newMirror() *mirror {
	m := &mirror{busy: map[net.Conn]bool{}, requests: []request{}}
	m.changed = sync.NewCond(&m.mutex)
	return m
}

func (m *mirror) server() *http.Server {
	return &http.Server{
		Handler:                      m,
		DisableGeneralOptionsHandler: true,
		ConnState:                    m.note,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, recordKey{}, c)
		},
	}
}

func (m *mirror) note(c net.Conn, state http.ConnState) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if state == http.StateActive {
		m.busy[c] = true
	} else {
		delete(m.busy, c)
	}
	m.changed.Broadcast()
}

// ServeHTTP answers with the request as JSON.
func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	lines := r.Context().Value(recordKey{}).(*recorder).linesOf(r)
	hash := sha256.New()
	length, err := io.Copy(hash, r.Body)
	seen := request{
		Method: latin1(r.Method), Target: latin1(r.RequestURI), Version: r.Proto, Host: latin1(r.Host),
		Lines: lines, Fields: fields(r.Header), Trailers: fields(r.Trailer),
		Length: length, Digest: hex.EncodeToString(hash.Sum(nil)),
		Chunked: len(r.TransferEncoding) > 0, Whole: err == nil,
	}
	m.mutex.Lock()
	m.requests = append(m.requests, seen)
	m.mutex.Unlock()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	body, _ := json.Marshal(seen)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// journal hands over what was received, once no connection is in the middle of a request.
func (m *mirror) journal(w http.ResponseWriter, _ *http.Request) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for len(m.busy) > 0 {
		m.changed.Wait()
	}
	json.NewEncoder(w).Encode(m.requests)
	m.requests = []request{}
}

func latin1(text string) string {
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return string(runes)
}

func fields(header http.Header) map[string][]string {
	found := map[string][]string{}
	for name, values := range header {
		for _, value := range values {
			found[latin1(name)] = append(found[latin1(name)], latin1(value))
		}
	}
	return found
}
