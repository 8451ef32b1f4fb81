package forstsidecar

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Query reads the parameters of a request's query as FastAPI does, and collects
// what is wrong with them. Ask for each parameter in the order of the Python
// function's arguments, then look at Err once.
//
//	query := forstsidecar.NewQuery(r)
//	text := query.String("q", 1, 200)
//	limit := query.Int("limit", 10, 1, 100)
//	if err := query.Err(); err != nil {
//		forstsidecar.WriteError(w, r, err)
//		return
//	}
type Query struct {
	values   map[string]string
	mistakes ValidationError
}

// NewQuery parses leniently, as Python's parse_qsl does: only "&" separates, a
// broken escape stands for itself, bytes that are not UTF-8 become U+FFFD. Of
// several parameters with one name the last counts.
func NewQuery(r *http.Request) *Query {
	values := map[string]string{}
	for name, all := range parseQuery(r.URL.RawQuery) {
		values[name] = all[len(all)-1]
	}
	return &Query{values: values}
}

// parseQuery returns the values under each name, in order.
func parseQuery(raw string) map[string][]string {
	values := map[string][]string{}
	for _, part := range strings.Split(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name = unescape(name)
		values[name] = append(values[name], unescape(value))
	}
	return values
}

// Err returns a [ValidationError], or nil if every parameter was good.
func (q *Query) Err() error {
	if len(q.mistakes) == 0 {
		return nil
	}
	return q.mistakes
}

// String returns a required parameter of least to greatest code points.
func (q *Query) String(name string, least, greatest int) string {
	text, ok := q.values[name]
	switch length := utf8.RuneCountInString(text); {
	case !ok:
		q.mistake("missing", name, nil, "Field required", nil)
	case length < least:
		q.mistake("string_too_short", name, text, stringLimit("least", float64(least)), map[string]any{"min_length": least})
	case length > greatest:
		q.mistake("string_too_long", name, text, stringLimit("most", float64(greatest)), map[string]any{"max_length": greatest})
	}
	return text
}

// Int returns an optional parameter from least to greatest.
func (q *Query) Int(name string, byDefault, least, greatest int64) int64 {
	text, ok := q.values[name]
	if !ok {
		return byDefault
	}
	number, ok := pythonInt(text)
	switch {
	case !ok:
		q.mistake("int_parsing", name, text, "Input should be a valid integer, unable to parse string as an integer", nil)
	case number < least:
		q.mistake("greater_than_equal", name, text, fmt.Sprintf("Input should be greater than or equal to %d", least), map[string]any{"ge": least})
	case number > greatest:
		q.mistake("less_than_equal", name, text, fmt.Sprintf("Input should be less than or equal to %d", greatest), map[string]any{"le": greatest})
	}
	return number
}

func (q *Query) mistake(kind, name string, input any, message string, ctx map[string]any) {
	raw, _ := json.Marshal(input) // a string or nil: cannot fail
	q.mistakes = append(q.mistakes, FieldError{Type: kind, Loc: []any{"query", name}, Msg: message, Input: raw, Ctx: ctx})
}

// pythonInt takes what pydantic takes for an integer in a string: space around
// it, a sign, single underscores between digits, and a fraction of zeros. What is
// too large saturates; the limits catch it.
func pythonInt(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	if whole, zeros, ok := strings.Cut(text, "."); ok {
		if zeros == "" || strings.Trim(zeros, "0") != "" {
			return 0, false
		}
		text = whole
	}
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 || !areDigits(digits) {
		return 0, false
	}
	number, _ := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
	return number, true
}

func areDigits(text string) bool {
	previous := byte('_')
	for i := range len(text) {
		c := text[i]
		if c == '_' && previous == '_' || c != '_' && (c < '0' || c > '9') {
			return false
		}
		previous = c
	}
	return previous != '_'
}

func unescape(text string) string {
	if !strings.ContainsAny(text, "+%") {
		return replaceInvalid(text)
	}
	plain := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '+':
			plain = append(plain, ' ')
		case c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			unit, _ := strconv.ParseUint(text[i+1:i+3], 16, 8)
			plain = append(plain, byte(unit))
			i += 2
		default:
			plain = append(plain, c)
		}
	}
	return replaceInvalid(string(plain))
}

// replaceInvalid puts one U+FFFD where a sequence breaks off, however much of it
// was there: "substitution of maximal subparts" (Unicode, section 3.9), as Python.
func replaceInvalid(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var valid strings.Builder
	for len(text) > 0 {
		r, width := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && width == 1 {
			width = maximalSubpart(text)
		}
		valid.WriteRune(r)
		text = text[width:]
	}
	return valid.String()
}

// maximalSubpart returns how many bytes at the start could have begun a
// character, at least 1.
func maximalSubpart(text string) int {
	width := 1
	for width < len(text) && !utf8.FullRuneInString(text[:width]) {
		width++
	}
	if width > 1 && utf8.FullRuneInString(text[:width]) {
		width-- // the last byte did not fit
	}
	return width
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}
