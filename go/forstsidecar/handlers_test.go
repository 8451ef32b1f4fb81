package forstsidecar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// served runs the handler behind recoverPanics on a real connection, and gives
// what it logged.
func served(t *testing.T, handler http.HandlerFunc) (*http.Response, string, error) {
	t.Helper()
	var logged bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&logged, nil))
	server := httptest.NewUnstartedServer(recoverPanics(logger, handler))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	request, _ := http.NewRequest("GET", server.URL+"/path?secret=1", nil)
	request.Header.Set("X-Request-Id", "r1")
	request.Header.Set("Traceparent", "t1")
	response, err := http.DefaultClient.Do(request)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(response.Body)
		response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(body))
	}
	server.Close()
	return response, logged.String(), err
}

func TestAPanicBecomesA500AndOneLine(t *testing.T) {
	response, logged, err := served(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Half-Done", "yes")
		w.WriteHeader(http.StatusEarlyHints)
		panic("at the disco")
	})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != 500 || string(body) != `{"detail":"Internal Server Error"}` || response.Header.Get("X-Half-Done") != "" {
		t.Errorf("got %d %s %v", response.StatusCode, body, response.Header)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(logged), &line); err != nil {
		t.Fatalf("not one line of JSON: %s", logged)
	}
	for key, expected := range map[string]string{
		"level": "ERROR", "msg": "panic in handler", "error": "at the disco", "method": "GET", "path": "/path",
		"request_id": "r1", "traceparent": "t1",
	} {
		if line[key] != expected {
			t.Errorf("%s: got %v", key, line[key])
		}
	}
	if !strings.Contains(line["stack"].(string), "handlers_test.go") || strings.Contains(logged, "secret") {
		t.Errorf("got %s", logged)
	}
}

func TestAPanicAmidTheBodyAbortsTheResponse(t *testing.T) {
	for name, write := range map[string]func(http.ResponseWriter){
		"write": func(w http.ResponseWriter) { w.Write([]byte("half")); w.(http.Flusher).Flush() },
		"copy":  func(w http.ResponseWriter) { io.Copy(w, strings.NewReader("half")); w.(http.Flusher).Flush() },
		"flush": func(w http.ResponseWriter) { http.NewResponseController(w).Flush() },
	} {
		_, logged, err := served(t, func(w http.ResponseWriter, r *http.Request) {
			write(w)
			panic("late")
		})
		if err == nil || strings.Count(logged, "\n") != 1 {
			t.Errorf("%s: a body that breaks off looks whole; logged %q", name, logged)
		}
	}
}

func TestAnAbortIsNotLogged(t *testing.T) {
	_, logged, err := served(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if err == nil || logged != "" {
		t.Errorf("got %v, logged %q", err, logged)
	}
}

func TestAConnectionCanBeHijacked(t *testing.T) {
	response, _, err := served(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	if err != nil || response.StatusCode != 204 {
		t.Errorf("got %v, %v", response, err)
	}
}

func TestAFailureIsLoggedWithItsRequest(t *testing.T) {
	response, logged, err := served(t, func(w http.ResponseWriter, r *http.Request) {
		WriteError(w, r, errors.New("no table"))
	})
	if err != nil || response.StatusCode != 500 || !strings.Contains(logged, `"error":"no table"`) || !strings.Contains(logged, `"request_id":"r1"`) {
		t.Errorf("got %v, logged %s", err, logged)
	}
}

func TestNobodyIsAnsweredAfterTheClientLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
	defer func() {
		if cause := recover(); cause != http.ErrAbortHandler {
			t.Errorf("got %v", cause)
		}
	}()
	WriteError(httptest.NewRecorder(), r, ctx.Err())
}

func TestAValueThatIsNotJSONIsAMistakeOfTheProgram(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	WriteJSON(httptest.NewRecorder(), 200, make(chan int))
}

func TestReservedPaths(t *testing.T) {
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "app") })
	handler := readyFirst(newTraffic().isDraining, app)
	for target, expected := range map[string]string{
		"GET /":                  "200 app",
		"GET /.forstish":         "200 app",
		"GET /.forst/":           `404 {"detail":"Not Found"}`,
		"GET /.forst/ready/x":    `404 {"detail":"Not Found"}`,
		"POST /.forst/ready":     `405 {"detail":"Method Not Allowed"}`,
		"GET /.forst/%72eady%3F": `404 {"detail":"Not Found"}`,
	} {
		method, path, _ := strings.Cut(target, " ")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if got := fmt.Sprintf("%d %s", w.Code, w.Body); got != expected {
			t.Errorf("%s: got %d %s", target, w.Code, w.Body)
		}
	}
}

func TestBodiesAreLimitedOnRequest(t *testing.T) {
	handler := limitBodies(3, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			WriteError(w, r, err)
		}
	}))
	if w := post(handler, "", "1234"); w.Code != 413 {
		t.Errorf("got %d", w.Code)
	}
	if w := post(handler, "", "123"); w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
}

func TestWithJSONErrors(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /a", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "a") })
	for target, expected := range map[string]int{"POST /a": 200, "GET /a": 405, "GET /b": 404} {
		method, path, _ := strings.Cut(target, " ")
		w := httptest.NewRecorder()
		WithJSONErrors(mux).ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != expected || expected != 200 && w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %s", target, w.Code, w.Body)
		}
		if expected == 405 && w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: got %v", target, w.Header())
		}
	}
}

func TestQuery(t *testing.T) {
	for query, expected := range map[string]string{
		"":                                  `missing q`,
		"q=":                                `string_too_short q`,
		"q=abcdef":                          `string_too_long q`,
		"q=a&limit=":                        `int_parsing limit`,
		"q=a&limit=0":                       `greater_than_equal limit`,
		"q=a&limit=99999999999999999999999": `less_than_equal limit`,
		"limit=1.5":                         `missing q int_parsing limit`,
		"q=a&limit=1__0":                    `int_parsing limit`,
		"q=a&limit=%2B-1":                   `int_parsing limit`,
		"q=a&limit=1.":                      `int_parsing limit`,
		"q=a":                               `a 10`,
		"&&q=a&q=b&limit=%2B5":              `b 5`,
		"q=a+b&limit=1_0.00":                `a b 10`,
		"q=%zz%":                            `%zz% 10`,
		"q=%e4;%E2%82%AC":                   "\ufffd;€ 10",
		"q=%f0%9f%98%ff\xc3":                "\ufffd\ufffd\ufffd 10",
	} {
		q := NewQuery(&http.Request{URL: &url.URL{RawQuery: query}})
		text, limit := q.String("q", 1, 5), q.Int("limit", 10, 1, 100)
		got := text + " " + encode(t, limit)
		var invalid ValidationError
		if errors.As(q.Err(), &invalid) {
			var parts []string
			for _, each := range invalid {
				parts = append(parts, each.Type, each.Loc[1].(string))
			}
			got = strings.Join(parts, " ")
		}
		if got != expected {
			t.Errorf("%s: got %q, expected %q", query, got, expected)
		}
	}
}
