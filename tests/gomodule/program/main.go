// Command program is twin.py in Go: the same endpoints, which send back what they understood.
package main

import (
	"context"
	"net/http"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

type size string

func (size) Choices() []any { return []any{size("S"), size("M"), size("L")} }

type level int

func (level) Choices() []any { return []any{level(1), level(2)} }

type kind string

func (kind) Choices() []any { return []any{kind("a"), kind("b")} }

type part struct {
	_     struct{} `forst:"lax,ignore"`
	Name  string   `json:"name"`
	Count int      `json:"count" forst:"optional"`
}

func (p *part) SetDefaults() { p.Count = 1 }

type thing struct {
	_      struct{}                                  `forst:"lax,ignore"`
	Count  int                                       `json:"count" forst:"above=0,below=100"`
	Ratio  forstsidecar.Float                        `json:"ratio" forst:"min=0,max=1.5"`
	On     bool                                      `json:"on"`
	Name   string                                    `json:"name" pattern:"^[a-z]+$" forst:"max=8"`
	Size   size                                      `json:"size"`
	Level  level                                     `json:"level"`
	Kind   kind                                      `json:"kind" forst:"literal"`
	Parts  forstsidecar.List[part]                   `json:"parts" forst:"optional,max=2"`
	Sizes  forstsidecar.Map[int]                     `json:"sizes" forst:"optional"`
	Deep   forstsidecar.Map[forstsidecar.List[bool]] `json:"deep" forst:"optional"`
	Note   *string                                   `json:"note" forst:"optional"`
	At     *forstsidecar.Time                        `json:"at" forst:"optional"`
	Day    *forstsidecar.Date                        `json:"day" forst:"optional"`
	ID     *forstsidecar.UUID                        `json:"id" forst:"optional"`
	Child  *thing                                    `json:"child" forst:"optional"`
	Matrix forstsidecar.List[forstsidecar.List[int]] `json:"matrix" forst:"optional"`
}

type parameters struct {
	ItemID int                    `path:"item_id" json:"item_id"`
	Q      string                 `query:"q" json:"q" forst:"min=2,max=5"`
	Limit  int                    `query:"limit" json:"limit" forst:"optional,min=1,max=100"`
	Ratio  *forstsidecar.Float    `query:"ratio" json:"ratio" forst:"optional"`
	On     bool                   `query:"on" json:"on" forst:"optional"`
	Tag    forstsidecar.List[int] `query:"tag" json:"tag" forst:"optional"`
	Size   *size                  `query:"size" json:"size" forst:"optional"`
	Level  *level                 `query:"level" json:"level" forst:"optional"`
	Day    *forstsidecar.Date     `query:"day" json:"day" forst:"optional"`
	Token  *string                `header:"x-token" json:"x_token" forst:"optional,max=3"`
	Seen   *int                   `cookie:"seen" json:"seen" forst:"optional"`
}

func (p *parameters) SetDefaults() { p.Limit = 10 }

type both struct {
	ItemID int    `path:"item_id"`
	Limit  int    `query:"limit"`
	Parts  []part `body:"json" forst:"min=1"`
}

type optionalBody struct {
	Part *part `body:"json" forst:"optional"`
}

func main() {
	mux := http.NewServeMux()
	mux.Handle("POST /thing", forstsidecar.JSON(func(_ context.Context, in thing) (thing, error) { return in, nil }))
	mux.Handle("GET /items/{item_id}", forstsidecar.Endpoint(func(_ context.Context, in parameters) (parameters, error) { return in, nil }))
	mux.Handle("POST /items/{item_id}", forstsidecar.Endpoint(func(_ context.Context, in both) (any, error) {
		return []any{in.ItemID, in.Limit, in.Parts}, nil
	}, forstsidecar.Status(http.StatusCreated)))
	mux.Handle("PUT /part", forstsidecar.Endpoint(func(_ context.Context, in optionalBody) (*part, error) { return in.Part, nil }))
	mux.Handle("DELETE /part", forstsidecar.Endpoint(func(_ context.Context, in struct{}) (*part, error) { return nil, nil },
		forstsidecar.Status(http.StatusNoContent)))
	forstsidecar.Run(forstsidecar.WithJSONErrors(mux))
}
