package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	opClose = 0x8
	maxSize = 1 << 16
)

// socket answers each message of a WebSocket with itself (RFC 6455, as far as the load needs it: no fragments,
// no pings).
func socket(w http.ResponseWriter, r *http.Request) {
	key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	connection, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	_, _ = fmt.Fprintf(connection, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(key[:]))
	for {
		frame, err := echoed(buffers.Reader)
		if err != nil {
			return
		}
		if _, err := connection.Write(frame); err != nil || frame[0]&0xf == opClose {
			return
		}
	}
}

// echoed reads a client's frame, which is masked, and returns it as a server sends it, which is not.
func echoed(reader *bufio.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(reader, head[:]); err != nil {
		return nil, err
	}
	size := int(head[1] & 0x7f)
	frame := []byte{head[0], head[1] & 0x7f}
	if size == 126 {
		var long [2]byte
		if _, err := io.ReadFull(reader, long[:]); err != nil {
			return nil, err
		}
		size = int(binary.BigEndian.Uint16(long[:]))
		frame = append(frame, long[:]...)
	} else if size > 126 {
		return nil, errors.New("too long")
	}
	body := make([]byte, 4+min(size, maxSize))
	if _, err := io.ReadFull(reader, body); err != nil {
		return nil, err
	}
	mask, body := body[:4], body[4:]
	for i := range body {
		body[i] ^= mask[i%4]
	}
	return append(frame, body...), nil
}
