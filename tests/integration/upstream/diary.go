package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
)

// diary is what the handlers saw, by the key that a test gave to its request.
type diary struct {
	mutex   sync.Mutex
	changed chan struct{} // closed and replaced at every change
	notes   map[string][]string
	targets []string
	tokens  map[string]int
}

func newDiary() *diary {
	return &diary{
		changed: make(chan struct{}),
		notes:   map[string][]string{},
		targets: []string{},
		tokens:  map[string]int{},
	}
}

func (d *diary) change(what func()) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	what()
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *diary) note(key, what string) {
	d.change(func() { d.notes[key] = append(d.notes[key], what) })
}

// until waits for the condition, which is asked with the mutex held.
func (d *diary) until(ctx context.Context, holds func() bool) bool {
	for {
		d.mutex.Lock()
		done, changed := holds(), d.changed
		d.mutex.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// pass takes a token of the key, waiting for one; false if the client went away.
func (d *diary) pass(ctx context.Context, key string) bool {
	return d.until(ctx, func() bool {
		if d.tokens[key] == 0 {
			return false
		}
		d.tokens[key]--
		return true
	})
}

func (d *diary) noteTargets(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.change(func() { d.targets = append(d.targets, r.RequestURI) })
		next.ServeHTTP(w, r)
	})
}

// control is the tests' side: wait for a note, read them all, hand out tokens;
// and the ledger's, if there is one.
func control(d *diary, l *ledger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /wait", func(w http.ResponseWriter, r *http.Request) {
		key, wanted := r.FormValue("key"), r.FormValue("note")
		d.until(r.Context(), func() bool { return slices.Contains(d.notes[key], wanted) })
		d.write(w, func() any { return d.notes[key] })
	})
	mux.HandleFunc("GET /targets", func(w http.ResponseWriter, _ *http.Request) {
		d.write(w, func() any { return d.targets })
	})
	mux.HandleFunc("POST /open", func(_ http.ResponseWriter, r *http.Request) {
		d.change(func() { d.tokens[r.FormValue("key")]++ })
	})
	if l != nil {
		l.control(mux)
	}
	return mux
}

func (d *diary) write(w http.ResponseWriter, what func() any) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	json.NewEncoder(w).Encode(what())
}
