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
	case !fitsInt64(number):
		d.mistake("int_parsing_size", here, "Unable to parse input string as an integer, exceeded maximum size")
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

// floatOfText takes what pydantic takes, but for infinities and NaN, which have no
// form in JSON to be answered in.
func (d *decoder) floatOfText(here span, text string) []byte {
	number, err := pythonFloat(text)
	switch {
	case math.IsNaN(number) || math.IsInf(number, 0) && (err == nil || errors.Is(err, strconv.ErrRange)):
		d.mistake("finite_number", here, "Input should be a finite number")
		return nil
	case err != nil:
		d.mistake("float_parsing", here, "Input should be a valid number, unable to parse string as a number")
		return nil
	}
	return strconv.AppendFloat(nil, number, 'e', -1, 64)
}

// pythonFloat allows space around a number, or single underscores within it, but
// not both.
func pythonFloat(text string) (float64, error) {
	switch {
	case strings.ContainsAny(text, "xXpP"): // hexadecimal is Go's own
		return 0, strconv.ErrSyntax
	case !strings.Contains(text, "_"):
		text = strings.TrimSpace(text)
	case strings.HasPrefix(text, "_") || strings.HasSuffix(text, "_") || strings.Contains(text, "__"):
		return 0, strconv.ErrSyntax
	default:
		text = strings.ReplaceAll(text, "_", "")
	}
	return strconv.ParseFloat(text, 64)
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
		if !isInt64(raw, number) {
			d.mistake("bool_type", here, "Input should be a valid boolean")
			return
		}
	default:
		d.mistake("bool_type", here, "Input should be a valid boolean")
		return
	}
	d.mistake("bool_parsing", here, "Input should be a valid boolean, unable to interpret input")
}

// isInt64 says whether a number literal stands for an integer of 64 bits.
func isInt64(raw []byte, number float64) bool {
	if isInteger(raw) {
		_, err := strconv.ParseInt(string(raw), 10, 64)
		return err == nil
	}
	return number == math.Trunc(number) && fitsInt64(number)
}

// fitsInt64 is strict about the least one too, as pydantic is: as a float it may
// stand for another number.
func fitsInt64(number float64) bool { return number > math.MinInt64 && number < math.MaxInt64 }
