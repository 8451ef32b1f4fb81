package forstsidecar

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
)

// sources are where a parameter can come from, in the order in which FastAPI looks
// at them.
var sources = [...]string{"path", "query", "header", "cookie"}

// inputPlan fills a struct from a request.
type inputPlan struct {
	params   []paramPlan
	body     *bodyPlan
	defaults bool
}

// paramPlan fills one field from the text of a parameter.
type paramPlan struct {
	source, name string
	index        []int
	optional     bool
	isList       bool
	plan         plan
}

type bodyPlan struct {
	index    []int
	optional bool
	plan     plan
}

func newInputPlan(t reflect.Type) *inputPlan {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("forstsidecar: the input of an endpoint is a struct, not %s", t))
	}
	p := &inputPlan{defaults: reflect.PointerTo(t).Implements(reflect.TypeFor[Defaulter]())}
	placed := 0
	for _, source := range sources {
		for _, field := range reflect.VisibleFields(t) {
			if name, ok := field.Tag.Lookup(source); ok {
				p.params = append(p.params, newParamPlan(t, field, source, name))
				placed++
			}
		}
	}
	for _, field := range reflect.VisibleFields(t) {
		if _, ok := field.Tag.Lookup("body"); ok {
			r := parseRules(t, field, false)
			p.body = &bodyPlan{field.Index, r.optional, newPlan(field.Type, r, map[reflect.Type]*lazyPlan{})}
			placed++
		}
	}
	if placed != t.NumField() {
		panic(fmt.Sprintf("forstsidecar: each field of %s needs one tag: path, query, header, cookie or body", t))
	}
	return p
}

func newParamPlan(t reflect.Type, field reflect.StructField, source, name string) paramPlan {
	r := parseRules(t, field, true)
	bare := field.Type
	if bare.Kind() == reflect.Pointer {
		bare = bare.Elem()
	}
	isCustom := reflect.PointerTo(bare).Implements(jsonUnmarshaler)
	return paramPlan{
		source: source, name: name, index: field.Index, optional: r.optional,
		isList: bare.Kind() == reflect.Slice && !isCustom,
		plan:   newPlan(field.Type, r, map[reflect.Type]*lazyPlan{}),
	}
}

// read fills the target; the error is what [WriteError] answers.
func (p *inputPlan) read(w http.ResponseWriter, r *http.Request, limit int64, target reflect.Value) error {
	if p.defaults {
		target.Addr().Interface().(Defaulter).SetDefaults()
	}
	var ofBody ValidationError
	if p.body != nil {
		err := p.body.read(w, r, limit, target.FieldByIndex(p.body.index))
		if err != nil && (!errors.As(err, &ofBody) || ofBody[0].Type == "json_invalid") {
			return err // FastAPI looks at nothing else then
		}
	}
	var mistakes ValidationError
	values := parameters{r: r}
	for _, param := range p.params {
		mistakes = append(mistakes, param.read(&values, target.FieldByIndex(param.index))...)
	}
	if mistakes = append(mistakes, ofBody...); len(mistakes) > 0 {
		return mistakes
	}
	return nil
}

func (p *bodyPlan) read(w http.ResponseWriter, r *http.Request, limit int64, target reflect.Value) error {
	body, err := readBody(http.MaxBytesReader(w, r.Body, limit), r.ContentLength, limit)
	switch {
	case err != nil:
		return err
	case len(body) == 0 && p.optional:
		return nil
	case len(body) == 0:
		return missingBody()
	case !isJSON(r.Header.Get("Content-Type")):
		raw, _ := json.Marshal(string(body)) // a string: cannot fail
		return decodeWith(raw, p.plan, target)
	}
	return decodeWith(body, p.plan, target)
}

func (p *paramPlan) read(values *parameters, target reflect.Value) ValidationError {
	found := values.of(p.source, p.name)
	loc := []any{p.source, p.name}
	if len(found) == 0 {
		if p.optional {
			return nil
		}
		return ValidationError{{Type: "missing", Loc: loc, Msg: "Field required", Input: json.RawMessage("null")}}
	}
	// As a JSON document, the text takes the way that a body does.
	var document []byte
	if p.isList {
		document, _ = json.Marshal(found)
	} else {
		document, _ = json.Marshal(found[len(found)-1])
	}
	d := &decoder{text: document, loc: loc}
	p.plan.decode(d, target)
	return d.mistakes
}

// parameters finds what a request says under a name; the query is parsed once.
type parameters struct {
	r     *http.Request
	query map[string][]string
}

func (p *parameters) of(source, name string) []string {
	switch source {
	case "path":
		return []string{p.r.PathValue(name)}
	case "header":
		return firstOf(headerValues(p.r, name))
	case "cookie":
		return p.cookies(name)
	}
	if p.query == nil {
		p.query = parseQuery(p.r.URL.RawQuery)
	}
	return p.query[name]
}

// headerValues reads the field Host too, which net/http keeps apart.
func headerValues(r *http.Request, name string) []string {
	if strings.EqualFold(name, "host") {
		return []string{r.Host}
	}
	return r.Header.Values(name)
}

// firstOf keeps the value that Starlette takes of several lines of one field.
func firstOf(values []string) []string { return values[:min(len(values), 1)] }

func (p *parameters) cookies(name string) (values []string) {
	for _, cookie := range p.r.CookiesNamed(name) {
		values = append(values, cookie.Value)
	}
	return values
}
