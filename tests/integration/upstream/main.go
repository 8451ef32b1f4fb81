// Command upstream is what the integration tests forward to: its handlers wait
// when they are told to, and keep a diary of what they saw. The diary is read, and
// the handlers are let go on, over a second socket, $CONTROL.
//
// With $LEDGER, a file, it also counts what arrives (see ledger) and, unless a
// supervisor has started it, serves without forstsidecar: it neither drains nor
// recovers, and may be killed.
package main

import (
	"log"
	"net"
	"net/http"
	"os"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

func main() {
	d := newDiary()
	var l *ledger
	if path := os.Getenv("LEDGER"); path != "" {
		l = openLedger(path)
	}
	if path := os.Getenv("CONTROL"); path != "" {
		listener, err := net.Listen("unix", path)
		if err != nil {
			log.Fatal(err)
		}
		go http.Serve(listener, control(d, l))
	}
	mux := handlers(d)
	if l == nil {
		forstsidecar.Run(d.noteTargets(mux))
		return
	}
	countedRoutes(mux)
	if os.Getenv("FORST_NONCE") != "" {
		forstsidecar.Run(l.count(mux))
		return
	}
	serveCounted(l, mux)
}
