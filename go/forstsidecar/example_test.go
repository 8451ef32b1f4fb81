package forstsidecar_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

type Purchase struct {
	Item  string `json:"item" forst:"min=1"`
	Count int    `json:"count" forst:"optional,min=1,max=100"`
}

// SetDefaults says what an absent count means.
func (p *Purchase) SetDefaults() { p.Count = 1 }

type Receipt struct {
	Item  string `json:"item"`
	Cents int    `json:"cents"`
}

func buy(_ context.Context, in Purchase) (*Receipt, error) {
	if in.Item != "pear" {
		return nil, &forstsidecar.HTTPError{Status: http.StatusNotFound, Detail: "no such item"}
	}
	return &Receipt{Item: in.Item, Cents: 60 * in.Count}, nil
}

func ExampleJSON() {
	handler := forstsidecar.JSON(buy)
	for _, body := range []string{`{"item":"pear","count":3}`, `{"item":"plum"}`, `{"item":7}`} {
		r := httptest.NewRequest("POST", "/buy", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 {"item":"pear","cents":180}
	// 404 {"detail":"no such item"}
	// 422 {"detail":[{"type":"string_type","loc":["body","item"],"msg":"Input should be a valid string","input":7}]}
}

type shelfInput struct {
	Shelf int      `path:"shelf"`
	Limit int      `query:"limit" forst:"optional,min=1,max=100"`
	Body  purchase `body:"json"`
}

// SetDefaults says what an absent limit means.
func (in *shelfInput) SetDefaults() { in.Limit = 10 }

// purchase is as lenient as a pydantic model is by default.
type purchase struct {
	_     struct{} `forst:"lax,ignore"`
	Item  string   `json:"item"`
	Count int      `json:"count"`
}

func ExampleEndpoint() {
	handler := forstsidecar.Endpoint(func(_ context.Context, in shelfInput) (string, error) {
		return fmt.Sprintf("%d %s from shelf %d, at most %d", in.Body.Count, in.Body.Item, in.Shelf, in.Limit), nil
	}, forstsidecar.Status(http.StatusCreated))
	mux := http.NewServeMux()
	mux.Handle("POST /shelves/{shelf}", handler)
	for _, target := range []string{"/shelves/7", "/shelves/x?limit=0"} {
		r := httptest.NewRequest("POST", target, strings.NewReader(`{"item":"pear","count":"3","gift":true}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 201 "3 pear from shelf 7, at most 10"
	// 422 {"detail":[{"type":"int_parsing","loc":["path","shelf"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"x"},{"type":"greater_than_equal","loc":["query","limit"],"msg":"Input should be greater than or equal to 1","input":"0","ctx":{"ge":1}}]}
}

func ExampleRequireIdentity() {
	secret := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := forstsidecar.IdentityAs[struct {
			ID int64 `json:"id"`
		}](r)
		fmt.Fprintf(w, "hello %d", user.ID)
	})
	w := httptest.NewRecorder()
	forstsidecar.RequireIdentity(secret).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, w.Body)
	// Output: 403 {"detail":"Not authenticated"}
}

func ExampleList() {
	type answer struct {
		Hits  forstsidecar.List[string] `json:"hits"`
		Score forstsidecar.Float        `json:"score"`
		Next  *string                   `json:"next"`
	}
	w := httptest.NewRecorder()
	forstsidecar.WriteJSON(w, http.StatusOK, answer{Score: 3})
	fmt.Println(w.Body)
	// Output: {"hits":[],"score":3.0,"next":null}
}

func ExampleRun() {
	mux := http.NewServeMux()
	mux.Handle("POST /buy", forstsidecar.JSON(buy))
	forstsidecar.Run(forstsidecar.WithJSONErrors(mux))
}

func ExampleIdentity() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		claims, err := forstsidecar.Identity(r)
		if err != nil {
			forstsidecar.WriteError(w, r, err)
			return
		}
		fmt.Fprintf(w, "hello %s", claims["sub"])
	}
	// In a test, for no test knows the secret:
	r := forstsidecar.WithIdentity(httptest.NewRequest("GET", "/", nil), forstsidecar.Claims{"sub": "ada"})
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Println(w.Body)
	// Output: hello ada
}

func ExampleBucket() {
	percent := 12.5
	bucket := forstsidecar.Bucket("canary", "get-quote", "user-2")
	fmt.Println(bucket, float64(bucket) < percent*100)
	// Output: 491 true
}
