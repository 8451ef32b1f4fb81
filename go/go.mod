module github.com/forst-asgi/forst-asgi/go

go 1.24
