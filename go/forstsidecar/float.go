package forstsidecar

import (
	"math"
	"strconv"
)

// Float is a float64 that looks like one in JSON, as in Python: 3 is written 3.0,
// and what has more than sixteen digits before the point has an exponent.
//
// encoding/json writes 3 and 52298400222733270 instead. They denote the same
// floats, but a reader that tells integers from floats takes them for integers,
// and the second for another number than 5.229840022273327e+16.
type Float float64

// MarshalJSON implements json.Marshaler.
func (f Float) MarshalJSON() ([]byte, error) {
	number := float64(f)
	if math.IsInf(number, 0) || math.IsNaN(number) {
		return nil, &strconv.NumError{Func: "Float.MarshalJSON", Num: strconv.FormatFloat(number, 'g', -1, 64), Err: strconv.ErrRange}
	}
	size := math.Abs(number)
	if size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.AppendFloat(nil, number, 'e', -1, 64), nil
	}
	text := strconv.AppendFloat(nil, number, 'f', -1, 64)
	if number == math.Trunc(number) {
		text = append(text, ".0"...)
	}
	return text, nil
}
