module github.com/forst-asgi/forst-asgi/benchmarks/upstream

go 1.24
