// Command echo is a WebSocket upstream that sends every message back, with the standard library only.
//
// It is strict: whatever RFC 6455 forbids a client is answered with the close code that the RFC names, so
// that a forwarder that sent such a thing would be found out. With -fragment it sends messages in pieces.
package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"
)

const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10

	finBit      = 0x80
	reservedBit = 0x70
	maskBit     = 0x80

	codeProtocol = 1002
	codeInvalid  = 1007
	codeTooBig   = 1009

	maxMessage = 64 << 20
)

var fragment = flag.Int("fragment", 0, "send messages in pieces of this many bytes")

// A fault is what a client did wrong, as the close code for it.
type fault int

func (f fault) Error() string { return fmt.Sprintf("close code %d", int(f)) }

type frame struct {
	fin     bool
	opcode  byte
	payload []byte
}

func main() {
	network := flag.String("network", "tcp", "tcp or unix")
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	flag.Parse()
	listener, err := net.Listen(*network, *address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	fmt.Fprintln(os.Stderr, http.Serve(listener, http.HandlerFunc(serve)))
}

func serve(w http.ResponseWriter, r *http.Request) {
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	if err != nil || len(key) != 16 || r.Header.Get("Sec-WebSocket-Version") != "13" ||
		!strings.EqualFold(r.Header.Get("Upgrade"), "websocket") ||
		!strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		http.Error(w, "not a WebSocket handshake", http.StatusBadRequest)
		return
	}
	connection, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer connection.Close()
	digest := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(digest[:]))
	if buffered.Flush() != nil {
		return
	}
	var wrong fault
	if err := echo(buffered); errors.As(err, &wrong) {
		send(buffered.Writer, frame{true, opClose, binary.BigEndian.AppendUint16(nil, uint16(wrong))})
	}
}

// echo returns when the WebSocket is over: nil after a close frame, a fault, or what the connection said.
func echo(client *bufio.ReadWriter) error {
	var whole []byte
	var kind byte
	for {
		got, err := receive(client.Reader)
		if err != nil {
			return err
		}
		switch got.opcode {
		case opPong:
			continue
		case opPing:
			err = send(client.Writer, frame{true, opPong, got.payload})
		case opClose:
			if err = closing(got.payload); err == nil {
				return send(client.Writer, frame{true, opClose, got.payload})
			}
		case opText, opBinary, opContinuation:
			if (got.opcode == opContinuation) != (kind != 0) {
				return fault(codeProtocol)
			}
			if got.opcode != opContinuation {
				kind = got.opcode
			}
			if whole = append(whole, got.payload...); len(whole) > maxMessage {
				return fault(codeTooBig)
			}
			if got.fin {
				if kind == opText && !utf8.Valid(whole) {
					return fault(codeInvalid)
				}
				err = reply(client.Writer, kind, whole)
				whole, kind = nil, 0
			}
		default:
			err = fault(codeProtocol)
		}
		if err != nil {
			return err
		}
	}
}

func reply(client *bufio.Writer, kind byte, whole []byte) error {
	for *fragment > 0 && len(whole) > *fragment {
		if err := send(client, frame{false, kind, whole[:*fragment]}); err != nil {
			return err
		}
		whole, kind = whole[*fragment:], opContinuation
	}
	return send(client, frame{true, kind, whole})
}

// closing checks the payload of a close frame (RFC 6455 sections 5.5.1 and 7.4).
func closing(payload []byte) error {
	if len(payload) == 0 {
		return nil
	}
	if len(payload) == 1 {
		return fault(codeProtocol)
	}
	code := binary.BigEndian.Uint16(payload)
	switch {
	case code >= 3000 && code <= 4999, code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
	default:
		return fault(codeProtocol)
	}
	if !utf8.Valid(payload[2:]) {
		return fault(codeInvalid)
	}
	return nil
}

func receive(client *bufio.Reader) (frame, error) {
	var head [14]byte
	if _, err := io.ReadFull(client, head[:2]); err != nil {
		return frame{}, err
	}
	got := frame{fin: head[0]&finBit != 0, opcode: head[0] & 0x0f}
	length := uint64(head[1] &^ maskBit)
	isControl := got.opcode >= opClose
	if head[0]&reservedBit != 0 || head[1]&maskBit == 0 || isControl && (!got.fin || length > 125) {
		return frame{}, fault(codeProtocol)
	}
	if err := extended(client, head[2:10], &length); err != nil {
		return frame{}, err
	}
	if length > maxMessage {
		return frame{}, fault(codeTooBig)
	}
	mask := head[10:14]
	if _, err := io.ReadFull(client, mask); err != nil {
		return frame{}, err
	}
	got.payload = make([]byte, length)
	if _, err := io.ReadFull(client, got.payload); err != nil {
		return frame{}, err
	}
	for i := range got.payload {
		got.payload[i] ^= mask[i%4]
	}
	return got, nil
}

// extended reads a length that does not fit into seven bits; it has to be the shortest form.
func extended(client *bufio.Reader, space []byte, length *uint64) error {
	switch *length {
	case 126:
		if _, err := io.ReadFull(client, space[:2]); err != nil {
			return err
		}
		*length = uint64(binary.BigEndian.Uint16(space))
		if *length < 126 {
			return fault(codeProtocol)
		}
	case 127:
		if _, err := io.ReadFull(client, space); err != nil {
			return err
		}
		*length = binary.BigEndian.Uint64(space)
		if *length < 1<<16 || *length > 1<<63-1 {
			return fault(codeProtocol)
		}
	}
	return nil
}

func send(client *bufio.Writer, out frame) error {
	first := out.opcode
	if out.fin {
		first |= finBit
	}
	head := []byte{first}
	switch length := len(out.payload); {
	case length < 126:
		head = append(head, byte(length))
	case length < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(length))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(length))
	}
	client.Write(head)
	client.Write(out.payload)
	return client.Flush()
}
