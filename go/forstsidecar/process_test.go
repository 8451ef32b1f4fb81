package forstsidecar

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests of Run start this very binary once more, as a sidecar.
const childVariable = "FORSTSIDECAR_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		Run(childRoutes())
	}
	os.Exit(m.Run())
}

// childRoutes has handlers that say when they are in, and wait to be let go.
func childRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hold", func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		_, err := io.Copy(w, r.Body) // ends when the client ends its request
		if err == nil {
			io.WriteString(w, "whole")
		}
	})
	mux.HandleFunc("/until-cancelled", func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		io.WriteString(w, "cancelled")
	})
	return mux
}

type child struct {
	*testing.T
	command *exec.Cmd
	stderr  bytes.Buffer
	socket  string
	exited  chan struct{}
}

// newChild prepares a sidecar on a socket of its own; start runs it.
func newChild(t *testing.T) *child {
	t.Helper()
	directory, err := os.MkdirTemp("", "forst") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	c := &child{T: t, socket: filepath.Join(directory, "s"), exited: make(chan struct{})}
	c.command = exec.Command(os.Args[0])
	c.command.Env = append(os.Environ(), childVariable+"=1", "FORST_LISTEN=unix:"+c.socket)
	c.command.Stderr = &c.stderr
	return c
}

func (c *child) set(variables ...string) *child {
	c.command.Env = append(c.command.Env, variables...)
	return c
}

// run runs the sidecar to its end and returns status and standard error.
func (c *child) run() (int, string) {
	c.Helper()
	c.start()
	return c.wait()
}

func (c *child) start() *child {
	c.Helper()
	if err := c.command.Start(); err != nil {
		c.Fatal(err)
	}
	go func() {
		defer close(c.exited)
		c.command.Wait()
	}()
	c.Cleanup(func() {
		c.command.Process.Kill()
		<-c.exited
	})
	return c
}

func (c *child) startReady() *child {
	c.Helper()
	c.start()
	for {
		if response, err := c.client().Get("http://sidecar/.forst/ready"); err == nil {
			response.Body.Close()
			return c
		}
		select {
		case <-c.exited:
			c.Fatalf("the sidecar ended: %s", &c.stderr)
		case <-time.After(5 * time.Millisecond): // nothing tells of a new socket; ask again
		}
	}
}

func (c *child) wait() (int, string) {
	c.Helper()
	select {
	case <-c.exited:
	case <-time.After(20 * time.Second):
		c.Fatal("the sidecar does not end")
	}
	return c.command.ProcessState.ExitCode(), c.stderr.String()
}

func (c *child) signal(number os.Signal) { c.command.Process.Signal(number) }

func (c *child) dial() net.Conn {
	c.Helper()
	conn, err := net.Dial("unix", c.socket)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { conn.Close() })
	return conn
}

func (c *child) client() *http.Client {
	dialer := func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", c.socket) }
	return &http.Client{Transport: &http.Transport{DialContext: dialer, DisableKeepAlives: true}}
}

// hold brings a request into the handler and returns how to finish it.
func (c *child) hold(path string) (*http.Response, io.WriteCloser) {
	c.Helper()
	body, finish := io.Pipe()
	request, _ := http.NewRequest("POST", "http://sidecar"+path, body)
	response, err := c.client().Do(request)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { response.Body.Close() })
	return response, finish
}

func (c *child) waitUntilRefused() {
	for {
		conn, err := net.Dial("unix", c.socket)
		if err != nil {
			return
		}
		conn.Close()
	}
}

func TestSIGTERMLetsARequestInFlightFinish(t *testing.T) {
	c := newChild(t).startReady()
	response, finish := c.hold("/hold")
	c.signal(syscall.SIGTERM)
	c.waitUntilRefused()
	finish.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "whole" {
		t.Errorf("got %q, %v", body, err)
	}
	if status, stderr := c.wait(); status != 0 {
		t.Errorf("status %d: %s", status, stderr)
	}
	if _, err := os.Lstat(c.socket); err == nil {
		t.Error("the socket was left behind")
	}
}

func TestTheEndOfTheGraceCancelsWhatStillRuns(t *testing.T) {
	c := newChild(t).set("FORST_GRACE=50ms").startReady()
	response, _ := c.hold("/until-cancelled")
	c.signal(syscall.SIGINT)
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "cancelled" {
		t.Errorf("got %q, %v", body, err)
	}
	if status, stderr := c.wait(); status != 0 {
		t.Errorf("status %d: %s", status, stderr)
	}
}

func TestAHandlerThatIgnoresItsContextIsCutOff(t *testing.T) {
	c := newChild(t).set("FORST_GRACE=50ms").startReady()
	response, _ := c.hold("/hold")
	c.signal(syscall.SIGTERM)
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("a cut body looks complete: %q", body)
	}
	if status, stderr := c.wait(); status != 0 {
		t.Errorf("status %d: %s", status, stderr)
	}
}

func TestASecondSignalEndsTheDrain(t *testing.T) {
	c := newChild(t).set("FORST_GRACE=1h").startReady()
	c.hold("/until-cancelled")
	c.signal(syscall.SIGTERM)
	c.waitUntilRefused()
	c.signal(syscall.SIGTERM)
	if status, stderr := c.wait(); status != 0 {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// withLifeline gives the child the read end of a pipe as descriptor 3.
func withLifeline(c *child) (hold *os.File) {
	read, write, err := os.Pipe()
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { write.Close() })
	c.command.ExtraFiles = []*os.File{read}
	c.set("FORST_LIFELINE=3", "FORST_GRACE=1h")
	return write
}

func TestTheEndOfTheLifelineEndsTheProcess(t *testing.T) {
	c := newChild(t)
	parent := withLifeline(c)
	c.startReady()
	c.hold("/until-cancelled")
	parent.Close()
	if status, stderr := c.wait(); status != 0 {
		t.Errorf("status %d: %s", status, stderr)
	}
}

func TestTheEndOfTheLifelineShortensADrain(t *testing.T) {
	c := newChild(t)
	parent := withLifeline(c)
	c.startReady()
	c.hold("/until-cancelled")
	c.signal(syscall.SIGTERM)
	c.waitUntilRefused()
	parent.Close()
	if status, stderr := c.wait(); status != 0 {
		t.Errorf("status %d: %s", status, stderr)
	}
}

func TestReadySays503WhileDraining(t *testing.T) {
	c := newChild(t).startReady()
	_, finish := c.hold("/hold")
	conn := c.dial()
	reader := bufio.NewReader(conn)
	ask := func(path string) *http.Response {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: sidecar\r\n\r\n", path)
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	ask("/.forst/ready").Write(io.Discard)
	c.signal(syscall.SIGTERM)
	c.waitUntilRefused()
	response := ask("/.forst/ready")
	var said readiness
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil || said.Status != "draining" || response.StatusCode != 503 {
		t.Errorf("got %d %+v, %v", response.StatusCode, said, err)
	}
	if late := ask("/missing"); late.StatusCode != 404 || !late.Close {
		t.Errorf("a request on a connection made before: got %d, close %v", late.StatusCode, late.Close)
	}
	finish.Close()
	c.wait()
}

func TestReadyNamesProcessAndBuild(t *testing.T) {
	c := newChild(t).startReady()
	response, err := c.client().Get("http://sidecar/.forst/ready")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var said readiness
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		t.Fatal(err)
	}
	if said.Status != "ready" || said.PID != c.command.Process.Pid || said.Build != BuildID() {
		t.Errorf("got %+v", said)
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	c := newChild(t)
	leaveStale(t, c.socket)
	c.startReady()
	found, err := os.Lstat(c.socket)
	if err != nil || found.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", found.Mode(), err)
	}
}

// leaveStale leaves a socket that nobody listens on, as a killed process does.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	listener.Close()
}

func TestALiveSocketIsRefused(t *testing.T) {
	first := newChild(t).startReady()
	second := newChild(t).set("FORST_LISTEN=unix:" + first.socket)
	status, stderr := second.run()
	if status != 2 || !strings.Contains(stderr, "another process listens on this socket") {
		t.Errorf("status %d: %s", status, stderr)
	}
	first.dial() // and the first is none the worse for it
}

func TestABadEnvironmentIsNamed(t *testing.T) {
	for setting, expected := range map[string]string{
		"FORST_LISTEN=":                  "no listener given: expected unix:",
		"FORST_LISTEN=9000":              "expected unix:/path/to.sock, tcp:127.0.0.1:9000 or 127.0.0.1:9000",
		"FORST_LISTEN=tcp:127.0.0.1:x":   `bad port "x": expected a number from 0 to 65535`,
		"FORST_LISTEN=unix:":             "empty socket path",
		"FORST_LISTEN=tcp:192.0.2.1:1":   "cannot listen",
		"FORST_LISTEN=unix:/nowhere/at/": "cannot listen",
		"FORST_LISTEN=unix:/":            "is not a socket",
		"FORST_GRACE=soon":               `FORST_GRACE="soon": expected a positive duration`,
		"FORST_LIFELINE=x":               "expected the number of an inherited file descriptor",
		"FORST_LIFELINE=1":               "expected the number of an inherited file descriptor",
		"FORST_LIFELINE=999":             "not an open file descriptor",
		"FORST_SECRET=hunter2":           "FORST_SECRET: secret 1 has 7 bytes, expected at least 32",
		"LISTEN_FDS=2":                   `LISTEN_FDS="2": expected 1`,
		"LISTEN_FDS=1":                   "not a listening socket",
	} {
		status, stderr := newChild(t).set(setting).run()
		if status != 2 || !strings.Contains(stderr, expected) {
			t.Errorf("%s: status %d: %s", setting, status, stderr)
		}
	}
}

func TestAnInheritedListenerIsServed(t *testing.T) {
	c := newChild(t)
	listener, err := net.Listen("unix", c.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	c.command.ExtraFiles = []*os.File{file}
	c.set("LISTEN_FDS=1", "FORST_LISTEN=").startReady()
	c.signal(syscall.SIGTERM)
	c.wait()
	if _, err := os.Lstat(c.socket); err != nil {
		t.Error("the socket was removed, though it belongs to the parent:", err)
	}
}

func TestAListenerMeantForAnotherProcessIsIgnored(t *testing.T) {
	newChild(t).set("LISTEN_FDS=1", "LISTEN_PID=1").startReady()
}

func TestAListenerThatFailsEndsTheServing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	o, _ := Options{}.complete()
	if err := newSidecar(http.NotFoundHandler(), o, nil, nil).serve(listener); err == nil {
		t.Error("no error")
	}
}
