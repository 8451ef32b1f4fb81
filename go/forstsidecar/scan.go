package forstsidecar

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// decoder walks over a document that is known to be valid JSON; so nothing here
// checks the grammar, only the meaning.
type decoder struct {
	text     []byte
	pos      int
	loc      []any
	mistakes ValidationError
	depth    int         // of objects with known names
	ends     map[int]int // where large lists and objects end, by where they begin
}

const (
	// largeDocument is from how many bytes on it pays to remember ends.
	largeDocument = 64 << 10
	// longSpan is from how many bytes on an end is worth remembering.
	longSpan = 4 << 10
	// deepest is how many levels down ends are remembered: each object with known
	// names may have a list around it, and one level more for good measure.
	deepest = 3 * maxDepth
)

// span is a piece of the document, from start up to but not including end.
type span struct{ start, end int }

func (d *decoder) peek() byte { return d.text[d.pos] }

func (d *decoder) skipSpace() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ' ', '\t', '\r', '\n':
			d.pos++
		default:
			return
		}
	}
}

// value skips one value and returns where it stands.
func (d *decoder) value() span {
	start := d.pos
	switch d.peek() {
	case '"':
		d.skipString()
	case '{', '[':
		d.skipNested()
	default:
		d.skipLiteral()
	}
	return span{start, d.pos}
}

func (d *decoder) raw(s span) json.RawMessage { return json.RawMessage(d.text[s.start:s.end]) }

func (d *decoder) skipString() {
	for d.pos++; ; {
		at := bytes.IndexByte(d.text[d.pos:], '"')
		end := d.pos + at
		slashes := 0
		for d.text[end-1-slashes] == '\\' {
			slashes++
		}
		d.pos = end + 1
		if slashes%2 == 0 {
			return
		}
	}
}

// skipNested skips a list or an object. In a large document it does so only once:
// each level is skipped before it is decoded, and time would go up with size times
// depth, which clients choose.
func (d *decoder) skipNested() {
	if len(d.text) < largeDocument {
		d.skipSmall()
		return
	}
	end, known := d.ends[d.pos]
	if !known {
		end = d.findEnd()
	}
	d.pos = end
}

func (d *decoder) findEnd() int {
	if d.ends == nil {
		d.ends = map[int]int{}
	}
	pos := d.pos
	defer func() { d.pos = pos }()
	var begun [deepest]int
	for depth := 0; ; {
		switch d.text[d.pos] {
		case '"':
			d.skipString()
			continue
		case '{', '[':
			if depth < deepest {
				begun[depth] = d.pos
			}
			depth++
		case '}', ']':
			depth--
			if depth < deepest && d.pos-begun[depth] > longSpan {
				d.ends[begun[depth]] = d.pos + 1
			}
		}
		d.pos++
		if depth == 0 {
			return d.pos
		}
	}
}

func (d *decoder) skipSmall() {
	for depth := 0; ; {
		switch d.text[d.pos] {
		case '"':
			d.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		d.pos++
		if depth == 0 {
			return
		}
	}
}

// skipLiteral skips a number, true, false or null.
func (d *decoder) skipLiteral() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return
		}
		d.pos++
	}
}

// elements calls each with the position at the start of each element of the list
// here; each moves on to its end.
func (d *decoder) elements(each func(index int)) {
	d.pos++ // [
	for index := 0; ; index++ {
		d.skipSpace()
		if d.peek() == ']' {
			d.pos++
			return
		}
		if d.peek() == ',' {
			d.pos++
			d.skipSpace()
		}
		each(index)
	}
}

// members calls each with the key and the span of each member of the object here.
func (d *decoder) members(each func(key []byte, value span)) {
	d.pos++ // {
	for {
		d.skipSpace()
		switch d.peek() {
		case '}':
			d.pos++
			return
		case ',':
			d.pos++
			d.skipSpace()
		}
		key := d.key()
		d.skipSpace()
		d.pos++ // :
		d.skipSpace()
		each(key, d.value())
	}
}

func (d *decoder) key() []byte {
	raw := d.raw(d.value())
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	return []byte(unquote(raw))
}

// unquote returns the meaning of a JSON string literal.
func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var text string
	_ = json.Unmarshal(raw, &text) // valid by the first check of the document
	return text
}

// under runs the function with one more step in the location.
func (d *decoder) under(step any, run func()) {
	d.loc = append(d.loc, step)
	run()
	d.loc = d.loc[:len(d.loc)-1]
}

func (d *decoder) mistake(kind string, input span, message string, arguments ...any) *FieldError {
	d.mistakes = append(d.mistakes, FieldError{
		Type:  kind,
		Loc:   append([]any(nil), d.loc...),
		Msg:   fmt.Sprintf(message, arguments...),
		Input: d.raw(input),
	})
	return &d.mistakes[len(d.mistakes)-1]
}

func notAnObject(loc []any, input json.RawMessage) FieldError {
	return FieldError{
		Type: "model_attributes_type", Loc: loc, Input: input,
		Msg: "Input should be a valid dictionary or object to extract fields from",
	}
}
