"""What the endpoints do, in Python and without HTTP. The Go twins are in ../sidecar."""
