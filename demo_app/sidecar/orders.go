package main

import (
	"context"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

type batch struct {
	Target string  `json:"target" forst:"optional"`
	Orders []order `json:"orders" forst:"min=1,max=100000"`
}

// SetDefaults implements forstsidecar.Defaulter.
func (b *batch) SetDefaults() { b.Target = "EUR" }

type order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Email    string `json:"email"`
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
	PlacedAt string `json:"placed_at"`
}

type accepted struct {
	ID             string `json:"id"`
	Customer       string `json:"customer"`
	Email          string `json:"email"`
	AmountCents    int64  `json:"amount_cents"`
	Currency       string `json:"currency"`
	ConvertedCents int64  `json:"converted_cents"`
	PlacedAt       string `json:"placed_at"`
}

type rejected struct {
	Index int    `json:"index"`
	ID    string `json:"id"`
	Field string `json:"field"`
	Code  string `json:"code"`
}

type subtotal struct {
	Count       int   `json:"count"`
	AmountCents int64 `json:"amount_cents"`
}

type totals struct {
	Accepted       int                 `json:"accepted"`
	Rejected       int                 `json:"rejected"`
	ConvertedCents int64               `json:"converted_cents"`
	ByCurrency     map[string]subtotal `json:"by_currency"`
}

type processed struct {
	Target string     `json:"target"`
	Orders []accepted `json:"orders"`
	Errors []rejected `json:"errors"`
	Totals totals     `json:"totals"`
}

// processData normalises a batch of orders. A bad order does not fail the batch:
// it is left out, and everything that is wrong with it is listed.
func processData(_ context.Context, in batch) (*processed, error) {
	rate, known := rates[in.Target]
	if !known {
		return nil, &forstsidecar.HTTPError{Status: http.StatusBadRequest, Detail: "unknown target currency"}
	}
	out := &processed{
		Target: in.Target,
		Orders: make([]accepted, 0, len(in.Orders)),
		Errors: []rejected{},
		Totals: totals{ByCurrency: map[string]subtotal{}},
	}
	seen := make(map[string]bool, len(in.Orders))
	for index, raw := range in.Orders {
		good, problems := normalise(raw, rate, seen)
		if len(problems) > 0 {
			out.reject(index, good.ID, problems)
			continue
		}
		out.accept(good)
	}
	return out, nil
}

func (p *processed) accept(o accepted) {
	p.Orders = append(p.Orders, o)
	p.Totals.Accepted++
	p.Totals.ConvertedCents += o.ConvertedCents
	sub := p.Totals.ByCurrency[o.Currency]
	p.Totals.ByCurrency[o.Currency] = subtotal{sub.Count + 1, sub.AmountCents + o.AmountCents}
}

func (p *processed) reject(index int, id string, problems []problem) {
	p.Totals.Rejected++
	for _, each := range problems {
		p.Errors = append(p.Errors, rejected{index, id, each.field, each.code})
	}
}

type problem struct{ field, code string }

func normalise(raw order, target int64, seen map[string]bool) (o accepted, problems []problem) {
	check := func(code, field string) {
		if code != "" {
			problems = append(problems, problem{field, code})
		}
	}
	var code string
	o.ID, code = normaliseID(raw.ID, seen)
	check(code, "id")
	o.Customer, code = normaliseName(raw.Customer)
	check(code, "customer")
	o.Email, code = normaliseEmail(raw.Email)
	check(code, "email")
	o.AmountCents, code = parseCents(raw.Amount)
	check(code, "amount")
	o.Currency = asciiUpper(trim(raw.Currency))
	rate, known := rates[o.Currency]
	if !known {
		check("unknown", "currency")
	}
	o.PlacedAt, code = normaliseTime(trim(raw.PlacedAt))
	check(code, "placed_at")
	if len(problems) == 0 {
		o.ConvertedCents = halfEven(o.AmountCents*rate, target)
	}
	return o, problems
}

func normaliseID(raw string, seen map[string]bool) (string, string) {
	id := trim(raw)
	switch length := utf8.RuneCountInString(id); {
	case length == 0:
		return id, "empty"
	case length > 64:
		return id, "too_long"
	case seen[id]:
		return id, "duplicate"
	}
	seen[id] = true
	return id, ""
}

// normaliseName makes runs of white space one space, and the first ASCII letter
// of each part upper case, the others lower case. Other letters stay as they are:
// their case is a matter of language.
func normaliseName(raw string) (string, string) {
	name := []byte(strings.Join(strings.FieldsFunc(raw, isSpace), " "))
	start := true
	for i, c := range name {
		switch {
		case start && c >= 'a' && c <= 'z':
			name[i] = c - 'a' + 'A'
		case !start && c >= 'A' && c <= 'Z':
			name[i] = c - 'A' + 'a'
		}
		start = c == ' ' || c == '-' || c == '\''
	}
	switch length := utf8.RuneCount(name); {
	case length == 0:
		return "", "empty"
	case length > 100:
		return string(name), "too_long"
	}
	return string(name), ""
}

func normaliseEmail(raw string) (string, string) {
	email := asciiLower(trim(raw))
	local, domain, _ := strings.Cut(email, "@")
	if len(email) > 254 || !isLocalPart(local) || !isDomain(domain) {
		return email, "invalid"
	}
	return email, ""
}
