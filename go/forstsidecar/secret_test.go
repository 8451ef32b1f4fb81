package forstsidecar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// handed returns the number of a descriptor that reads as given and then ends.
func handed(t *testing.T, content string) int {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(write, content)
	write.Close()
	defer read.Close()
	fd, err := syscall.Dup(int(read.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestTheSecretIsReadOnceAndLeavesNothing(t *testing.T) {
	fd := handed(t, "thirty-two bytes of randomness..")
	t.Setenv("FORST_TEST_SECRET", fmt.Sprint(fd))
	secret, err := readSecret("FORST_TEST_SECRET")
	if err != nil || !bytes.Equal(secret, []byte("thirty-two bytes of randomness..")) {
		t.Errorf("got %q, %v", secret, err)
	}
	if _, found := os.LookupEnv("FORST_TEST_SECRET"); found {
		t.Error("children would look for a descriptor that is closed")
	}
	var stat syscall.Stat_t
	if syscall.Fstat(fd, &stat) == nil {
		t.Error("the descriptor is open still")
	}
	if secret, err := readSecret("FORST_TEST_SECRET"); secret != nil || err != nil {
		t.Errorf("the second time: %q, %v", secret, err)
	}
}

func TestASecretThatIsNoneIsNamed(t *testing.T) {
	for value, expected := range map[string]string{
		"x":                       "expected the number",
		"2":                       "expected the number",
		"999":                     "cannot be read",
		fmt.Sprint(handed(t, "")): "is empty",
	} {
		t.Setenv("FORST_TEST_SECRET", value)
		if _, err := readSecret("FORST_TEST_SECRET"); err == nil || !strings.Contains(err.Error(), expected) {
			t.Errorf("%s: got %v", value, err)
		}
	}
}

func TestABadSecretEndsTheStart(t *testing.T) {
	status, stderr := newChild(t).set("FORST_SECRET_FD=x").run()
	if status != 2 || !strings.Contains(stderr, `FORST_SECRET_FD="x": expected the number`) {
		t.Errorf("status %d: %s", status, stderr)
	}
}

func TestReadyTellsTheNonce(t *testing.T) {
	c := newChild(t).set("FORST_NONCE=n0").startReady()
	response, err := c.client().Get("http://sidecar/.forst/ready")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var said readiness
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil || said.Nonce != "n0" {
		t.Errorf("got %+v, %v", said, err)
	}
}
