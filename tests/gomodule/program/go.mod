module github.com/forst-asgi/forst-asgi/tests/gomodule/program

go 1.24

require github.com/forst-asgi/forst-asgi/go v0.0.0

replace github.com/forst-asgi/forst-asgi/go => ../../../go
