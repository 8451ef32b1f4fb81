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
	"strings"

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

// receiveForm reads the part named "file"; of several the last counts. A part that
// is cut short counts as absent, as with Starlette.
func receiveForm(form *multipart.Reader) (*uploaded, error) {
	var last *uploaded
	for {
		part, err := form.NextRawPart()
		if err == nil {
			last, err = receivePart(part, last)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return fileOrMissing(last)
		case err != nil:
			return nil, errMalformed
		}
	}
}

func fileOrMissing(file *uploaded) (*uploaded, error) {
	if file == nil {
		return nil, errNoFile
	}
	return file, nil
}

// receivePart returns what counts as the file after this part: the part itself,
// nothing if it is a plain field of that name, or else what was before.
func receivePart(part *multipart.Part, before *uploaded) (*uploaded, error) {
	filename, isFile := filenameOf(part)
	received, err := digest(part, &filename, typeOf(part))
	switch {
	case err != nil || part.FormName() != "file":
		return before, err
	case !isFile:
		return nil, nil
	}
	return received, nil
}

// filenameOf returns the name as it was sent, which part.FileName would shorten
// to its last element. Only from Windows paths the folder is taken off, as
// python-multipart does.
func filenameOf(part *multipart.Part) (string, bool) {
	_, parameters, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	name, ok := parameters["filename"]
	if strings.HasPrefix(name, `\\`) || len(name) > 2 && name[1:3] == `:\` {
		name = name[strings.LastIndex(name, `\`)+1:]
	}
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
