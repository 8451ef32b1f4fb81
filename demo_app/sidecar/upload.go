package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

type uploaded struct {
	Filename    *string `json:"filename"`
	ContentType *string `json:"content_type"`
	Size        int64   `json:"size"`
	SHA256      string  `json:"sha256"`
}

var (
	errMalformed = &forstsidecar.HTTPError{Status: http.StatusBadRequest, Detail: "malformed multipart body"}
	errMedia     = &forstsidecar.HTTPError{
		Status: http.StatusUnsupportedMediaType,
		Detail: "expected multipart/form-data or application/octet-stream",
	}
	errNoFile = forstsidecar.ValidationError{{
		Type: "missing", Loc: []any{"body", "file"}, Msg: "Field required", Input: json.RawMessage("null"),
	}}
)

// upload answers with what it received. It keeps nothing of it: memory does not
// grow with the file.
func upload(w http.ResponseWriter, r *http.Request) {
	out, err := receive(r)
	if err != nil {
		forstsidecar.WriteError(w, r, err)
		return
	}
	forstsidecar.WriteJSON(w, http.StatusOK, out)
}

func receive(r *http.Request) (*uploaded, error) {
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && media == "application/octet-stream":
		return digest(r.Body, nil, &media)
	case err == nil && media == "multipart/form-data" && parameters["boundary"] != "":
		return receiveForm(multipart.NewReader(r.Body, parameters["boundary"]))
	case media == "multipart/form-data":
		return nil, errMalformed
	}
	return nil, errMedia
}

// receiveForm reads the part named "file"; of several the last counts.
func receiveForm(form *multipart.Reader) (*uploaded, error) {
	var last *uploaded
	for {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errMalformed
		}
		filename, isFile := filenameOf(part)
		if part.FormName() != "file" {
			continue
		}
		last = nil
		if !isFile {
			continue
		}
		if last, err = digest(part, &filename, typeOf(part)); err != nil {
			return nil, errMalformed
		}
	}
	if last == nil {
		return nil, errNoFile
	}
	return last, nil
}

// filenameOf returns the name as it was sent; part.FileName would shorten a path
// to its last element.
func filenameOf(part *multipart.Part) (string, bool) {
	_, parameters, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	name, ok := parameters["filename"]
	return name, ok
}

func typeOf(part *multipart.Part) *string {
	if value := part.Header.Get("Content-Type"); value != "" {
		return &value
	}
	return nil
}

func digest(body io.Reader, filename, contentType *string) (*uploaded, error) {
	sum := sha256.New()
	size, err := io.Copy(sum, body)
	if err != nil {
		return nil, err
	}
	return &uploaded{filename, contentType, size, hex.EncodeToString(sum.Sum(nil))}, nil
}
