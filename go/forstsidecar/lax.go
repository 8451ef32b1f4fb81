package forstsidecar

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// What pydantic converts unless a model is strict. Each function returns a number
// literal for what stands there, what stands there itself if it is of no use at
// all, or nil once it has said what is wrong.

func (d *decoder) laxInt(here span) []byte {
	raw := d.raw(here)
	switch first := raw[0]; {
	case first == 't':
		return []byte("1")
	case first == 'f':
		return []byte("0")
	case first == '"':
		return d.intOfText(here, unquote(raw))
	case isNumber(first) && !isInteger(raw):
		return d.intOfFloat(here, raw)
	}
	return raw
}

func (d *decoder) intOfText(here span, text string) []byte {
	number, ok := pythonInt(text)
	if !ok {
		d.mistake("int_parsing", here, "Input should be a valid integer, unable to parse string as an integer")
		return nil
	}
	if number == math.MaxInt64 || number == math.MinInt64 { // it may have saturated: the digits decide
		whole, _, _ := strings.Cut(strings.TrimSpace(text), ".")
		return []byte(strings.ReplaceAll(strings.TrimPrefix(whole, "+"), "_", ""))
	}
	return strconv.AppendInt(nil, number, 10)
}

func (d *decoder) intOfFloat(here span, raw []byte) []byte {
	number, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil:
		d.mistake("finite_number", here, "Input should be a finite number")
		return nil
	case number != math.Trunc(number):
		d.mistake("int_from_float", here, "Input should be a valid integer, got a number with a fractional part")
		return nil
	}
	return strconv.AppendFloat(nil, number, 'f', 0, 64)
}

func (d *decoder) laxFloat(here span) []byte {
	raw := d.raw(here)
	switch raw[0] {
	case 't':
		return []byte("1.0")
	case 'f':
		return []byte("0.0")
	case '"':
		return d.floatOfText(here, unquote(raw))
	}
	return raw
}

// floatOfText takes what Python's float() takes, but for infinities and NaN,
// which have no form in JSON to be answered in.
func (d *decoder) floatOfText(here span, text string) []byte {
	text = strings.TrimSpace(text)
	number, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	isHexadecimal := strings.ContainsAny(text, "xXpP")
	switch {
	case math.IsNaN(number) || math.IsInf(number, 0) && (err == nil || errors.Is(err, strconv.ErrRange)):
		d.mistake("finite_number", here, "Input should be a finite number")
		return nil
	case err != nil || isHexadecimal || hasStrayUnderscore(text):
		d.mistake("float_parsing", here, "Input should be a valid number, unable to parse string as a number")
		return nil
	}
	return strconv.AppendFloat(nil, number, 'e', -1, 64)
}

// hasStrayUnderscore tells of an underscore that does not stand between digits.
func hasStrayUnderscore(text string) bool {
	isDigit := func(at int) bool { return at >= 0 && at < len(text) && text[at] >= '0' && text[at] <= '9' }
	for at := range len(text) {
		if text[at] == '_' && !(isDigit(at-1) && isDigit(at+1)) {
			return true
		}
	}
	return false
}

func (d *decoder) laxBool(here span, target reflect.Value) {
	raw := d.raw(here)
	switch first := raw[0]; {
	case first == '"':
		switch strings.ToLower(unquote(raw)) {
		case "1", "on", "t", "true", "y", "yes":
			target.SetBool(true)
			return
		case "0", "off", "f", "false", "n", "no":
			target.SetBool(false)
			return
		}
	case isNumber(first):
		number, _ := strconv.ParseFloat(string(raw), 64)
		if number == 0 || number == 1 {
			target.SetBool(number == 1)
			return
		}
		if number != math.Trunc(number) || number >= math.MaxInt64 || number <= math.MinInt64 {
			d.mistake("bool_type", here, "Input should be a valid boolean")
			return
		}
	default:
		d.mistake("bool_type", here, "Input should be a valid boolean")
		return
	}
	d.mistake("bool_parsing", here, "Input should be a valid boolean, unable to interpret input")
}
