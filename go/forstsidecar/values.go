package forstsidecar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// customPlan leaves the decoding to the type, or to encoding/json.
type customPlan struct{}

func (customPlan) decode(d *decoder, target reflect.Value) {
	here := d.value()
	err := json.Unmarshal(d.raw(here), target.Addr().Interface())
	var known FieldError
	switch {
	case err == nil:
	case errors.As(err, &known):
		d.mistake(known.Type, here, "%s", known.Msg).Ctx = known.Ctx
	default:
		d.mistake("value_error", here, "Value error, %s", err)
	}
}

// pointerPlan takes null for nil.
type pointerPlan struct{ to plan }

func (p pointerPlan) decode(d *decoder, target reflect.Value) {
	if d.peek() == 'n' {
		d.value()
		target.SetZero()
		return
	}
	target.Set(reflect.New(target.Type().Elem()))
	p.to.decode(d, target.Elem())
}

// mapPlan decodes an object whose names are data.
type mapPlan struct{ values plan }

func (p mapPlan) decode(d *decoder, target reflect.Value) {
	if d.peek() != '{' {
		d.mistake("dict_type", d.value(), "Input should be a valid dictionary")
		return
	}
	made := reflect.MakeMap(target.Type())
	d.members(func(key []byte, value span) {
		name, end := string(key), d.pos
		d.pos = value.start
		element := reflect.New(target.Type().Elem()).Elem()
		d.under(name, func() { p.values.decode(d, element) })
		made.SetMapIndex(reflect.ValueOf(name).Convert(target.Type().Key()), element)
		d.pos = end
	})
	target.Set(made)
}

// listPlan decodes a list into a slice that is never nil.
type listPlan struct {
	rules
	element plan
}

func newListPlan(t reflect.Type, r rules, open map[reflect.Type]*lazyPlan) plan {
	return &listPlan{r, newPlan(t.Elem(), rules{isLax: r.isLax}, open)}
}

func (p *listPlan) decode(d *decoder, target reflect.Value) {
	if d.peek() != '[' {
		d.mistake("list_type", d.value(), "Input should be a valid list")
		return
	}
	here, count := d.measureList(p.greatest != nil)
	if p.greatest != nil && float64(count) > *p.greatest {
		d.lengthMistake("too_long", "most", "max_length", here, *p.greatest, count)
		return
	}
	before := len(d.mistakes)
	d.pos = here.start
	p.decodeElements(d, target, count)
	if length := target.Len(); len(d.mistakes) == before && p.least != nil && float64(length) < *p.least {
		d.lengthMistake("too_short", "least", "min_length", here, *p.least, length)
	}
}

// measureList returns where the list here stands and, if asked, how long it is.
func (d *decoder) measureList(counted bool) (span, int) {
	here, count := span{start: d.pos}, 0
	if counted {
		d.elements(func(int) { count++; d.value() })
	} else {
		d.value()
	}
	here.end = d.pos
	return here, count
}

func (p *listPlan) decodeElements(d *decoder, target reflect.Value, count int) {
	target.Set(reflect.MakeSlice(target.Type(), 0, count))
	d.elements(func(index int) {
		if index >= target.Cap() {
			target.Grow(1)
		}
		target.SetLen(index + 1)
		element := target.Index(index)
		element.SetZero() // grown memory may hold what an earlier request left
		if index == 0 {
			d.loc = append(d.loc, nil)
		}
		d.loc[len(d.loc)-1] = index
		p.element.decode(d, element)
	})
	if target.Len() > 0 {
		d.loc = d.loc[:len(d.loc)-1]
	}
}

func (d *decoder) lengthMistake(kind, word, key string, here span, allowed float64, length int) {
	plural := "s"
	if allowed == 1 {
		plural = ""
	}
	d.mistake(kind, here, "List should have at %s %s item%s after validation, not %d", word, plain(allowed), plural, length).
		Ctx = map[string]any{"field_type": "List", key: allowed, "actual_length": length}
}

// scalarPlan decodes a string, a boolean or a number.
type scalarPlan struct {
	rules
	kind  reflect.Kind
	parse func(p *scalarPlan, d *decoder, here span, target reflect.Value)
}

func newScalarPlan(t reflect.Type, r rules) plan {
	made := &scalarPlan{rules: r, kind: t.Kind()}
	switch t.Kind() {
	case reflect.String:
		made.parse = parseString
	case reflect.Bool:
		made.parse = parseBool
	case reflect.Float32, reflect.Float64:
		made.parse = parseFloat
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		made.parse = parseInt
	default:
		panic(fmt.Sprintf("forstsidecar: cannot decode JSON into %s", t))
	}
	return made
}

func (p *scalarPlan) decode(d *decoder, target reflect.Value) { p.parse(p, d, d.value(), target) }

func parseString(p *scalarPlan, d *decoder, here span, target reflect.Value) {
	raw := d.raw(here)
	if raw[0] != '"' {
		d.mistake("string_type", here, "Input should be a valid string")
		return
	}
	text := unquote(raw)
	if bytes.IndexByte(raw, '\\') >= 0 && hasLoneSurrogate(raw) {
		// The input is not echoed: it has no valid encoding.
		d.mistake("string_unicode", here, "Input should be a valid string, unable to parse raw data as a unicode string").Input = nil
		return
	}
	target.SetString(text)
	p.checkString(d, here, text)
}

func (p *scalarPlan) checkString(d *decoder, here span, text string) {
	length := 0.0
	if p.least != nil || p.greatest != nil {
		length = float64(utf8.RuneCountInString(text))
	}
	switch {
	case p.least != nil && length < *p.least:
		d.stringMistake("string_too_short", "least", "min_length", here, *p.least)
	case p.greatest != nil && length > *p.greatest:
		d.stringMistake("string_too_long", "most", "max_length", here, *p.greatest)
	case p.pattern != nil && !p.pattern.MatchString(text):
		d.mistake("string_pattern_mismatch", here, "String should match pattern '%s'", p.pattern).
			Ctx = map[string]any{"pattern": p.pattern.String()}
	}
}

func (d *decoder) stringMistake(kind, word, key string, here span, allowed float64) {
	d.mistake(kind, here, "%s", stringLimit(word, allowed)).Ctx = map[string]any{key: allowed}
}

func stringLimit(word string, allowed float64) string {
	plural := "s"
	if allowed == 1 {
		plural = ""
	}
	return fmt.Sprintf("String should have at %s %s character%s", word, plain(allowed), plural)
}

// hasLoneSurrogate looks for half of a UTF-16 pair, which \u can spell and UTF-8
// cannot (RFC 8259, section 8.2).
func hasLoneSurrogate(raw []byte) bool {
	high := false
	for i := 1; i < len(raw)-1; {
		unit, width := escapedUnit(raw[i:])
		low := unit >= 0xDC00 && unit <= 0xDFFF
		if low != high {
			return true
		}
		high = unit >= 0xD800 && unit <= 0xDBFF
		i += width
	}
	return high
}

// escapedUnit returns the UTF-16 unit that \u spells here, or 0, and how many
// bytes to move on.
func escapedUnit(raw []byte) (uint64, int) {
	switch {
	case raw[0] != '\\':
		return 0, 1
	case raw[1] != 'u':
		return 0, 2
	}
	unit, _ := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return unit, 6
}

func parseBool(p *scalarPlan, d *decoder, here span, target reflect.Value) {
	switch first := d.text[here.start]; {
	case first == 't' || first == 'f':
		target.SetBool(first == 't')
	case p.isLax:
		d.laxBool(here, target)
	default:
		d.mistake("bool_type", here, "Input should be a valid boolean")
	}
}

func isNumber(first byte) bool { return first == '-' || first >= '0' && first <= '9' }

func isInteger(raw []byte) bool { return isNumber(raw[0]) && !bytes.ContainsAny(raw, ".eE") }

func parseFloat(p *scalarPlan, d *decoder, here span, target reflect.Value) {
	raw := d.raw(here)
	if p.isLax {
		raw = d.laxFloat(here)
	}
	switch {
	case raw == nil:
		return
	case !isNumber(raw[0]):
		d.mistake("float_type", here, "Input should be a valid number")
		return
	}
	number, err := strconv.ParseFloat(string(raw), target.Type().Bits())
	switch {
	case err != nil && isInteger(raw): // pydantic has no float for such an integer
		d.mistake("float_type", here, "Input should be a valid number")
		return
	case err != nil:
		d.mistake("finite_number", here, "Input should be a finite number")
		return
	case number == 0 && isInteger(raw):
		number = 0 // the integer -0 is 0
	}
	target.SetFloat(number)
	p.checkNumber(d, here, number)
}

func parseInt(p *scalarPlan, d *decoder, here span, target reflect.Value) {
	raw := d.raw(here)
	if p.isLax {
		raw = d.laxInt(here)
	}
	switch {
	case raw == nil:
		return
	case !isInteger(raw):
		d.mistake("int_type", here, "Input should be a valid integer")
		return
	}
	number, err := strconv.ParseInt(string(raw), 10, target.Type().Bits())
	if errors.Is(err, strconv.ErrRange) && !p.limits(raw) {
		d.mistake("int_parsing_size", here, "Unable to parse input string as an integer, exceeded maximum size")
		return
	}
	target.SetInt(number)
	p.checkNumber(d, here, float64(number))
}

// limits says whether a limit will catch a number too large for the type.
func (p *scalarPlan) limits(raw []byte) bool {
	if raw[0] == '-' {
		return isWithin(p.least) || isWithin(p.above)
	}
	return isWithin(p.greatest) || isWithin(p.below)
}

func isWithin(limit *float64) bool {
	return limit != nil && *limit > math.MinInt64 && *limit < math.MaxInt64
}

// checkNumber looks at the limits in pydantic's order.
func (p *scalarPlan) checkNumber(d *decoder, here span, number float64) {
	switch {
	case p.greatest != nil && number > *p.greatest:
		p.numberMistake(d, here, "less_than_equal", "less than or equal to", "le", *p.greatest)
	case p.below != nil && number >= *p.below:
		p.numberMistake(d, here, "less_than", "less than", "lt", *p.below)
	case p.least != nil && number < *p.least:
		p.numberMistake(d, here, "greater_than_equal", "greater than or equal to", "ge", *p.least)
	case p.above != nil && number <= *p.above:
		p.numberMistake(d, here, "greater_than", "greater than", "gt", *p.above)
	}
}

func (p *scalarPlan) numberMistake(d *decoder, here span, kind, words, key string, allowed float64) {
	var limit any = allowed
	if p.kind == reflect.Float64 || p.kind == reflect.Float32 {
		limit = Float(allowed) // 0.0, as the limit of a float is in Python
	}
	d.mistake(kind, here, "Input should be %s %s", words, plain(allowed)).Ctx = map[string]any{key: limit}
}

func plain(limit float64) string { return strconv.FormatFloat(limit, 'f', -1, 64) }
