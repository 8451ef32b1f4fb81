module github.com/forst-asgi/forst-asgi/tests/oracle/peers

go 1.24
