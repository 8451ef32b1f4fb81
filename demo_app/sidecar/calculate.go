package main

import (
	"context"
	"math"
	"net/http"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

type calculation struct {
	Values []float64 `json:"values" forst:"min=1,max=1000000"`
}

type statistics struct {
	Count    int                `json:"count"`
	Sum      forstsidecar.Float `json:"sum"`
	Average  forstsidecar.Float `json:"average"`
	Variance forstsidecar.Float `json:"variance"` // of the population
}

func calculate(_ context.Context, in calculation) (*statistics, error) {
	count := float64(len(in.Values))
	total := sum(in.Values, func(x float64) float64 { return x })
	average := total / count
	squares := sum(in.Values, func(x float64) float64 { return float64(float64(x-average) * float64(x-average)) })
	if !isFinite(total) || !isFinite(squares) {
		return nil, &forstsidecar.HTTPError{Status: http.StatusBadRequest, Detail: "the result is out of range"}
	}
	return &statistics{
		Count:    len(in.Values),
		Sum:      forstsidecar.Float(total),
		Average:  forstsidecar.Float(average),
		Variance: forstsidecar.Float(squares / count),
	}, nil
}

func isFinite(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) }

// sum is Neumaier's: it carries what each addition loses to rounding. The
// explicit conversions keep the compiler from fusing operations (Go
// specification, "Floating-point operators"), which would round differently
// from Python on some processors.
func sum(values []float64, term func(float64) float64) float64 {
	total, lost := 0.0, 0.0
	for _, value := range values {
		x := term(value)
		next := float64(total + x)
		if math.Abs(total) >= math.Abs(x) {
			lost = float64(lost + float64(float64(total-next)+x))
		} else {
			lost = float64(lost + float64(float64(x-next)+total))
		}
		total = next
	}
	return total + lost
}
