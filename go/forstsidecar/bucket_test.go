package forstsidecar

import (
	"encoding/json"
	"os"
	"testing"
)

// golden reads what the tests of both languages have in common.
func golden(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func TestBucketsAreThoseOfPython(t *testing.T) {
	var file struct {
		Vectors []struct {
			Domain, Salt, Unit string
			Bucket             int
		}
	}
	golden(t, "forst1.json", &file)
	if len(file.Vectors) < 3 {
		t.Fatalf("%d vectors", len(file.Vectors))
	}
	for _, v := range file.Vectors {
		if got := Bucket(v.Domain, v.Salt, v.Unit); got != v.Bucket {
			t.Errorf("%q %q %q: got %d, expected %d", v.Domain, v.Salt, v.Unit, got, v.Bucket)
		}
	}
}

func TestANULInWhatIsKeptApartIsRefused(t *testing.T) {
	for _, c := range [][2]string{{"a\x00", "b"}, {"a", "\x00b"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was taken", c)
				}
			}()
			Bucket(c[0], c[1], "unit")
		}()
	}
}
