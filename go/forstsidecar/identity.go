package forstsidecar

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// IdentityHeader carries the claims that the Python side established. The Python
// side removes it from what clients send, in any spelling.
const IdentityHeader = "X-Forst-Identity"

// identitySkew is by how much the clocks of both sides may differ.
const identitySkew = 5 * time.Second

// Claims is what the route's `auth` function in Python returned. Numbers are
// json.Number, so that none loses digits.
type Claims map[string]any

// Reasons of an [IdentityError].
const (
	IdentityMissing   = "missing"   // no such header, or an empty one: the route has no auth function, or it claimed nothing
	IdentityMalformed = "malformed" // not of the form v1.<key id>.<payload>.<signature>, or more than one
	IdentityKey       = "key"       // signed with a secret that is not ours
	IdentitySignature = "signature" // forged, or meant for another request
	IdentityExpired   = "expired"   // replayed late, or the clocks differ
	IdentityNoSecret  = "no secret" // this process was given none, so nothing can be verified
)

// IdentityError says why a request has no identity. [WriteError] answers it with
// 403, and tells the client nothing of the reason.
type IdentityError struct{ Reason string }

func (e *IdentityError) Error() string { return "no identity: " + e.Reason }

// Identity returns the claims of the caller as the route's `auth` function
// established them in Python, and nothing that anybody else wrote: the value is
// signed for this request's method and target and holds for a minute from when it
// was signed to when the request came in. The body is not covered.
//
// The secret comes from the Python side: by file descriptor from the one that
// started this process, or from FORST_SECRET or FORST_SECRET_FILE.
//
// The error is always an *[IdentityError].
func Identity(r *http.Request) (Claims, error) {
	payload, err := identityOf(r)
	if err != nil {
		return nil, err
	}
	return payload.Claims, nil
}

// IdentityAs is [Identity] with the claims decoded into a type of yours. Claims
// that do not fit count as malformed.
func IdentityAs[T any](r *http.Request) (T, error) {
	var typed T
	claims, err := Identity(r)
	if err != nil {
		return typed, err
	}
	text, err := json.Marshal(claims)
	if err == nil {
		err = json.Unmarshal(text, &typed)
	}
	if err != nil {
		return typed, &IdentityError{IdentityMalformed}
	}
	return typed, nil
}

// RequireIdentity answers 403 to requests without a good identity, and leaves a
// line in the log: whoever sends one came around the Python side.
func RequireIdentity(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, err := identityOf(r)
		if err != nil {
			Logger(r.Context()).Warn("identity refused", slog.String("method", r.Method),
				slog.String("path", r.URL.Path), slog.String("reason", err.Reason))
			WriteError(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey, payload)))
	})
}

// WithIdentity returns the request as if Python had sent it with these claims: for
// tests of handlers.
func WithIdentity(r *http.Request, claims Claims) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), identityKey, &identity{Claims: claims}))
}

// identity is the payload of the header.
type identity struct {
	Claims  Claims `json:"claims"`
	Expires int64  `json:"exp"` // seconds since 1970
	Issued  int64  `json:"iat"`
	Route   string `json:"route"` // the route's id
}

func identityOf(r *http.Request) (*identity, *IdentityError) {
	if known, ok := r.Context().Value(identityKey).(*identity); ok {
		return known, nil
	}
	values := r.Header.Values(IdentityHeader)
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return nil, &IdentityError{IdentityMissing}
	case len(values) > 1:
		return nil, &IdentityError{IdentityMalformed}
	}
	return processKeys().verify(values[0], r.Method, r.RequestURI, arrival(r.Context()))
}

// keyring holds the keys of all secrets by their ids.
type keyring map[string][]byte

func newKeyring(secrets [][]byte) keyring {
	keys := keyring{}
	for _, secret := range secrets {
		id := base64.RawURLEncoding.EncodeToString(digest(secret, "forst identity v1 key id")[:6])
		keys[id] = digest(secret, "forst identity v1 key")
	}
	return keys
}

func digest(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// verify reads a value of the form that forst_asgi/identity.py describes. The
// payload is not looked at before the signature is known to be right.
func (k keyring) verify(value, method, target string, now time.Time) (*identity, *IdentityError) {
	if len(k) == 0 {
		return nil, &IdentityError{IdentityNoSecret}
	}
	parts := strings.Split(value, ".")
	if len(parts) != 4 || parts[0] != "v1" {
		return nil, &IdentityError{IdentityMalformed}
	}
	key, known := k[parts[1]]
	if !known {
		return nil, &IdentityError{IdentityKey}
	}
	signed := strings.TrimSuffix(value, "."+parts[3])
	expected := base64.RawURLEncoding.EncodeToString(digest(key, signed+"\n"+method+" "+target))
	if !hmac.Equal([]byte(expected), []byte(parts[3])) {
		return nil, &IdentityError{IdentitySignature}
	}
	return readIdentity(parts[2], now)
}

func readIdentity(encoded string, now time.Time) (*identity, *IdentityError) {
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, &IdentityError{IdentityMalformed}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	payload := &identity{}
	if err := decoder.Decode(payload); err != nil || payload.Claims == nil {
		return nil, &IdentityError{IdentityMalformed}
	}
	if now.Add(identitySkew).Before(time.Unix(payload.Issued, 0)) || now.After(time.Unix(payload.Expires, 0)) {
		return nil, &IdentityError{IdentityExpired}
	}
	return payload, nil
}
