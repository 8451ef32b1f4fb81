package forstsidecar

import (
	"context"
	"net/http"
	"reflect"
)

// EndpointOption changes what an [Endpoint] does.
type EndpointOption func(*endpoint)

// Status sets the status of a success; 200 unless set. Statuses that have no body
// (204, 304) have none.
func Status(code int) EndpointOption { return func(e *endpoint) { e.status = code } }

// BodyLimit sets the longest body, in bytes; [DefaultJSONLimit] unless set.
func BodyLimit(bytes int64) EndpointOption { return func(e *endpoint) { e.limit = bytes } }

type endpoint struct {
	status int
	limit  int64
}

// Endpoint makes a handler of a function, as FastAPI makes one of a function with
// parameters. The input is a struct whose fields say by their tags where they come
// from:
//
//	type quoteInput struct {
//		ID    int      `path:"id"`
//		Limit int      `query:"limit" forst:"optional,min=1,max=100"`
//		Tags  []string `query:"tag" forst:"optional"`
//		Token *string  `header:"x-token" forst:"optional"`
//		Quote Quote    `body:"json"`
//	}
//
// Parameters come as text, so they are converted as pydantic does it by default.
// The body is decoded as [Decode] says; the same rules may stand in the forst tag,
// and a [Defaulter] fills in what is absent. All mistakes are reported together,
// in the order path, query, header, cookie, body.
//
// What the function returns as an error is answered by [WriteError]. The request
// is within reach through [RequestFrom].
func Endpoint[In, Out any](fn func(context.Context, In) (Out, error), options ...EndpointOption) http.Handler {
	e := endpoint{http.StatusOK, DefaultJSONLimit}
	for _, option := range options {
		option(&e)
	}
	input := newInputPlan(reflect.TypeFor[In]()) // a type that cannot be filled fails at start, not on a request
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := input.read(w, r, e.limit, reflect.ValueOf(&in).Elem()); err != nil {
			WriteError(w, r, err)
			return
		}
		out, err := fn(context.WithValue(r.Context(), requestKey, r), in)
		switch {
		case err != nil:
			WriteError(w, r, err)
		case e.status == http.StatusNoContent || e.status == http.StatusNotModified:
			w.WriteHeader(e.status)
		default:
			WriteJSON(w, e.status, out)
		}
	})
}
