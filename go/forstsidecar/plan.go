package forstsidecar

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// plan decodes the value at the decoder's position into a variable of one type,
// and moves on to the value's end.
type plan interface {
	decode(d *decoder, target reflect.Value)
}

var plans sync.Map // reflect.Type -> plan: what is derived from a type never changes

// planOf panics if the type cannot be decoded: a mistake in the program.
func planOf(t reflect.Type) plan {
	if known, ok := plans.Load(t); ok {
		return known.(plan)
	}
	made, _ := plans.LoadOrStore(t, newPlan(t, rules{}, map[reflect.Type]*lazyPlan{}))
	return made.(plan)
}

// lazyPlan stands for a struct within itself.
type lazyPlan struct{ plan }

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func newPlan(t reflect.Type, r rules, open map[reflect.Type]*lazyPlan) plan {
	if reflect.PointerTo(t).Implements(jsonUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler) {
		return customPlan{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return pointerPlan{newPlan(t.Elem(), r, open)}
	case reflect.String, reflect.Int, reflect.Int32, reflect.Int64:
		if t.Implements(reflect.TypeFor[Enumerated]()) {
			return newEnumPlan(t, r)
		}
	case reflect.Struct:
		return newStructPlan(t, open)
	case reflect.Slice:
		return newListPlan(t, r, open)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			panic(fmt.Sprintf("forstsidecar: cannot decode into %s: the keys of a JSON object are strings", t))
		}
		return mapPlan{newPlan(t.Elem(), rules{isLax: r.isLax}, open)}
	case reflect.Interface:
		return customPlan{}
	}
	return newScalarPlan(t, r)
}

// rules is what the tags say about one field.
type rules struct {
	optional        bool
	isLax           bool
	isLiteral       bool
	least, greatest *float64
	above, below    *float64
	pattern         *regexp.Regexp
}

func parseRules(t reflect.Type, field reflect.StructField, isLax bool) rules {
	r := rules{isLax: isLax}
	for _, part := range strings.Split(field.Tag.Get("forst"), ",") {
		r.add(t, field, part)
	}
	if pattern := field.Tag.Get("pattern"); pattern != "" {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			panic(fmt.Sprintf("forstsidecar: %s.%s: %s", t, field.Name, err))
		}
		r.pattern = compiled
	}
	return r
}

func (r *rules) add(t reflect.Type, field reflect.StructField, part string) {
	name, value, _ := strings.Cut(part, "=")
	switch name {
	case "":
	case "optional":
		r.optional = true
	case "lax":
		r.isLax = true
	case "literal":
		r.isLiteral = true
	case "min":
		r.least = limit(t, field, value)
	case "max":
		r.greatest = limit(t, field, value)
	case "above":
		r.above = limit(t, field, value)
	case "below":
		r.below = limit(t, field, value)
	default:
		panic(fmt.Sprintf("forstsidecar: %s.%s: unknown rule %q in the forst tag: "+
			"expected optional, lax, literal, min=, max=, above= or below=", t, field.Name, part))
	}
}

func limit(t reflect.Type, field reflect.StructField, value string) *float64 {
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		panic(fmt.Sprintf("forstsidecar: %s.%s: %q in the forst tag is not a number", t, field.Name, value))
	}
	return &number
}

// structPlan decodes an object with known names.
type structPlan struct {
	fields       []fieldPlan
	byName       map[string]int
	defaults     bool
	ignoresExtra bool
}

type fieldPlan struct {
	step     any // the name, boxed once: it is put into every location
	index    []int
	optional bool
	plan     plan
}

func newStructPlan(t reflect.Type, open map[reflect.Type]*lazyPlan) plan {
	if known, ok := open[t]; ok {
		return known
	}
	lazy := &lazyPlan{}
	open[t] = lazy
	made := &structPlan{byName: map[string]int{}, defaults: reflect.PointerTo(t).Implements(reflect.TypeFor[Defaulter]())}
	isLax, ignoresExtra := parseManners(t)
	made.ignoresExtra = ignoresExtra
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || !field.IsExported() || field.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		r := parseRules(t, field, isLax)
		made.byName[name] = len(made.fields)
		made.fields = append(made.fields, fieldPlan{name, field.Index, r.optional, newPlan(field.Type, r, open)})
	}
	lazy.plan = made
	delete(open, t)
	return made
}

// parseManners reads what the tag of a blank field says about the whole struct.
func parseManners(t reflect.Type) (isLax, ignoresExtra bool) {
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Name != "_" {
			continue
		}
		for _, part := range strings.Split(field.Tag.Get("forst"), ",") {
			switch part {
			case "":
			case "lax":
				isLax = true
			case "ignore":
				ignoresExtra = true
			default:
				panic(fmt.Sprintf("forstsidecar: %s: unknown rule %q in the forst tag of _: expected lax or ignore", t, part))
			}
		}
	}
	return isLax, ignoresExtra
}

// maxDepth is how many objects may be within each other, as in pydantic.
const maxDepth = 255

// decode notes where each member stands before it decodes any, because pydantic
// reports in the order of the fields, then the extra ones in the order of the
// input, and lets the last of several equal keys count.
func (p *structPlan) decode(d *decoder, target reflect.Value) {
	if d.peek() != '{' {
		d.mistakes = append(d.mistakes, notAnObject(append([]any(nil), d.loc...), d.raw(d.value())))
		return
	}
	if d.depth++; d.depth > maxDepth {
		d.mistake("recursion_depth_exceeded", d.value(), "Recursion error - maximum validation depth exceeded")
		d.depth--
		return
	}
	if p.defaults {
		target.Addr().Interface().(Defaulter).SetDefaults()
	}
	var few [16]span
	found := few[:min(len(p.fields), len(few))]
	if len(p.fields) > len(few) {
		found = make([]span, len(p.fields))
	}
	whole := span{start: d.pos}
	var extras []extra
	d.members(func(key []byte, value span) {
		if at, known := p.byName[string(key)]; known {
			found[at] = value
		} else if !p.ignoresExtra {
			extras = noteExtra(extras, string(key), value)
		}
	})
	whole.end = d.pos
	p.decodeFields(d, target, found, whole)
	for _, extra := range extras {
		d.under(extra.name, func() { d.mistake("extra_forbidden", extra.value, "Extra inputs are not permitted") })
	}
	d.pos = whole.end
	d.depth--
}

func (p *structPlan) decodeFields(d *decoder, target reflect.Value, found []span, whole span) {
	for i := range p.fields {
		field := &p.fields[i]
		if found[i].end == 0 && field.optional {
			continue
		}
		d.loc = append(d.loc, field.step)
		if found[i].end == 0 {
			d.mistake("missing", whole, "Field required")
		} else {
			d.pos = found[i].start
			field.plan.decode(d, target.FieldByIndex(field.index))
		}
		d.loc = d.loc[:len(d.loc)-1]
	}
}

type extra struct {
	name  string
	value span
}

// noteExtra keeps the place of the first of several equal keys and the value of
// the last, as a Python dict does.
func noteExtra(extras []extra, name string, value span) []extra {
	for i := range extras {
		if extras[i].name == name {
			extras[i].value = value
			return extras
		}
	}
	return append(extras, extra{name, value})
}
