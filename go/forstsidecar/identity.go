package forstsidecar

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
)

// IdentityHeader carries the claims that the Python side established. The Python
// side removes it from what clients send, in any spelling.
const IdentityHeader = "X-Forst-Identity"

// Identity returns the claims of the caller as the route's `auth` function
// established them in Python. It is false if there are none: no such header, more
// than one, or a value that is not base64url (without padding, RFC 4648 section
// 5) of a JSON object.
//
// The claims are as trustworthy as the way here is closed: the Unix socket is
// private to the user, a TCP port is not.
func Identity(r *http.Request) (map[string]any, bool) {
	values := r.Header.Values(IdentityHeader)
	if len(values) != 1 {
		return nil, false
	}
	return parseIdentity(values[0])
}

func parseIdentity(value string) (map[string]any, bool) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil, false
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil || claims == nil {
		return nil, false
	}
	return claims, true
}
