package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
)

const (
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// socketEcho is a WebSocket that sends every frame back (RFC 6455 section 5).
func socketEcho(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	for {
		first, payload, err := readFrame(buffered.Reader)
		if err != nil {
			return
		}
		opcode := first & 15
		if opcode == opPong {
			continue
		}
		if opcode == opPing {
			first = first - opPing + opPong
		}
		if _, err := conn.Write(frame(first, payload)); err != nil || opcode == opClose {
			return
		}
	}
}

// readFrame returns the first byte of a client's frame, and its payload.
func readFrame(r *bufio.Reader) (byte, []byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1] & 127)
	if extended := map[uint64]int{126: 2, 127: 8}[size]; extended > 0 {
		var wide [8]byte
		if _, err := io.ReadFull(r, wide[8-extended:]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(wide[:])
	}
	if size > 16<<20 {
		return 0, nil, fmt.Errorf("a frame of %d bytes", size)
	}
	masked := make([]byte, 4+size)
	if _, err := io.ReadFull(r, masked); err != nil {
		return 0, nil, err
	}
	mask, payload := masked[:4], masked[4:]
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return head[0], payload, nil
}

func frame(first byte, payload []byte) []byte {
	made := []byte{first}
	switch size := len(payload); {
	case size < 126:
		made = append(made, byte(size))
	case size < 1<<16:
		made = binary.BigEndian.AppendUint16(append(made, 126), uint16(size))
	default:
		made = binary.BigEndian.AppendUint64(append(made, 127), uint64(size))
	}
	return append(made, payload...)
}
