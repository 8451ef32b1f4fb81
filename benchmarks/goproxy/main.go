// Command goproxy is net/http/httputil.ReverseProxy and nothing else: BENCH_LISTEN to BENCH_SOCKET.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

// As many connections as the largest load has may stay open; Go keeps two unless told otherwise.
const idleConnections = 1024

func main() {
	socket := os.Getenv("BENCH_SOCKET")
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		MaxIdleConns:        idleConnections,
		MaxIdleConnsPerHost: idleConnections,
		DisableCompression:  true,
	}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "upstream"})
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
	}
	fmt.Fprintln(os.Stderr, "goproxy:", http.ListenAndServe(os.Getenv("BENCH_LISTEN"), proxy))
	os.Exit(1)
}
