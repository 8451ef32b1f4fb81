"""A small service, some of whose endpoints have a twin in Go: what forst-asgi does, to look at and to try."""
