package main

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/forst-asgi/forst-asgi/go/forstsidecar"
)

const (
	shardCount     = 8
	maxQueryTokens = 8

	titleToken  = 12
	titlePrefix = 5
	tagToken    = 7
	tagPrefix   = 2
	allTokens   = 20
)

type hit struct {
	ID    int      `json:"id"`
	Title string   `json:"title"`
	Tags  []string `json:"tags"`
	Year  int      `json:"year"`
	Score int      `json:"score"`
}

type found struct {
	Query   string   `json:"query"`
	Tokens  []string `json:"tokens"`
	Total   int      `json:"total"`
	Results []hit    `json:"results"`
}

// search asks all shards at the same time and merges what they found.
func search(w http.ResponseWriter, r *http.Request) {
	query := forstsidecar.NewQuery(r)
	text := query.String("q", 1, 200)
	limit := int(query.Int("limit", 10, 1, 100))
	if err := query.Err(); err != nil {
		forstsidecar.WriteError(w, r, err)
		return
	}
	tokens := queryTokens(text)
	hits := fanOut(tokens)
	slices.SortFunc(hits, better)
	out := found{Query: text, Tokens: tokens, Total: len(hits), Results: []hit{}}
	out.Results = append(out.Results, hits[:min(limit, len(hits))]...)
	forstsidecar.WriteJSON(w, http.StatusOK, out)
}

func fanOut(tokens []string) []hit {
	var parts [shardCount][]hit
	var all sync.WaitGroup
	for number, shard := range shards() {
		all.Add(1)
		go func() {
			defer all.Done()
			parts[number] = searchShard(shard, tokens)
		}()
	}
	all.Wait()
	return slices.Concat(parts[:]...)
}

func searchShard(shard []entry, tokens []string) []hit {
	var hits []hit
	for i := range shard {
		if score := shard[i].score(tokens); score > 0 {
			e := &shard[i]
			hits = append(hits, hit{e.ID, e.Title, e.Tags, e.Year, score})
		}
	}
	return hits
}

// better sorts the higher score first, then the lower id.
func better(a, b hit) int {
	if a.Score != b.Score {
		return b.Score - a.Score
	}
	return a.ID - b.ID
}

// score adds the best match in the title and the best among the tags for each
// token, and a bonus if every one of several tokens was found.
func (e *entry) score(tokens []string) int {
	score, matched := 0, 0
	for _, token := range tokens {
		points := best(e.titleTokens, token, titleToken, titlePrefix) + best(e.tagTokens, token, tagToken, tagPrefix)
		score += points
		if points > 0 {
			matched++
		}
	}
	if matched > 1 && matched == len(tokens) {
		score += allTokens
	}
	return score
}

func best(words []string, token string, whole, prefix int) (points int) {
	for _, word := range words {
		if word == token {
			return whole
		}
		if strings.HasPrefix(word, token) {
			points = prefix
		}
	}
	return points
}

// queryTokens returns the first few different tokens of the text, in order.
func queryTokens(text string) []string {
	different := []string{}
	for _, token := range tokenise(text) {
		if len(different) < maxQueryTokens && !slices.Contains(different, token) {
			different = append(different, token)
		}
	}
	return different
}

// tokenise splits at every ASCII character that is neither letter nor digit.
// ASCII letters become lower case; other characters are letters, as they are.
func tokenise(text string) []string {
	return strings.FieldsFunc(asciiLower(text), func(r rune) bool {
		return r < 0x80 && !isAlphanumeric(byte(r))
	})
}
