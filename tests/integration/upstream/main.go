// Command upstream is what the integration tests forward to: its handlers wait
// when they are told to, and keep a diary of what they saw. The diary is read, and
// the handlers are let go on, over a second socket, $CONTROL.
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
	if path := os.Getenv("CONTROL"); path != "" {
		listener, err := net.Listen("unix", path)
		if err != nil {
			log.Fatal(err)
		}
		go http.Serve(listener, control(d))
	}
	forstsidecar.Run(d.noteTargets(handlers(d)))
}
