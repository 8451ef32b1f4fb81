package forstsidecar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"
)

// DefaultJSONLimit is the longest body, in bytes, that [JSON] reads.
const DefaultJSONLimit = 16 << 20

// JSON makes a handler of a function from one JSON document to another.
//
// The body is decoded as FastAPI does it with a model of strict=True and
// extra="forbid": every field is required unless tagged, unknown fields and
// values of another type are mistakes, and all mistakes are reported together in
// a 422. See [Decode] for the tags.
//
// What the function returns as an error is answered by [WriteError]. The request
// is within reach through [RequestFrom].
func JSON[In, Out any](fn func(context.Context, In) (Out, error)) http.Handler {
	return JSONLimit(DefaultJSONLimit, fn)
}

// JSONLimit is [JSON] with another limit on the length of the body, in bytes.
func JSONLimit[In, Out any](limit int64, fn func(context.Context, In) (Out, error)) http.Handler {
	planOf(reflect.TypeFor[In]()) // a type that cannot be decoded fails at start, not on a request
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := readJSON(w, r, limit, &in); err != nil {
			WriteError(w, r, err)
			return
		}
		out, err := fn(context.WithValue(r.Context(), requestKey, r), in)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		WriteJSON(w, http.StatusOK, out)
	})
}

// RequestFrom returns the request behind the context that [JSON] gave to a
// function, for its headers, path values and [Identity]; nil for another context.
func RequestFrom(ctx context.Context) *http.Request {
	r, _ := ctx.Value(requestKey).(*http.Request)
	return r
}

var errUnreadable = &HTTPError{Status: http.StatusBadRequest, Detail: "There was an error parsing the body"}

func readJSON(w http.ResponseWriter, r *http.Request, limit int64, in any) error {
	body, err := readBody(http.MaxBytesReader(w, r.Body, limit), r.ContentLength, limit)
	switch {
	case err != nil:
		return err
	case len(body) == 0:
		return missingBody()
	case !isJSON(r.Header.Get("Content-Type")):
		raw, _ := json.Marshal(string(body)) // a string: cannot fail
		return ValidationError{notAnObject([]any{"body"}, raw)}
	}
	return Decode(body, in)
}

func missingBody() ValidationError {
	return ValidationError{{Type: "missing", Loc: []any{"body"}, Msg: "Field required", Input: json.RawMessage("null")}}
}

func readBody(body io.Reader, length, limit int64) ([]byte, error) {
	var buffer bytes.Buffer
	if length > 0 && length <= limit {
		buffer.Grow(int(length) + bytes.MinRead)
	}
	_, err := buffer.ReadFrom(body)
	var large *http.MaxBytesError
	if err != nil && !errors.As(err, &large) {
		return nil, errUnreadable
	}
	return buffer.Bytes(), err
}

// isJSON follows FastAPI: application/json, or application/ with +json.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	subtype, ok := strings.CutPrefix(media, "application/")
	return ok && (subtype == "json" || strings.HasSuffix(subtype, "+json"))
}

// Decode decodes one JSON document into what `in` points to, strictly, and
// reports every mistake, in the order in which pydantic does.
//
// Struct fields are named by their json tags; there is no matching regardless of
// case. A forst tag adds rules, separated by commas:
//
//	optional  the field may be absent, and then keeps its value (see Defaulter)
//	min=1     the least number; for a string or list the least length
//	max=100   the greatest number, or length
//	above=0   numbers have to be greater than this
//	below=9   numbers have to be less than this
//	lax       values are converted as pydantic does by default: "3" is an integer
//	literal   a type that is [Enumerated] stands for a Literal, not an Enum
//
// A pattern tag holds a regular expression that a string has to match. The tag of a
// blank field speaks for the whole struct: lax, and ignore for a struct that lets
// unknown fields pass, as pydantic's models do by default:
//
//	type Purchase struct {
//		_    struct{} `forst:"lax,ignore"`
//		Item string   `json:"item" pattern:"^[a-z]+$"`
//	}
//
// Lengths of strings count code points. A pointer takes null. Numbers are
// checked as pydantic's strict mode does: an integer needs an integer literal, a
// float takes both. Of a duplicate key the last counts.
//
// The error is a [ValidationError], or an [HTTPError] with 400 if the document
// is not UTF-8.
func Decode(document []byte, in any) error {
	target := reflect.ValueOf(in).Elem()
	return decodeWith(document, planOf(target.Type()), target)
}

func decodeWith(document []byte, p plan, target reflect.Value) error {
	document = bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(document) {
		return errUnreadable
	}
	if !json.Valid(document) {
		return ValidationError{invalidJSON(document)}
	}
	d := &decoder{text: document, loc: []any{"body"}}
	d.skipSpace()
	p.decode(d, target)
	if len(d.mistakes) > 0 {
		return d.mistakes
	}
	return nil
}

// Defaulter is a struct that fills in its optional fields before it is decoded.
type Defaulter interface{ SetDefaults() }

// invalidJSON says where the document stops being JSON, in code points as Python
// counts them.
func invalidJSON(document []byte) FieldError {
	var ignored any
	var syntax *json.SyntaxError
	reason, read := "invalid JSON", len(document)
	if err := json.Unmarshal(document, &ignored); errors.As(err, &syntax) {
		reason, read = syntax.Error(), int(syntax.Offset)
		if !strings.HasPrefix(reason, "unexpected end") {
			read-- // the offset is behind the offending byte
		}
	}
	return FieldError{
		Type: "json_invalid", Loc: []any{"body", utf8.RuneCount(document[:read])}, Msg: "JSON decode error",
		Input: json.RawMessage("{}"), Ctx: map[string]any{"error": reason},
	}
}
