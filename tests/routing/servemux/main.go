// Command servemux answers which pattern of an http.ServeMux gets a request target.
//
// It reads one JSON object a line from standard input, {"patterns": [...], "targets": [...]} with the targets
// in base64, and writes one a line: {"error": "..."} when the patterns cannot be registered, otherwise
// {"answers": [{"status": 200, "pattern": "/a/{x}", "values": {"x": "..."}}]} with the values in base64.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
)

type question struct {
	Patterns []string `json:"patterns"`
	Targets  [][]byte `json:"targets"`
}

type answer struct {
	Status  int               `json:"status"`
	Pattern string            `json:"pattern"`
	Values  map[string][]byte `json:"values"`
}

type reply struct {
	Error   string   `json:"error,omitempty"`
	Answers []answer `json:"answers,omitempty"`
}

var wildcard = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_]*)(?:\.\.\.)?\}`)

func newMux(patterns []string) (mux *http.ServeMux, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("%v", problem)
		}
	}()
	mux = http.NewServeMux()
	for _, pattern := range patterns {
		mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	}
	return mux, nil
}

func ask(mux *http.ServeMux, target []byte) answer {
	head := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: sidecar\r\n\r\n", target)
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return answer{Status: http.StatusBadRequest}
	}
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, request)
	result := answer{Status: recorder.Code, Pattern: request.Pattern, Values: map[string][]byte{}}
	for _, name := range wildcard.FindAllStringSubmatch(request.Pattern, -1) {
		result.Values[name[1]] = []byte(request.PathValue(name[1]))
	}
	return result
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatal(err)
		}
		var said reply
		if mux, err := newMux(asked.Patterns); err != nil {
			said.Error = err.Error()
		} else {
			for _, target := range asked.Targets {
				said.Answers = append(said.Answers, ask(mux, target))
			}
		}
		if err := out.Encode(said); err != nil {
			log.Fatal(err)
		}
	}
}
