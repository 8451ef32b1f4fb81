package main

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"sync"
)

// net/http keeps neither the order of the fields nor their spelling; so the
// connection itself remembers what was read from it.

type recordKey struct{}

type recording struct{ net.Listener }

func (l recording) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &recorder{Conn: c}, nil
}

type recorder struct {
	net.Conn
	mutex sync.Mutex
	read  []byte
}

func (r *recorder) Read(into []byte) (int, error) {
	n, err := r.Conn.Read(into)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.read = append(r.read, into[:n]...)
	return n, err
}

// linesOf returns the field lines of a request whose body was not read yet, and
// forgets everything up to its body.
func (r *recorder) linesOf(request *http.Request) []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	start := bytes.Index(r.read, []byte(request.Method+" "+request.RequestURI+" "))
	if start < 0 {
		return []string{"?: the request line was not found"}
	}
	rest := r.read[start:]
	lines := []string{}
	for first := true; ; first = false {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
		text := strings.TrimSuffix(string(line), "\r")
		if text == "" {
			break
		}
		if !first {
			lines = append(lines, latin1(text))
		}
	}
	r.read = append([]byte{}, rest...)
	return lines
}
