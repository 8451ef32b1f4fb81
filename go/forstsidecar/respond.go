package forstsidecar

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
)

// HTTPError is an answer other than success: {"detail": Detail} with the status,
// as FastAPI's HTTPException gives it. Return it from a function served by
// [JSON], or hand it to [WriteError].
type HTTPError struct {
	// Status is the HTTP status, 400 to 599.
	Status int
	// Detail is any JSON value. Nil means the standard text of the status.
	Detail any
	// Header is added to the response.
	Header http.Header
}

func (e *HTTPError) Error() string {
	return strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
}

// FieldError is one mistake in the input, in pydantic's terms.
type FieldError struct {
	// Type is the machine-readable kind, such as "missing".
	Type string `json:"type"`
	// Loc leads to the value: "body" or "query", then names and indexes.
	Loc []any `json:"loc"`
	// Msg is for people.
	Msg string `json:"msg"`
	// Input is the offending value, if it is to be shown.
	Input json.RawMessage `json:"input,omitempty"`
	// Ctx holds the limits that the message speaks of.
	Ctx map[string]any `json:"ctx,omitempty"`
}

func (e FieldError) Error() string { return e.Msg }

// ValidationError is a 422: everything that is wrong with the input.
type ValidationError []FieldError

func (e ValidationError) Error() string {
	return strconv.Itoa(len(e)) + " mistakes in the input"
}

// WriteJSON answers with a JSON value, not escaped for HTML. A value that cannot
// be encoded (a NaN, a channel) becomes a panic: it is a mistake in the program.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	body.Truncate(body.Len() - 1) // the newline
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a client that left is nobody's error
}

// WriteError answers with what the error stands for: an [HTTPError] or a
// [ValidationError] with itself, an *http.MaxBytesError with 413, an
// [IdentityError] with 403, anything else with a 500 that tells nothing and a line
// in the log that tells all.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	var known *HTTPError
	var invalid ValidationError
	var large *http.MaxBytesError
	var nobody *IdentityError
	switch {
	case errors.As(err, &known):
	case errors.As(err, &nobody):
		known = &HTTPError{Status: http.StatusForbidden, Detail: "Not authenticated"}
	case errors.As(err, &invalid):
		known = &HTTPError{Status: http.StatusUnprocessableEntity, Detail: invalid}
	case errors.As(err, &large):
		known = &HTTPError{Status: http.StatusRequestEntityTooLarge, Detail: "Request body too large"}
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody is left to answer to
	default:
		logFailure(r, "handler failed", slog.String("error", err.Error()))
		known = &HTTPError{Status: http.StatusInternalServerError}
	}
	writeHTTPError(w, known)
}

func writeHTTPError(w http.ResponseWriter, e *HTTPError) {
	for name, values := range e.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	detail := e.Detail
	if detail == nil {
		detail = http.StatusText(e.Status)
	}
	WriteJSON(w, e.Status, map[string]any{"detail": detail})
}

// WithJSONErrors answers requests that the mux has no pattern for as FastAPI
// does: 404 or 405 with {"detail": ...} instead of plain text.
func WithJSONErrors(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		refusal := &refusal{header: http.Header{}, status: http.StatusOK}
		mux.ServeHTTP(refusal, r)
		failure := &HTTPError{Status: refusal.status}
		if allow := refusal.header["Allow"]; allow != nil {
			failure.Header = http.Header{"Allow": allow}
		}
		WriteError(w, r, failure)
	})
}

// refusal keeps the status and headers of a response and drops its body.
type refusal struct {
	header http.Header
	status int
}

func (r *refusal) Header() http.Header         { return r.header }
func (r *refusal) WriteHeader(status int)      { r.status = status }
func (r *refusal) Write(p []byte) (int, error) { return len(p), nil }
