package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"
)

//go:embed data/catalogue.jsonl
var catalogue []byte

// entry is one line of the catalogue, with what a search needs of it.
type entry struct {
	ID    int      `json:"id"`
	Title string   `json:"title"`
	Tags  []string `json:"tags"`
	Year  int      `json:"year"`

	titleTokens []string
	tagTokens   []string
}

// shards are the parts of the catalogue that are searched at the same time.
var shards = sync.OnceValue(func() (parts [shardCount][]entry) {
	for line := range bytes.Lines(catalogue) {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			panic(fmt.Sprintf("catalogue: %s: %v", line, err)) // embedded: a mistake of the build
		}
		e.titleTokens = tokenise(e.Title)
		for _, tag := range e.Tags {
			e.tagTokens = append(e.tagTokens, tokenise(tag)...)
		}
		number := e.ID % shardCount
		parts[number] = append(parts[number], e)
	}
	return parts
})
