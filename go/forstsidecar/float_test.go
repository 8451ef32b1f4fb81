package forstsidecar

import (
	"encoding/json"
	"math"
	"testing"
)

func TestFloatLooksLikeOne(t *testing.T) {
	for number, expected := range map[Float]string{
		0: "0.0", 3: "3.0", -2.5: "-2.5", 0.1: "0.1", 1e15: "1000000000000000.0", 1e16: "1e+16",
		5.229840022273327e16: "5.229840022273327e+16", 1e-4: "0.0001", 1e-5: "1e-05", -1e300: "-1e+300",
	} {
		if got := encode(t, number); got != expected {
			t.Errorf("got %s, expected %s", got, expected)
		}
	}
	for _, number := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if text, err := json.Marshal(Float(number)); err == nil {
			t.Errorf("got %s", text)
		}
	}
}
