package forstsidecar

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

type item struct {
	ID    string `json:"id"`
	Count int    `json:"count" forst:"optional,min=1,max=9"`
}

type inner struct {
	Flag bool `json:"flag" forst:"optional"`
}

type document struct {
	inner
	Values []float64        `json:"values" forst:"min=1,max=3"`
	Items  []item           `json:"items" forst:"optional"`
	Code   string           `json:"code" forst:"optional,min=1,max=3"`
	Note   *string          `json:"note" forst:"optional"`
	Sizes  map[string]int8  `json:"sizes" forst:"optional"`
	Raw    json.RawMessage  `json:"raw" forst:"optional"`
	When   *time.Time       `json:"when" forst:"optional"`
	Any    any              `json:"any" forst:"optional"`
	Self   *document        `json:"self" forst:"optional"`
	Named  map[string]*item `json:"named" forst:"optional"`
	Hidden string           `json:"-"`
	Plain  string           `forst:"optional"`
	Many   []int            `json:"many" forst:"optional,min=1000000"`
}

func (d *document) SetDefaults() { d.Code = "abc" }

func decodeText(t *testing.T, text string) (document, error) {
	t.Helper()
	var d document
	err := Decode([]byte(text), &d)
	return d, err
}

func TestDecodeTakesWhatFits(t *testing.T) {
	text := ` {"values": [1, 2.5e3 , -0], "items":[{"id":"\u00e4\ud83d\ude00\n\\", "count":9}], "note":"n", "flag":true,
		"sizes":{"a":1,"a":-128,"b\"":2}, "raw":{"x" : [1,"]"]}, "when":"2024-01-02T03:04:05Z", "any":[null,"\"{"],
		"self":{"values":[0],"code":"é😀x"}, "named":{"q":null,"r":{"id":""}}, "Plain":"p"} `
	d, err := decodeText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	note, when := "n", time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	expected := document{
		inner: inner{true}, Values: []float64{1, 2500, 0}, Items: []item{{"ä😀\n\\", 9}}, Code: "abc", Note: &note,
		Sizes: map[string]int8{"a": -128, `b"`: 2}, Raw: json.RawMessage(`{"x" : [1,"]"]}`), When: &when,
		Any: []any{nil, `"{`}, Self: &document{Values: []float64{0}, Code: "é😀x"},
		Named: map[string]*item{"q": nil, "r": {}}, Plain: "p",
	}
	if !reflect.DeepEqual(d, expected) {
		t.Errorf("got %+v\nexpected %+v", d, expected)
	}
}

func TestOfDuplicateKeysTheLastCounts(t *testing.T) {
	d, err := decodeText(t, `{"values":"bad","values":[1,2],"code":1,"code":"x","items":[{"id":"a"},{"id":"b"}],"items":[]}`)
	if err != nil || len(d.Values) != 2 || d.Code != "x" || len(d.Items) != 0 || d.Items == nil {
		t.Errorf("got %+v, %v", d, err)
	}
}

// The expectations are what FastAPI 0.165 with pydantic 2.14 answers.
func TestDecodeReportsAsPydanticDoes(t *testing.T) {
	// encoding/json words this one itself, and differently from release to release.
	noTime := json.Unmarshal([]byte("7"), &time.Time{}).Error()
	for text, expected := range map[string]string{
		`{}`: `[{"type":"missing","loc":["body","values"],"msg":"Field required","input":{}}]`,
		`[1]`: `[{"type":"model_attributes_type","loc":["body"],` +
			`"msg":"Input should be a valid dictionary or object to extract fields from","input":[1]}]`,
		`{"values":[]}`: `[{"type":"too_short","loc":["body","values"],` +
			`"msg":"List should have at least 1 item after validation, not 0","input":[],` +
			`"ctx":{"actual_length":0,"field_type":"List","min_length":1}}]`,
		`{"values":["x",2,3,4]}`: `[{"type":"too_long","loc":["body","values"],` +
			`"msg":"List should have at most 3 items after validation, not 4","input":["x",2,3,4],` +
			`"ctx":{"actual_length":4,"field_type":"List","max_length":3}}]`,
		`{"values":["x",1,true],"z":1,"y":2,"z":3,"items":{},"code":""}`: `[` +
			`{"type":"float_type","loc":["body","values",0],"msg":"Input should be a valid number","input":"x"},` +
			`{"type":"float_type","loc":["body","values",2],"msg":"Input should be a valid number","input":true},` +
			`{"type":"list_type","loc":["body","items"],"msg":"Input should be a valid list","input":{}},` +
			`{"type":"string_too_short","loc":["body","code"],"msg":"String should have at least 1 character","input":"","ctx":{"min_length":1}},` +
			`{"type":"extra_forbidden","loc":["body","z"],"msg":"Extra inputs are not permitted","input":3},` +
			`{"type":"extra_forbidden","loc":["body","y"],"msg":"Extra inputs are not permitted","input":2}]`,
		`{"items":[1,{"id":1},{"id":"a","count":1.0},{"id":"a","count":true,"q":1},{"id":"a","count":0},{"id":"","count":10}],"values":[1],"code":"aaaa"}`: `[` +
			`{"type":"model_attributes_type","loc":["body","items",0],"msg":"Input should be a valid dictionary or object to extract fields from","input":1},` +
			`{"type":"string_type","loc":["body","items",1,"id"],"msg":"Input should be a valid string","input":1},` +
			`{"type":"int_type","loc":["body","items",2,"count"],"msg":"Input should be a valid integer","input":1.0},` +
			`{"type":"int_type","loc":["body","items",3,"count"],"msg":"Input should be a valid integer","input":true},` +
			`{"type":"extra_forbidden","loc":["body","items",3,"q"],"msg":"Extra inputs are not permitted","input":1},` +
			`{"type":"greater_than_equal","loc":["body","items",4,"count"],"msg":"Input should be greater than or equal to 1","input":0,"ctx":{"ge":1}},` +
			`{"type":"less_than_equal","loc":["body","items",5,"count"],"msg":"Input should be less than or equal to 9","input":10,"ctx":{"le":9}},` +
			`{"type":"string_too_long","loc":["body","code"],"msg":"String should have at most 3 characters","input":"aaaa","ctx":{"max_length":3}}]`,
		`{"values":[1],"flag":null,"sizes":[],"self":{"values":[1],"when":7}}`: `[` +
			`{"type":"bool_type","loc":["body","flag"],"msg":"Input should be a valid boolean","input":null},` +
			`{"type":"dict_type","loc":["body","sizes"],"msg":"Input should be a valid dictionary","input":[]},` +
			`{"type":"value_error","loc":["body","self","when"],"msg":"Value error, ` + noTime + `","input":7}]`,
		`{"values":[1],"sizes":{"k":300}}`: `[{"type":"int_parsing_size","loc":["body","sizes","k"],` +
			`"msg":"Unable to parse input string as an integer, exceeded maximum size","input":300}]`,
		`{"values":[1],"items":[{"id":"a","count":99999999999999999999},{"id":"a","count":-99999999999999999999}]}`: `[` +
			`{"type":"less_than_equal","loc":["body","items",0,"count"],"msg":"Input should be less than or equal to 9","input":99999999999999999999,"ctx":{"le":9}},` +
			`{"type":"greater_than_equal","loc":["body","items",1,"count"],"msg":"Input should be greater than or equal to 1","input":-99999999999999999999,"ctx":{"ge":1}}]`,
		`{"values":[1],"many":[1]}`: `[{"type":"too_short","loc":["body","many"],` +
			`"msg":"List should have at least 1000000 items after validation, not 1","input":[1],` +
			`"ctx":{"actual_length":1,"field_type":"List","min_length":1000000}}]`,
		`{"values":[1e999]}`: `[{"type":"finite_number","loc":["body","values",0],"msg":"Input should be a finite number","input":1e999}]`,
		`{"values":[1],"code":"\ud800"}`: `[{"type":"string_unicode","loc":["body","code"],` +
			`"msg":"Input should be a valid string, unable to parse raw data as a unicode string"}]`,
		`{"values":[NaN]}`: `[{"type":"json_invalid","loc":["body",11],"msg":"JSON decode error","input":{},` +
			`"ctx":{"error":"invalid character 'N' looking for beginning of value"}}]`,
		`{"é":1} x`: `[{"type":"json_invalid","loc":["body",8],"msg":"JSON decode error","input":{},` +
			`"ctx":{"error":"invalid character 'x' after top-level value"}}]`,
		`{`: `[{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},` +
			`"ctx":{"error":"unexpected end of JSON input"}}]`,
	} {
		_, err := decodeText(t, text)
		var invalid ValidationError
		if !errors.As(err, &invalid) {
			t.Errorf("%s: got %v", text, err)
			continue
		}
		if got := encode(t, invalid); got != expected {
			t.Errorf("%s:\ngot      %s\nexpected %s", text, got, expected)
		}
	}
}

func encode(t *testing.T, value any) string {
	t.Helper()
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(text.String())
}

func TestLoneSurrogates(t *testing.T) {
	for text, expected := range map[string]bool{
		`"\ud83d\ude00"`: false, `"\ud83d"`: true, `"\ude00"`: true, `"\ud83dx\ude00"`: true, `"\\ud83d"`: false,
		`"\ud83d\ud83d\ude00"`: true, `"\n\u00e4"`: false, `"\ud83d\n"`: true, `"\ud83d\ude00\ude00"`: true,
	} {
		if got := hasLoneSurrogate([]byte(text)); got != expected {
			t.Errorf("%s: got %v", text, got)
		}
	}
}

func TestAListLongerThanItsFirstGuessIsCleared(t *testing.T) {
	var lists struct {
		L [][]item `json:"l"`
	}
	text := `{"l":[` + strings.Repeat(`[{"id":"x","count":5},{"id":"y"}],`, 50) + `[]]}`
	if err := Decode([]byte(text), &lists); err != nil || len(lists.L) != 51 || lists.L[49][1] != (item{ID: "y"}) {
		t.Errorf("got %v", err)
	}
}

func TestAStructOfManyFields(t *testing.T) {
	var many struct {
		A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q int `forst:"optional"`
	}
	if err := Decode([]byte(`{"A":1,"Q":2}`), &many); err != nil || many.A != 1 || many.Q != 2 {
		t.Errorf("got %+v, %v", many, err)
	}
}

func TestTypesThatCannotBeDecodedPanicAtOnce(t *testing.T) {
	for name, make := range map[string]func(){
		"channel": func() { JSON(func(context.Context, chan int) (int, error) { return 0, nil }) },
		"map":     func() { JSON(func(context.Context, map[int]int) (int, error) { return 0, nil }) },
		"rule": func() {
			JSON(func(context.Context, struct {
				A int `forst:"minimum=1"`
			}) (int, error) {
				return 0, nil
			})
		},
		"limit": func() {
			JSON(func(context.Context, struct {
				A int `forst:"min=one"`
			}) (int, error) {
				return 0, nil
			})
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

func post(handler http.Handler, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, withLogger(r, slog.New(slog.DiscardHandler)))
	return w
}

func double(ctx context.Context, in item) (map[string]int, error) {
	switch in.ID {
	case "teapot":
		return nil, &HTTPError{Status: 418, Detail: []string{"short", "stout"}, Header: http.Header{"X-Tea": {"yes"}}}
	case "invalid":
		return nil, ValidationError{{Type: "value_error", Loc: []any{"body", "id"}, Msg: "Value error, no"}}
	case "failed":
		return nil, errors.New("the database is at lunch")
	case "path":
		return map[string]int{RequestFrom(ctx).URL.Path: 1}, nil
	}
	return map[string]int{"<double>": 2 * in.Count}, nil
}

func TestJSONAnswers(t *testing.T) {
	const typed = "application/json"
	for _, c := range []struct {
		contentType, body string
		status            int
		answer            string
	}{
		{typed, `{"id":"a","count":4}`, 200, `{"<double>":8}`},
		{"application/problem+json; charset=utf-8", `{"id":"path"}`, 200, `{"/":1}`},
		{"APPLICATION/JSON; charset", "\xef\xbb\xbf" + `{"id":"a"}`, 200, `{"<double>":0}`},
		{typed, ``, 422, `{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}`},
		{"text/plain", `{"id":"a"}`, 422, `{"detail":[{"type":"model_attributes_type","loc":["body"],` +
			`"msg":"Input should be a valid dictionary or object to extract fields from","input":"{\"id\":\"a\"}"}]}`},
		{"", `x`, 422, `{"detail":[{"type":"model_attributes_type","loc":["body"],` +
			`"msg":"Input should be a valid dictionary or object to extract fields from","input":"x"}]}`},
		{typed, "\xff", 400, `{"detail":"There was an error parsing the body"}`},
		{typed, `{"id":"teapot"}`, 418, `{"detail":["short","stout"]}`},
		{typed, `{"id":"invalid"}`, 422, `{"detail":[{"type":"value_error","loc":["body","id"],"msg":"Value error, no"}]}`},
		{typed, `{"id":"` + strings.Repeat("a", 100) + `"}`, 413, `{"detail":"Request body too large"}`},
		{typed, `{"id":"failed"}`, 500, `{"detail":"Internal Server Error"}`},
	} {
		w := post(JSONLimit(64, double), c.contentType, c.body)
		if w.Code != c.status || w.Body.String() != c.answer || w.Header().Get("Content-Type") != typed {
			t.Errorf("%s: got %d %s", c.body, w.Code, w.Body)
		}
	}
}

func TestHeadersOfAnHTTPErrorAreSent(t *testing.T) {
	if w := post(JSON(double), "application/json", `{"id":"teapot"}`); w.Header().Get("X-Tea") != "yes" {
		t.Errorf("got %v", w.Header())
	}
}

func TestABodyThatBreaksOffIsA400(t *testing.T) {
	r := httptest.NewRequest("POST", "/", failing{})
	w := httptest.NewRecorder()
	JSON(double).ServeHTTP(w, r)
	if w.Code != 400 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestRequestFromAnotherContextIsNil(t *testing.T) {
	if RequestFrom(context.Background()) != nil {
		t.Error("got a request")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"values":[1,2e1],"items":[{"id":"\u00e4","count":3}],"sizes":{"a":1},"any":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d document
		if Decode(text, &d) == nil && !json.Valid([]byte(strings.TrimPrefix(string(text), "\ufeff"))) {
			t.Error("took what is not JSON")
		}
	})
}

type relaxedDocument struct {
	_     struct{}           `forst:"lax,ignore"`
	I     int                `json:"i" forst:"optional,above=-5,below=1000"`
	F     Float              `json:"f" forst:"optional,min=-1e300"`
	B     bool               `json:"b" forst:"optional"`
	G     grade              `json:"g" forst:"optional"`
	S     step               `json:"s" forst:"optional,literal"`
	T     *Time              `json:"t" forst:"optional"`
	D     Date               `json:"d" forst:"optional"`
	U     UUID               `json:"u" forst:"optional"`
	P     string             `json:"p" forst:"optional,max=4" pattern:"^[a-z]*$"`
	Lists List[List[int]]    `json:"lists" forst:"optional"`
	Maps  Map[Map[bool]]     `json:"maps" forst:"optional"`
	Self  []*relaxedDocument `json:"self" forst:"optional"`
}

type tree struct {
	Children []tree `json:"c" forst:"optional"`
	Text     string `json:"t" forst:"optional"`
}

func nested(depth int, inner string) string {
	return strings.Repeat(`{"c":[`, depth) + inner + strings.Repeat(`]}`, depth)
}

func TestModelsWithinThemselves(t *testing.T) {
	var in tree
	if err := Decode([]byte(nested(254, `{}`)), &in); err != nil {
		t.Error(err)
	}
	err := Decode([]byte(nested(255, `{}`)), &in)
	var invalid ValidationError
	if !errors.As(err, &invalid) || invalid[0].Type != "recursion_depth_exceeded" || len(invalid[0].Loc) != 1+2*255 {
		t.Errorf("got %v", err)
	}
}

func TestLargeDocumentsAreDecodedAsSmallOnesAre(t *testing.T) {
	filler := strings.Repeat("x]}\"", largeDocument)
	text := encode(t, filler)
	var in tree
	if err := Decode([]byte(nested(200, `{"t":`+text+`,"c":[{"t":"`+strings.Repeat("y", longSpan)+`"},{}]}`)), &in); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		in = in.Children[0]
	}
	if in.Text != filler || len(in.Children) != 2 || len(in.Children[0].Text) != longSpan {
		t.Errorf("got %d bytes, %d children", len(in.Text), len(in.Children))
	}
}

// A deep document of 16 MiB takes no longer than a flat one of that size: seconds
// at most, where skipping each level anew would take minutes.
func BenchmarkDecodeDeep(b *testing.B) {
	text := []byte(nested(250, `{"t":"`+strings.Repeat("x", 8<<20)+`","c":[`+strings.Repeat(`{},`, 1<<20)+`{}]}`))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var in tree
		if err := Decode(text, &in); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzDecodeLax(f *testing.F) {
	f.Add([]byte(`{"i":"1_0","f":"1e3","b":"yes","g":"A","s":"2","t":"2024-01-02T03:04:05Z","d":"2024-01-02"}`))
	f.Add([]byte(`{"i":1e9,"f":true,"b":0.0,"s":1.0,"lists":[["1",2.0]],"maps":{"a":{"b":1}},"self":[null,{"u":"x"}],"p":"\ud800"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d relaxedDocument
		if Decode(text, &d) == nil {
			if _, err := json.Marshal(d); err != nil {
				t.Errorf("what was taken cannot be written: %v", err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	var in struct {
		Items []item `json:"items"`
	}
	text := []byte(`{"items":[` + strings.Repeat(`{"id":"some identifier","count":5},`, 999) + `{"id":"x"}]}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Decode(text, &in); err != nil {
			b.Fatal(err)
		}
	}
}
