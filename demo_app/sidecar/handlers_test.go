package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// That the answers are Python's is tested in tests/demo; here is what Go alone can tell.

func ask(t *testing.T, method, target, contentType string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, body)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	routes().ServeHTTP(w, r)
	if w.Header().Get("X-Answered-By") != "go" {
		t.Error("an answer without x-answered-by")
	}
	return w
}

func TestCalculate(t *testing.T) {
	for body, expected := range map[string]string{
		`{"values":[2,4,4,4,5,5,7,9]}`:  `{"count":8,"sum":40.0,"average":5.0,"variance":4.0}`,
		`{"values":[1,1e100,1,-1e100]}`: `{"count":4,"sum":2.0,"average":0.5,"variance":5e+199}`,
		`{"values":[1e308,1e308]}`:      `{"detail":"the result is out of range"}`,
	} {
		if w := ask(t, "POST", "/calculate", "application/json", strings.NewReader(body)); w.Body.String() != expected {
			t.Errorf("%s: got %s", body, w.Body)
		}
	}
}

func TestHalfEven(t *testing.T) {
	for _, c := range [][3]int64{
		{5, 10, 0}, {15, 10, 2}, {25, 10, 2}, {26, 10, 3}, {-5, 10, 0}, {-15, 10, -2}, {-25, 10, -2}, {-26, 10, -3}, {-1, 3, 0},
		{-2, 3, -1}, {0, 7, 0},
	} {
		if got := halfEven(c[0], c[1]); got != c[2] {
			t.Errorf("%d / %d: got %d, expected %d", c[0], c[1], got, c[2])
		}
	}
}

func TestTheLargestAmountDoesNotOverflow(t *testing.T) {
	cents, code := parseCents("-999999999.999999")
	if cents != -100_000_000_000 || code != "" {
		t.Fatalf("got %d %q", cents, code)
	}
	for _, rate := range rates {
		if cents*rate/rate != cents {
			t.Errorf("overflow at rate %d", rate)
		}
	}
}

func TestProcessData(t *testing.T) {
	good := `{"id":"1","customer":"ada king","email":"A@b.org","amount":"1.005","currency":"eur","placed_at":"2024-01-01T00:00:00Z"}`
	bad := `{"id":"","customer":"","email":"","amount":"","currency":"","placed_at":""}`
	w := ask(t, "POST", "/process-data", "application/json", strings.NewReader(`{"orders":[`+good+`,`+bad+`]}`))
	var out processed
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	order := accepted{"1", "Ada King", "a@b.org", 100, "EUR", 100, "2024-01-01T00:00:00.000000Z"}
	if !slices.Equal(out.Orders, []accepted{order}) || len(out.Errors) != 6 || out.Totals.Rejected != 1 {
		t.Errorf("got %+v", out)
	}
}

func TestSearch(t *testing.T) {
	w := ask(t, "GET", "/search?q=golden+RIVER&limit=5", "", nil)
	var out found
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Results) != 5 || !slices.IsSortedFunc(out.Results, better) || out.Results[0].Score != 2*titleToken+allTokens {
		t.Errorf("got %+v", out)
	}
}

func TestAllShardsTogetherAreTheCatalogue(t *testing.T) {
	count := 0
	for _, shard := range shards() {
		count += len(shard)
	}
	if count != 12_000 {
		t.Errorf("got %d entries", count)
	}
}

func TestTokenise(t *testing.T) {
	got := tokenise("  The Café's 2nd-BEST ÉTÉ")
	if expected := []string{"the", "café", "s", "2nd", "best", "ÉtÉ"}; !slices.Equal(got, expected) {
		t.Errorf("got %q", got)
	}
}

func TestUploadOfAForm(t *testing.T) {
	var body strings.Builder
	form := multipart.NewWriter(&body)
	form.WriteField("comment", "hello")
	part, _ := form.CreateFormFile("file", "dir/a.bin")
	io.WriteString(part, "content")
	form.Close()
	w := ask(t, "POST", "/upload", form.FormDataContentType(), strings.NewReader(body.String()))
	var out uploaded
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("content"))
	if out.Size != 7 || out.SHA256 != hex.EncodeToString(sum[:]) || out.Filename == nil || *out.Filename != "dir/a.bin" {
		t.Errorf("got %s", w.Body)
	}
}

func TestRefusals(t *testing.T) {
	for target, expected := range map[string]int{
		"GET /search":                422,
		"GET /nowhere":               404,
		"GET /calculate":             405,
		"POST /upload":               415,
		"GET /events?n=0":            422,
		"GET /download?size=-1":      422,
		"GET /search?q=a&limit=1000": 422,
	} {
		method, path, _ := strings.Cut(target, " ")
		if w := ask(t, method, path, "", nil); w.Code != expected || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %s", target, w.Code, w.Body)
		}
	}
}

func TestEventsStopWhenTheClientLeaves(t *testing.T) {
	left := make(chan struct{})
	app := routes()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		app.ServeHTTP(w, r)
	}))
	defer server.Close()
	response, err := http.Get(server.URL + "/events?n=2&interval_ms=60000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, len("id: 0"))); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	<-left
}

func TestDownload(t *testing.T) {
	w := ask(t, "GET", "/download?size=65540", "", nil)
	body := w.Body.Bytes()
	if len(body) != 65540 || w.Header().Get("Content-Length") != "65540" || !slices.Equal(body[:4], body[65536:]) {
		t.Errorf("got %d bytes, %v", len(body), w.Header())
	}
}
