module github.com/forst-asgi/forst-asgi/benchmarks/goproxy

go 1.24
