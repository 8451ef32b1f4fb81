package forstsidecar

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type grade string

const (
	gradeA grade = "A"
	gradeB grade = "B"
)

func (grade) Choices() []any { return []any{gradeA, gradeB} }

type step int

func (step) Choices() []any { return []any{step(1), step(2)} }

type wrongChoices string

func (wrongChoices) Choices() []any { return []any{"a"} }

type quoteInput struct {
	ID    int     `path:"id"`
	Limit int     `query:"limit" forst:"optional,min=1,max=9"`
	Tags  []step  `query:"tag" forst:"optional"`
	Grade *grade  `query:"grade" forst:"optional,literal"`
	Host  string  `header:"host"`
	Agent string  `header:"x-agent" forst:"optional"`
	Seen  *bool   `cookie:"seen" forst:"optional"`
	Ratio float64 `query:"ratio" forst:"optional,above=0,below=1"`
	Body  relaxed `body:"json"`
}

func (q *quoteInput) SetDefaults() { q.Limit = 3 }

type relaxed struct {
	_    struct{} `forst:"lax,ignore"`
	Name string   `json:"name" pattern:"^[a-z]*$"`
	On   bool     `json:"on" forst:"optional"`
}

// ask sends one request through a mux.
func ask(pattern string, handler http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	mux.Handle(pattern, handler)
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func TestEndpointFillsItsInput(t *testing.T) {
	var got quoteInput
	handler := Endpoint(func(ctx context.Context, in quoteInput) (int, error) {
		got = in
		return len(RequestFrom(ctx).URL.Path), nil
	}, Status(http.StatusAccepted))
	w := ask("POST /quotes/{id}", handler, "POST", "http://h.example/quotes/7?tag=1&tag=2&grade=B&ratio=.5", `{"name":"ada","on":"yes","more":1}`,
		"X-Agent", "first", "X-Agent", "second", "Cookie", "seen=no; a=b")
	if w.Code != 202 || w.Body.String() != "9" {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	expected := `{"ID":7,"Limit":3,"Tags":[1,2],"Grade":"B","Host":"h.example","Agent":"first","Seen":false,"Ratio":0.5,"Body":{"name":"ada","on":true}}`
	if text := encode(t, got); text != expected {
		t.Errorf("got %s\nexpected %s", text, expected)
	}
}

func TestEndpointReportsAllMistakesTogether(t *testing.T) {
	handler := Endpoint(func(context.Context, quoteInput) (int, error) { return 0, nil }, BodyLimit(40))
	for body, expected := range map[string]string{
		`{"name":"ADA"}`: "path id int_parsing, query limit less_than_equal, query tag enum, query grade literal_error, query ratio less_than, " +
			"cookie seen bool_parsing, body name string_pattern_mismatch",
		`{`:                      "body 1 json_invalid",
		``:                       "path id int_parsing, query limit less_than_equal, query tag enum, query grade literal_error, query ratio less_than, cookie seen bool_parsing, body missing",
		strings.Repeat(" ", 100): "413",
	} {
		w := ask("POST /quotes/{id}", handler, "POST", "/quotes/x?limit=10&tag=3&grade=C&ratio=1", body, "Cookie", "seen=maybe")
		var answer struct{ Detail []FieldError }
		if w.Code == 413 {
			if expected != "413" {
				t.Errorf("%s: got 413", body)
			}
			continue
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s: %d %s", body, w.Code, w.Body)
		}
		var said []string
		for _, mistake := range answer.Detail {
			place := strings.Trim(strings.ReplaceAll(strings.ReplaceAll(encode(t, mistake.Loc[:min(2, len(mistake.Loc))]), `"`, ""), ",", " "), "[]")
			said = append(said, place+" "+mistake.Type)
		}
		if got := strings.Join(said, ", "); got != expected {
			t.Errorf("%s:\ngot      %s\nexpected %s", body, got, expected)
		}
	}
}

func TestAnEndpointWithoutContent(t *testing.T) {
	handler := Endpoint(func(context.Context, struct{}) (any, error) { return nil, nil }, Status(http.StatusNoContent))
	if w := ask("/", handler, "DELETE", "/", ""); w.Code != 204 || w.Body.Len() > 0 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestWhatAnEndpointReturnsAsAnError(t *testing.T) {
	handler := Endpoint(func(context.Context, struct{}) (any, error) { return nil, &HTTPError{Status: 409} })
	if w := ask("/", handler, "GET", "/", ""); w.Code != 409 || w.Body.String() != `{"detail":"Conflict"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestInputsThatCannotBeFilledPanicAtOnce(t *testing.T) {
	for name, make := range map[string]func(){
		"no struct": func() { newPlanOf[int]() },
		"no source": func() {
			newPlanOf[struct {
				A int `json:"a"`
			}]()
		},
		"pattern": func() {
			newPlanOf[struct {
				A string `query:"a" pattern:"("`
			}]()
		},
		"choices": func() {
			newPlanOf[struct {
				A wrongChoices `query:"a"`
			}]()
		},
		"manners": func() {
			newPlanOf[struct {
				B struct {
					_ struct{} `forst:"loose"`
				} `body:"json"`
			}]()
		},
	} {
		func() {
			defer func() {
				if cause, _ := recover().(string); !strings.HasPrefix(cause, "forstsidecar: ") {
					t.Errorf("%s: got %q", name, cause)
				}
			}()
			make()
		}()
	}
}

func newPlanOf[In any]() {
	Endpoint(func(context.Context, In) (any, error) { return nil, nil })
}

func TestTimesAreWrittenAsPydanticDoes(t *testing.T) {
	zone := time.FixedZone("", -7*3600-1800)
	for expected, value := range map[string]any{
		`"2024-01-02T03:04:05Z"`:             Time{Time: time.Date(2024, 1, 2, 3, 4, 5, 999, time.UTC)},
		`"2024-01-02T03:04:05.120000-07:30"`: Time{Time: time.Date(2024, 1, 2, 3, 4, 5, 120e6, zone)},
		`"2024-01-02T03:04:05"`:              Time{time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), true},
		`"2024-01-02"`:                       Date{time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)},
		`[]`:                                 List[int](nil),
		`[1]`:                                List[int]{1},
		`{}`:                                 Map[int](nil),
		`{"a":1}`:                            Map[int]{"a": 1},
		`{"l":[]}`: struct {
			L List[string] `json:"l"`
		}{},
	} {
		if got := encode(t, value); got != expected {
			t.Errorf("got %s, expected %s", got, expected)
		}
	}
}

func TestTextsWithAMeaning(t *testing.T) {
	var in struct {
		At  Time `json:"at"`
		Day Date `json:"day"`
		ID  UUID `json:"id"`
	}
	for text, expected := range map[string]string{
		`{"at":"2024-01-02 03:04z","day":"2024-02-29","id":"123E4567E89B12D3A456426614174000"}`: "",
		`{"at":1,"day":2,"id":3}`:                    "datetime_type date_type uuid_type",
		`{"at":"soon","day":"then","id":"who"}`:      "datetime_from_date_parsing date_from_datetime_parsing uuid_parsing",
		`{"at":"2024-13-01","day":"","id":"\u0000"}`: "datetime_from_date_parsing date_from_datetime_parsing uuid_parsing",
	} {
		err := Decode([]byte(text), &in)
		var said []string
		if invalid, ok := err.(ValidationError); ok {
			for _, mistake := range invalid {
				said = append(said, mistake.Type)
			}
		}
		if got := strings.Join(said, " "); got != expected {
			t.Errorf("%s: got %s, %v", text, got, err)
		}
	}
	if in.ID != "123e4567-e89b-12d3-a456-426614174000" || !in.At.Equal(time.Date(2024, 1, 2, 3, 4, 0, 0, time.UTC)) || in.At.Naive {
		t.Errorf("got %+v", in)
	}
}

func TestNumbersOfText(t *testing.T) {
	type numbers struct {
		_ struct{} `forst:"lax"`
		I int      `json:"i" forst:"optional"`
		F float64  `json:"f" forst:"optional"`
		S step     `json:"s" forst:"optional"`
	}
	for text, expected := range map[string]string{
		`{"i":"9223372036854775807"}`:  `{"i":9223372036854775807,"f":0,"s":0}`,
		`{"i":"+9223372036854775808"}`: "int_parsing_size",
		`{"i":1e999}`:                  "finite_number",
		`{"f":"1e999"}`:                "finite_number",
		`{"f":"nan"}`:                  "finite_number",
		`{"f":"0x1p3"}`:                "float_parsing",
		`{"f":"1_"}`:                   "float_parsing",
		`{"f":"1_0.5e1"}`:              `{"i":0,"f":105,"s":0}`,
		`{"s":2.0}`:                    `{"i":0,"f":0,"s":2}`,
		`{"s":true}`:                   `{"i":0,"f":0,"s":1}`,
		`{"s":false}`:                  "enum",
		`{"s":null}`:                   "enum",
		`{"s":"2"}`:                    `{"i":0,"f":0,"s":2}`,
		`{"z":1}`:                      "extra_forbidden",
	} {
		var in numbers
		got := ""
		if err := Decode([]byte(text), &in); err == nil {
			got = encode(t, in)
		} else {
			got = err.(ValidationError)[0].Type
		}
		if got != expected {
			t.Errorf("%s: got %s, expected %s", text, got, expected)
		}
	}
}

func TestAStrictEnumConvertsNothing(t *testing.T) {
	var in struct {
		S step  `json:"s"`
		G grade `json:"g"`
	}
	for text, good := range map[string]bool{
		`{"s":1,"g":"A"}`: true, `{"s":"1","g":"A"}`: false, `{"s":1.0,"g":"A"}`: false, `{"s":1,"g":"C"}`: false, `{"s":true,"g":"A"}`: false,
	} {
		if err := Decode([]byte(text), &in); (err == nil) != good {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
