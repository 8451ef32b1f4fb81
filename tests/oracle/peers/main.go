// Command peers is what the oracle compares us with, in one process and with nothing
// but the standard library: a mirror that answers with what it received, and a
// reverse proxy in front of the mirror and of one more upstream.
//
// Usage: peers FOLDER UPSTREAM. It makes Unix sockets in FOLDER, says "ready" on
// standard output, and ends when its standard input does.
//
//	mirror    the mirror
//	proxy     the reverse proxy in front of the mirror
//	scripted  the reverse proxy in front of UPSTREAM, host:port
//	control   POST / answers with what the mirror received since the last time
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
)

func main() {
	folder, upstream := os.Args[1], os.Args[2]
	log.SetOutput(io.Discard) // broken requests are the purpose
	listen := func(name string) net.Listener {
		listener, err := net.Listen("unix", filepath.Join(folder, name))
		if err != nil {
			panic(err)
		}
		return listener
	}
	m := newMirror()
	go m.server().Serve(recording{listen("mirror")})
	go http.Serve(listen("proxy"), reverseProxy("unix", filepath.Join(folder, "mirror")))
	go http.Serve(listen("scripted"), reverseProxy("tcp", upstream))
	go http.Serve(listen("control"), http.HandlerFunc(m.journal))
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}

// reverseProxy is the proxy of the standard library, as its documentation shows it.
func reverseProxy(network, address string) http.Handler {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "upstream"})
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport:     &http.Transport{DialContext: dial, DisableCompression: true},
		FlushInterval: -1,
	}
}
