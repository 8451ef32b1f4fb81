package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

// events streams n server-sent events, one every interval_ms milliseconds.
func events(w http.ResponseWriter, r *http.Request) {
	query := forstsidecar.NewQuery(r)
	count := query.Int("n", 10, 1, 100_000)
	interval := time.Duration(query.Int("interval_ms", 100, 0, 60_000)) * time.Millisecond
	if err := query.Err(); err != nil {
		forstsidecar.WriteError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	stream := http.NewResponseController(w)
	for number := range count {
		if number > 0 && !pause(r, interval) {
			return
		}
		fmt.Fprintf(w, "id: %d\nevent: tick\ndata: {\"number\":%d,\"of\":%d}\n\n", number, number, count)
		if stream.Flush() != nil {
			return
		}
	}
}

// pause reports whether the client is still there after the interval.
func pause(r *http.Request, interval time.Duration) bool {
	select {
	case <-r.Context().Done():
		return false
	case <-time.After(interval):
		return true
	}
}

// pattern is one 64 KiB piece of what /download sends over and over.
var pattern = func() (block [64 << 10]byte) {
	for i := range block {
		block[i] = byte(i*31 + i/251)
	}
	return block
}()

// download sends size bytes of a fixed pattern, from memory that does not grow with size.
func download(w http.ResponseWriter, r *http.Request) {
	query := forstsidecar.NewQuery(r)
	size := query.Int("size", 1<<20, 0, 16<<30)
	if err := query.Err(); err != nil {
		forstsidecar.WriteError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	w.Header().Set("Content-Disposition", `attachment; filename="download.bin"`)
	for left := size; left > 0; {
		written, err := w.Write(pattern[:min(left, int64(len(pattern)))])
		if err != nil {
			return
		}
		left -= int64(written)
	}
}
