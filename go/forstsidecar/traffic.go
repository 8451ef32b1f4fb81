package forstsidecar

import (
	"net/http"
	"sync"
)

// traffic counts the requests that are in the author's handler, and knows when a
// drain has let the last one out.
//
// http.Server.Shutdown would do for that, but it hangs up on kept-alive
// connections whose next request is on its way already, and on whoever asks them
// for readiness. So a drain waits here first, and shuts down what is idle then.
type traffic struct {
	mutex    sync.Mutex
	requests int
	draining bool
	drained  chan struct{}
	once     sync.Once
}

func newTraffic() *traffic { return &traffic{drained: make(chan struct{})} }

// count lets requests through, and asks for the connection to be closed behind
// those that come during a drain (RFC 9112, section 9.6).
func (t *traffic) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t.enter() {
			w.Header().Set("Connection", "close")
		}
		defer t.leave()
		next.ServeHTTP(w, r)
	})
}

func (t *traffic) enter() (isDraining bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.requests++
	return t.draining
}

func (t *traffic) leave() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.requests--
	t.settle()
}

// drain begins the drain and returns a channel that closes at its end.
func (t *traffic) drain() <-chan struct{} {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.draining = true
	t.settle()
	return t.drained
}

func (t *traffic) isDraining() bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.draining
}

func (t *traffic) settle() {
	if t.draining && t.requests == 0 {
		t.once.Do(func() { close(t.drained) })
	}
}
