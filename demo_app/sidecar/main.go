// Command demo-sidecar is the Go side of the demo app: the endpoints listed in
// forst.toml, with the same answers as their Python twins in service/.
package main

import (
	"net/http"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

func main() {
	shards() // load the catalogue before the program counts as ready
	forstsidecar.Run(routes())
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /process-data", forstsidecar.JSON(processData))
	mux.Handle("POST /calculate", forstsidecar.JSON(calculate))
	mux.HandleFunc("GET /search", search)
	mux.HandleFunc("GET /events", events)
	mux.HandleFunc("POST /upload", upload)
	mux.HandleFunc("GET /download", download)
	return answeredByGo(forstsidecar.WithJSONErrors(mux))
}

// answeredByGo lets a client of the demo see which side answered.
func answeredByGo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Answered-By", "go")
		next.ServeHTTP(w, r)
	})
}
