// Package forstsidecar runs an http.Handler as a sidecar of a Python app that
// uses forst-asgi.
//
// The Python side starts the program, or attaches to a running one, and
// forwards the routes listed in forst.toml to it. A sidecar is an ordinary
// net/http program whose main function ends in [Run]:
//
//	func main() {
//		mux := http.NewServeMux()
//		mux.Handle("POST /calculate", forstsidecar.JSON(calculate))
//		forstsidecar.Run(mux)
//	}
//
// # The environment
//
// Everything that the Python side has to say comes in environment variables,
// so that the same binary runs under forst-asgi, under systemd and by hand:
//
//	LISTEN_FDS, LISTEN_PID  the listener is file descriptor 3 (sd_listen_fds(3))
//	FORST_LISTEN            unix:/path/to.sock, tcp:127.0.0.1:9000 or 127.0.0.1:9000
//	FORST_LIFELINE          a file descriptor: the read end of a pipe that the parent
//	                        holds open; its end means that the parent is gone
//	FORST_GRACE             how long a drain may take, such as 8s
//	FORST_SECRET_FD         a file descriptor: a pipe with the secret of [Identity]
//	FORST_SECRET_FILE       for a program that Python does not start: a file with it
//	FORST_SECRET            the same, the secret itself
//	FORST_NONCE             proves to the parent that this is the process it started
//
// # What the server does
//
// GET /.forst/ready answers 200 while the program serves and 503 while it
// drains. SIGTERM and SIGINT start the drain: no new connections, requests in
// flight run on until the grace is over, then their contexts are cancelled.
// A panic becomes a 500 and one line of JSON on standard error. GET /.forst/health
// answers 200 while all of [Options].Checks pass. Log with [Logger], whose lines
// carry the request id and the trace that the Python side logs too.
//
// # The shape of answers
//
// [Endpoint], [JSON] and [WriteError] speak the dialect of FastAPI, so that a
// handler moved from Python keeps its clients: errors are {"detail": ...}, and bad
// input is a 422 that lists every mistake with type, loc and msg. Structs are as
// strict as a model with strict=True and extra="forbid", or as lenient as models
// are by default (see [Decode]). [Float], [Time], [Date], [UUID], [List] and [Map]
// look in JSON as their Python counterparts do.
package forstsidecar
