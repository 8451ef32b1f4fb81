package forstsidecar

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type goldenIdentity struct {
	Name, Secret, Method, Target, Value, Route, Reason string
	KeyID                                              string `json:"key_id"`
	Claims                                             json.RawMessage
	Now                                                float64
}

func (g goldenIdentity) at() time.Time { return time.Unix(0, int64(g.Now*1e9)) }

func goldenIdentities(t *testing.T) (secret string, values, refused []goldenIdentity) {
	t.Helper()
	var file struct {
		Secret          string
		Values, Refused []goldenIdentity
	}
	golden(t, "identity1.json", &file)
	return file.Secret, file.Values, file.Refused
}

func TestWhatPythonSignedIsRead(t *testing.T) {
	_, values, _ := goldenIdentities(t)
	for _, g := range values {
		keys := newKeyring([][]byte{[]byte("some other secret, to be passed over"), []byte(g.Secret)})
		got, err := keys.verify(g.Value, g.Method, g.Target, g.at())
		if err != nil {
			t.Errorf("%s: %v", g.Name, err)
			continue
		}
		expected := Claims{}
		decoder := json.NewDecoder(bytes.NewReader(g.Claims))
		decoder.UseNumber()
		if err := decoder.Decode(&expected); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Claims, expected) || got.Route != g.Route {
			t.Errorf("%s: got %v of %s, expected %v", g.Name, got.Claims, got.Route, expected)
		}
		if keys[g.KeyID] == nil {
			t.Errorf("%s: no key %s", g.Name, g.KeyID)
		}
	}
}

func TestWhatPythonDidNotSignIsRefused(t *testing.T) {
	secret, _, refused := goldenIdentities(t)
	keys := newKeyring([][]byte{[]byte(secret)})
	for _, g := range refused {
		if g.Value == "" {
			continue // never gets this far: see TestIdentityOfARequest
		}
		if got, err := keys.verify(g.Value, g.Method, g.Target, g.at()); err == nil || err.Reason != g.Reason {
			t.Errorf("%s: got %v, %v; expected %s", g.Name, got, err, g.Reason)
		}
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	_, values, _ := goldenIdentities(t)
	g := values[0]
	keys := newKeyring([][]byte{[]byte(g.Secret)})
	for at := range g.Value {
		changed := []byte(g.Value)
		if changed[at]++; changed[at] == ' ' {
			changed[at]++
		}
		if got, err := keys.verify(string(changed), g.Method, g.Target, g.at()); err == nil {
			t.Errorf("byte %d: got %v", at, got)
		}
	}
}

func TestASignedPayloadIsReadWithCareAllTheSame(t *testing.T) {
	secret := []byte(strings.Repeat("s", leastSecret))
	for _, payload := range []string{"%", "e30", "bnVsbA", "eyJjbGFpbXMiOm51bGx9", "WzFd"} {
		keys := newKeyring([][]byte{secret})
		for id, key := range keys {
			signed := "v1." + id + "." + payload
			value := signed + "." + encodeDigest(digest(key, signed+"\nGET /"))
			if got, err := keys.verify(value, "GET", "/", time.Now()); err == nil || err.Reason != IdentityMalformed {
				t.Errorf("%s: got %v, %v", payload, got, err)
			}
		}
	}
}

// withSecret lets this process have a secret from the environment for one test.
func withSecret(t *testing.T, secret string) {
	t.Helper()
	before := processKeys
	processKeys = func() keyring { return newKeyring([][]byte{[]byte(secret)}) }
	t.Cleanup(func() { processKeys = before })
}

func encodeDigest(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum) }

func signLikePython(secret, claims string, r *http.Request, now time.Time) string {
	payload := fmt.Sprintf(`{"claims":%s,"exp":%d,"iat":%d,"route":"r"}`, claims, now.Unix()+60, now.Unix())
	for id, key := range newKeyring([][]byte{[]byte(secret)}) {
		signed := "v1." + id + "." + encodeDigest([]byte(payload))
		return signed + "." + encodeDigest(digest(key, signed+"\n"+r.Method+" "+r.RequestURI))
	}
	return ""
}

// signedRequest is a request as Python would send it, signed so long ago.
func signedRequest(secret, claims string, ago time.Duration) *http.Request {
	r := httptest.NewRequest("GET", "/orders?id=7", nil)
	r.RequestURI = "/orders?id=7"
	r.Header.Set(IdentityHeader, signLikePython(secret, claims, r, time.Now().Add(-ago)))
	return r
}

func TestIdentityOfARequest(t *testing.T) {
	secret := strings.Repeat("s", leastSecret)
	withSecret(t, secret)
	good := signedRequest(secret, `{"sub":"ada","n":9007199254740993}`, 0)
	claims, err := Identity(good)
	if err != nil || claims["sub"] != "ada" || claims["n"] != json.Number("9007199254740993") {
		t.Errorf("got %v, %v", claims, err)
	}
	value := good.Header.Get(IdentityHeader)
	for reason, values := range map[string][]string{
		IdentityMissing:   nil,
		IdentityMalformed: {value, value},
		IdentityKey:       {"v1.AAAAAAAA.e30.AAAA"},
		IdentitySignature: {value + "A"},
		IdentityExpired:   signedRequest(secret, `{}`, 2*time.Minute).Header[IdentityHeader],
	} {
		r := httptest.NewRequest("GET", "/orders?id=7", nil)
		r.Header[IdentityHeader] = values
		claims, err := Identity(r)
		var refused *IdentityError
		if !errors.As(err, &refused) || refused.Reason != reason || claims != nil {
			t.Errorf("%s: got %v, %v", reason, claims, err)
		}
	}
}

func TestAnEmptyIdentityIsNone(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set(IdentityHeader, "")
	if _, err := Identity(r); err == nil || err.Error() != "no identity: missing" {
		t.Errorf("got %v", err)
	}
}

func TestWithoutASecretNothingCanBeVerified(t *testing.T) {
	r := signedRequest(strings.Repeat("s", leastSecret), `{"sub":"ada"}`, 0)
	var refused *IdentityError
	if _, err := Identity(r); !errors.As(err, &refused) || refused.Reason != IdentityNoSecret {
		t.Errorf("got %v", err)
	}
}

func TestASlowUploadDoesNotOutlastItsIdentity(t *testing.T) {
	secret := strings.Repeat("s", leastSecret)
	withSecret(t, secret)
	r := withLogger(signedRequest(secret, `{"sub":"ada"}`, 2*time.Minute), slog.New(slog.DiscardHandler))
	r.Context().Value(exchangeKey).(*exchange).arrived = time.Now().Add(-2 * time.Minute)
	if claims, err := Identity(r); err != nil || claims["sub"] != "ada" {
		t.Errorf("got %v, %v", claims, err)
	}
}

func TestIdentityAs(t *testing.T) {
	type user struct {
		ID int64 `json:"id"`
	}
	r := WithIdentity(httptest.NewRequest("GET", "/", nil), Claims{"id": json.Number("9007199254740993")})
	if got, err := IdentityAs[user](r); err != nil || got.ID != 9007199254740993 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, claims := range []Claims{{"id": "seven"}, {"id": make(chan int)}} {
		r := WithIdentity(httptest.NewRequest("GET", "/", nil), claims)
		var refused *IdentityError
		if _, err := IdentityAs[user](r); !errors.As(err, &refused) || refused.Reason != IdentityMalformed {
			t.Errorf("%v: got %v", claims, err)
		}
	}
	if _, err := IdentityAs[user](httptest.NewRequest("GET", "/", nil)); err == nil {
		t.Error("claims from nowhere")
	}
}

func TestRequireIdentity(t *testing.T) {
	secret := strings.Repeat("s", leastSecret)
	withSecret(t, secret)
	var logged bytes.Buffer
	handler := RequireIdentity(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(IdentityHeader) // verified once, known for good
		claims, err := Identity(r)
		if err != nil {
			t.Error(err)
		}
		io.WriteString(w, claims["sub"].(string))
	}))
	ask := func(r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r.Header.Set("X-Request-Id", "r1")
		handler.ServeHTTP(w, withLogger(r, slog.New(slog.NewTextHandler(&logged, nil))))
		return w
	}
	if w := ask(signedRequest(secret, `{"sub":"ada"}`, 0)); w.Code != 200 || w.Body.String() != "ada" || logged.Len() > 0 {
		t.Errorf("got %d %s, logged %s", w.Code, w.Body, &logged)
	}
	forged := signedRequest(strings.Repeat("x", leastSecret), `{"sub":"root"}`, 0)
	if w := ask(forged); w.Code != 403 || w.Body.String() != `{"detail":"Not authenticated"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for _, part := range []string{"level=WARN", "identity refused", "request_id=r1", "path=/orders", "reason=key"} {
		if !strings.Contains(logged.String(), part) {
			t.Errorf("no %s in %s", part, &logged)
		}
	}
}

func TestSecretsOfTheEnvironment(t *testing.T) {
	long := strings.Repeat("s", leastSecret)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("\n "+long+"1\r\n"+long+"2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ value, file, expected string }{
		{"", "", ""},
		{long, "", long},
		{long, file, long + "1 " + long + "2"},
	} {
		t.Setenv("FORST_SECRET", c.value)
		t.Setenv("FORST_SECRET_FILE", c.file)
		secrets, err := namedSecrets()
		if got := string(bytes.Join(secrets, []byte(" "))); got != c.expected || err != nil {
			t.Errorf("%v: got %q, %v", c, got, err)
		}
	}
}

func TestBadSecretsAreNamedButNotTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ value, file, expected string }{
		{"hunter2", "", "FORST_SECRET: secret 1 has 7 bytes, expected at least 32"},
		{"", file, "is empty, expected a secret of at least 32 bytes"},
		{"", file + "x", "no such file"},
	} {
		t.Setenv("FORST_SECRET", c.value)
		t.Setenv("FORST_SECRET_FILE", c.file)
		_, err := namedSecrets()
		if err == nil || !strings.Contains(err.Error(), c.expected) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	}
}

func TestNoIdentityIsAnAnswerOfItsOwn(t *testing.T) {
	w := httptest.NewRecorder()
	WriteError(w, httptest.NewRequest("GET", "/", nil), &IdentityError{IdentityMissing})
	if w.Code != 403 {
		t.Errorf("got %d", w.Code)
	}
}
