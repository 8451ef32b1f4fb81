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
