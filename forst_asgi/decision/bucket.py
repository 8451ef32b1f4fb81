"""The bucket algorithm `forst1`: which of ten thousand buckets a user is in. Frozen; Go has the same.

    message = "forst1" 00 domain 00 salt 00 unit          all in UTF-8
    h       = the first 8 bytes of SHA-256(message), big endian
    bucket  = (h * 10000) >> 64                           0 to 9999

A request is in the canary iff its bucket is below the percentage in basis points, so raising the percentage
only adds users. The vectors that pin it are in `go/forstsidecar/testdata/forst1.json`.
"""

from hashlib import sha256
from typing import Final

BUCKETS: Final = 10_000
"""How many there are: one for each basis point."""

CANARY: Final = "canary"
"""The domain of rollouts. What else is drawn by lot one day has a domain, and so buckets, of its own."""


class Bucketing:
    """Finds buckets in one domain, under one salt.

    Args:
        domain: what is drawn by lot.
        salt: what tells one lottery from another; the same salt keeps a user on the same side everywhere.

    Raises:
        ValueError: a NUL is in the domain or the salt, where it would shift the parts.
    """

    __slots__ = ("_begun", "salt")

    def __init__(self, domain: str, salt: str) -> None:
        if "\0" in domain or "\0" in salt:
            raise ValueError("neither a domain nor a salt may hold a NUL")
        self.salt = salt
        self._begun = sha256(b"forst1\0%b\0%b\0" % (domain.encode(), salt.encode()))

    def __repr__(self) -> str:
        return f"<Bucketing salt={self.salt!r}>"

    def bucket(self, unit: bytes) -> int:
        """Return the bucket of a user, 0 to 9999.

        Args:
            unit: what stands for the user, in UTF-8.
        """
        hashed = self._begun.copy()
        hashed.update(unit)
        return (int.from_bytes(hashed.digest()[:8], "big") * BUCKETS) >> 64


def bucket_of(domain: str, salt: str, unit: str) -> int:
    """Return the bucket of one user; `Bucketing` is quicker for many.

    Raises:
        ValueError: a NUL is in the domain or the salt.
    """
    return Bucketing(domain, salt).bucket(unit.encode())
