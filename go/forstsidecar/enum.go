package forstsidecar

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Enumerated is a string or integer type with a fixed set of values, as an Enum or
// a Literal is in Python. [Decode] refuses others.
//
//	type Size string
//
//	const (
//		SizeS Size = "S"
//		SizeL Size = "L"
//	)
//
//	func (Size) Choices() []any { return []any{SizeS, SizeL} }
type Enumerated interface {
	// Choices lists the values, each of the type itself, in the order in which
	// Python has them.
	Choices() []any
}

// enumPlan decodes one of a fixed set of values.
type enumPlan struct {
	kind     string
	expected string
	isLax    bool
	byText   map[string]reflect.Value
	byNumber map[int64]reflect.Value
}

func newEnumPlan(t reflect.Type, r rules) plan {
	p := &enumPlan{kind: "enum", isLax: r.isLax, byText: map[string]reflect.Value{}, byNumber: map[int64]reflect.Value{}}
	if r.isLiteral {
		p.kind = "literal_error"
	}
	var words []string
	for _, choice := range reflect.Zero(t).Interface().(Enumerated).Choices() {
		value := reflect.ValueOf(choice)
		switch {
		case value.Type() != t:
			panic(fmt.Sprintf("forstsidecar: %s.Choices: got a %s", t, value.Type()))
		case t.Kind() == reflect.String:
			p.byText[value.String()] = value
			words = append(words, "'"+value.String()+"'")
		default:
			p.byNumber[value.Int()] = value
			words = append(words, strconv.FormatInt(value.Int(), 10))
		}
	}
	p.expected = either(words)
	return p
}

// either joins words as pydantic does: 'a', 'b' or 'c'.
func either(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (p *enumPlan) decode(d *decoder, target reflect.Value) {
	here := d.value()
	if value, ok := p.find(d.raw(here)); ok {
		target.Set(value)
		return
	}
	d.mistake(p.kind, here, "Input should be %s", p.expected).Ctx = map[string]any{"expected": p.expected}
}

func (p *enumPlan) find(raw []byte) (value reflect.Value, ok bool) {
	if raw[0] == '"' && len(p.byText) > 0 {
		value, ok = p.byText[unquote(raw)]
		return value, ok
	}
	number, ok := p.number(raw)
	if !ok {
		return value, false
	}
	value, ok = p.byNumber[number]
	return value, ok
}

// number is what Python compares with the values of an IntEnum: to it, 1, 1.0 and
// True are equal.
func (p *enumPlan) number(raw []byte) (int64, bool) {
	switch first := raw[0]; {
	case isInteger(raw):
		number, err := strconv.ParseInt(string(raw), 10, 64)
		return number, err == nil
	case !p.isLax:
		return 0, false
	case first == 't':
		return 1, true
	case first == 'f':
		return 0, true
	case first == '"':
		return pythonInt(unquote(raw))
	case isNumber(first):
		number, err := strconv.ParseFloat(string(raw), 64)
		return int64(number), err == nil && number == math.Trunc(number)
	}
	return 0, false
}
