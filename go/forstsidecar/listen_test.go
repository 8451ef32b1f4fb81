package forstsidecar

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseListen(t *testing.T) {
	long := strings.Repeat("x", 120)
	for value, expected := range map[string][3]string{
		"unix:/run/a.sock":   {"unix", "/run/a.sock", ""},
		"unix:a.sock":        {"unix", "a.sock", ""},
		"unix:" + long:       {"unix", long, "socket path of 120 bytes: at most 103 fit into a socket address"},
		"tcp:127.0.0.1:9000": {"tcp", "127.0.0.1:9000", ""},
		"127.0.0.1:9000":     {"tcp", "127.0.0.1:9000", ""},
		"[::1]:9000":         {"tcp", "[::1]:9000", ""},
		"localhost:0":        {"tcp", "localhost:0", ""},
	} {
		network, address, reason := parseListen(value)
		if got := [3]string{network, address, reason}; got != expected {
			t.Errorf("%s: got %q, expected %q", value, got, expected)
		}
	}
	for _, value := range []string{"127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "http://a:1"} {
		if _, _, reason := parseListen(value); reason == "" {
			t.Errorf("%s was taken", value)
		}
	}
}

func TestListenOnTCP(t *testing.T) {
	t.Setenv("FORST_LISTEN", "tcp:127.0.0.1:0")
	listener, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
}

func TestASymlinkIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.Symlink("/nowhere", path); err != nil {
		t.Fatal(err)
	}
	if reason, _ := clearStale(path); !strings.Contains(reason, "not a socket") {
		t.Errorf("got %q", reason)
	}
}

func TestClosingLeavesTheSocketOfASuccessor(t *testing.T) {
	t.Chdir(t.TempDir()) // a relative path is short enough
	first, err := listenUnix("unix:s", "s")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("s", "old"); err != nil { // keeps the inode from being used again
		t.Fatal(err)
	}
	second, err := net.Listen("unix", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close()
	if _, err := os.Lstat("s"); err != nil {
		t.Error("the successor's socket is gone:", err)
	}
}
