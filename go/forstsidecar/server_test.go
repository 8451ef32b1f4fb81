package forstsidecar

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// lockedBuffer is written to by one goroutine and read by another.
type lockedBuffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}

// serving runs a handler as Serve does, in this process, and returns its address.
func serving(t *testing.T, handler http.Handler, o Options) (address string, logged *lockedBuffer) {
	t.Helper()
	logged = &lockedBuffer{}
	o.Logger = slog.New(slog.NewJSONHandler(logged, nil))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o, err = o.complete()
	if err != nil {
		t.Fatal(err)
	}
	s := newSidecar(handler, o, nil, nil)
	go s.serve(listener)
	t.Cleanup(func() { s.server.Close() })
	return listener.Addr().String(), logged
}

func send(t *testing.T, address, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestADisconnectCancelsTheContext(t *testing.T) {
	for name, request := range map[string]string{
		"without a body":         "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"with a body, read":      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab",
		"with a body, read over": "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	} {
		began, ended := make(chan struct{}), make(chan error, 1)
		address, _ := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			close(began)
			<-r.Context().Done()
			ended <- context.Cause(r.Context())
		}), Options{})
		conn := send(t, address, request)
		<-began
		conn.Close()
		if err := <-ended; err != context.Canceled {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestADisconnectAmidTheBodyIsNoEndOfTheBody(t *testing.T) {
	ended := make(chan error, 1)
	address, _ := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		ended <- err
	}), Options{})
	send(t, address, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab").Close()
	if err := <-ended; err == nil {
		t.Error("half a body was taken for a whole one")
	}
}

func answerTo(t *testing.T, address, request string) string {
	t.Helper()
	answer, _ := io.ReadAll(send(t, address, request))
	return string(answer)
}

func TestHeadersAreLimited(t *testing.T) {
	address, _ := serving(t, http.NotFoundHandler(), Options{})
	for size, status := range map[int]string{60 << 10: "404", 80 << 10: "431"} {
		request := fmt.Sprintf("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", size))
		if answer := answerTo(t, address, request); !strings.HasPrefix(answer, "HTTP/1.1 "+status) {
			t.Errorf("%d bytes: got %.40q", size, answer)
		}
	}
}

func TestBodiesAreLimitedByTheServer(t *testing.T) {
	address, _ := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			WriteError(w, r, err)
		}
	}), Options{MaxBodyBytes: 4})
	for body, status := range map[string]string{"abcd": "200", "abcde": "413"} {
		request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if answer := answerTo(t, address, request); !strings.HasPrefix(answer, "HTTP/1.1 "+status) {
			t.Errorf("%s: got %.40q", body, answer)
		}
	}
}

func TestLinesCarryTheRequest(t *testing.T) {
	address, logged := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Logger(r.Context()).Info("sold", "count", 3)
	}), Options{})
	answerTo(t, address, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Request-Id: r7\r\nTraceparent: 00-ab-cd-01\r\n\r\n")
	for _, part := range []string{`"msg":"sold"`, `"count":3`, `"request_id":"r7"`, `"traceparent":"00-ab-cd-01"`} {
		if !strings.Contains(logged.String(), part) {
			t.Errorf("no %s in %s", part, logged)
		}
	}
}

func TestLoggerOfAnotherContext(t *testing.T) {
	if Logger(context.Background()) != slog.Default() {
		t.Error("not the default")
	}
}

func TestHealthIsExposed(t *testing.T) {
	address, _ := serving(t, http.NotFoundHandler(), Options{})
	if answer := answerTo(t, address, "GET /.forst/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); !strings.Contains(answer, `"status":"healthy"`) {
		t.Errorf("got %s", answer)
	}
}
