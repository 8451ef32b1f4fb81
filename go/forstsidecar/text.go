package forstsidecar

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Time is a point in time in the form that pydantic gives a datetime: a fraction
// has six digits or none, UTC is Z, and a time without an offset stays without.
//
// time.Time would write .12Z for .120000Z, and refuse what has no offset.
type Time struct {
	time.Time
	// Naive says that there is no offset; the time is then in UTC, by default.
	Naive bool
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	layout := "2006-01-02T15:04:05"
	if t.Nanosecond()/1000 != 0 {
		layout += ".000000"
	}
	if !t.Naive {
		layout += "Z07:00"
	}
	return json.Marshal(t.Format(layout))
}

// UnmarshalJSON takes RFC 3339, also with a space in place of the T, without
// seconds, without an offset, and a date alone.
func (t *Time) UnmarshalJSON(raw []byte) error {
	text, ok := textOf(raw)
	if !ok {
		return FieldError{Type: "datetime_type", Msg: "Input should be a valid datetime"}
	}
	if len(text) > 10 && strings.ContainsRune(" _t", rune(text[10])) {
		text = text[:10] + "T" + text[11:]
	}
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700"} {
		if parsed, err := time.Parse(layout, strings.Replace(text, "z", "Z", 1)); err == nil {
			*t = Time{Time: parsed.Truncate(time.Microsecond)}
			return nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if parsed, err := time.Parse(layout, text); err == nil {
			*t = Time{Time: parsed.Truncate(time.Microsecond), Naive: true}
			return nil
		}
	}
	return badText("datetime_from_date_parsing", "Input should be a valid datetime or date", "not of the form 2006-01-02T15:04:05Z")
}

// Date is a day, without a time.
type Date struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (d Date) MarshalJSON() ([]byte, error) { return json.Marshal(d.Format(time.DateOnly)) }

// UnmarshalJSON takes a day such as 2006-01-02.
func (d *Date) UnmarshalJSON(raw []byte) error {
	text, ok := textOf(raw)
	if !ok {
		return FieldError{Type: "date_type", Msg: "Input should be a valid date"}
	}
	parsed, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return badText("date_from_datetime_parsing", "Input should be a valid date or datetime", "not of the form 2006-01-02")
	}
	*d = Date{parsed}
	return nil
}

// UUID is a UUID in lower case, with hyphens.
type UUID string

var uuidForm = regexp.MustCompile(`^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$`)

// UnmarshalJSON takes a UUID with or without hyphens, in any case.
func (u *UUID) UnmarshalJSON(raw []byte) error {
	text, ok := textOf(raw)
	if !ok {
		return FieldError{Type: "uuid_type", Msg: "UUID input should be a string, bytes or UUID object"}
	}
	parts := uuidForm.FindStringSubmatch(strings.ToLower(text))
	if parts == nil {
		return badText("uuid_parsing", "Input should be a valid UUID", "not 32 hexadecimal digits")
	}
	*u = UUID(strings.Join(parts[1:], "-"))
	return nil
}

func textOf(raw []byte) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return unquote(raw), true
}

func badText(kind, message, why string) FieldError {
	return FieldError{Type: kind, Msg: fmt.Sprintf("%s, %s", message, why), Ctx: map[string]any{"error": why}}
}

// List is a slice that is [] in JSON when it is nil: as in Python, where a list
// that nobody put anything into is no null.
type List[T any] []T

// MarshalJSON implements json.Marshaler.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// Map is a map that is {} in JSON when it is nil, as List is [].
type Map[T any] map[string]T

// MarshalJSON implements json.Marshaler.
func (m Map[T]) MarshalJSON() ([]byte, error) {
	if m == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]T(m))
}
