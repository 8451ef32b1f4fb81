package forstsidecar

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"strings"
)

// Buckets is how many buckets [Bucket] tells apart: a bucket is a hundredth of a
// per cent.
const Buckets = 10_000

// Bucket returns the bucket of a unit, from 0 to 9999, by the algorithm "forst1",
// which is frozen and the same in Python. A rollout of p basis points includes
// the units whose bucket is below p; so raising p only ever adds units.
//
// The domain keeps uses apart ("canary" is what routes use), the salt is usually
// a route's id, the unit a user or session. All three are UTF-8; neither domain
// nor salt may have a NUL in it, which would let two triples look alike: Bucket
// panics on one.
func Bucket(domain, salt, unit string) int {
	if strings.ContainsRune(domain, 0) || strings.ContainsRune(salt, 0) {
		panic("forstsidecar: Bucket: a domain or a salt with a NUL in it")
	}
	sum := sha256.Sum256([]byte("forst1\x00" + domain + "\x00" + salt + "\x00" + unit))
	bucket, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:8]), Buckets)
	return int(bucket)
}
