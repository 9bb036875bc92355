// The pod's side of holdfast.handoff.v1 (spec/handoff.md) for github.com/gorilla/websocket.
package main

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

const Name = "holdfast.handoff.v1"
const (
	text, binaryKind, closing, early      = 0x01, 0x02, 0x03, 0x20
	hello, attach, leave                  = 0x40, 0x41, 0x42
	ready, commit, commitState       byte = 0x80, 0x81, 0x82
)

// Session is one client. State is what the next pod gets; a handler sets it.
type Session struct {
	ID       string
	State    []byte
	Index    uint64 // of the message that is handled
	Ahead    uint64 // early messages that the client has beyond the state
	up, down uint64
	stateMax uint32
	saved    string
	socket   *websocket.Conn
}

// Handlers is what the application does. Each runs alone for its client.
type Handlers struct {
	Attached func(*Session)
	Message  func(s *Session, data []byte, isText bool)
	Closed   func(s *Session, code int, reason string)
}

// Send gives the client a message with the next commit, or at once if it is early.
func (s *Session) Send(data []byte, isText, isEarly bool) error {
	s.down++
	kind := byte(binaryKind)
	if isText {
		kind = text
	}
	if isEarly {
		kind |= early
	}
	return s.write(append(numbers(kind, s.down), data...))
}

// Commit binds what was handled and sent so far to the state.
func (s *Session) Commit() error {
	if string(s.State) == s.saved {
		return s.write(numbers(commit, s.up))
	}
	if len(s.State) > int(s.stateMax) {
		return fmt.Errorf("a state of %d bytes; at most %d", len(s.State), s.stateMax)
	}
	s.saved = string(s.State)
	return s.write(append(numbers(commitState, s.up), s.State...))
}

// Close ends the client; it is the last message.
func (s *Session) Close(code uint16, reason string) error {
	s.down++
	head := binary.BigEndian.AppendUint16(numbers(closing, s.down), code)
	if err := s.write(append(head, reason...)); err != nil {
		return err
	}
	return s.Commit()
}

// Serve answers a request of a gateway until the client has left this pod.
func Serve(w http.ResponseWriter, r *http.Request, handlers Handlers) error {
	if !strings.Contains(r.Header.Get("Sec-WebSocket-Protocol"), Name) {
		http.Error(w, "This server speaks "+Name, http.StatusBadRequest)
		return nil
	}
	upgrader := websocket.Upgrader{
		Subprotocols: []string{Name},
		CheckOrigin:  func(*http.Request) bool { return true },
	}
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return err
	}
	defer socket.Close()
	session := &Session{ID: r.Header.Get("Holdfast-Session"), socket: socket}
	frames, left := make(chan []byte, 64), make(chan struct{})
	go read(socket, frames, left)
	for {
		select { // A LEAVE is heard before what waits in front of it, which the next pod gets.
		case <-left:
			end := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "The client moves")
			return socket.WriteMessage(websocket.CloseMessage, end)
		default:
		}
		frame, ok := <-frames
		if !ok {
			return nil
		}
		if err := session.take(frame, handlers); err != nil {
			return err
		}
	}
}

func read(socket *websocket.Conn, frames chan<- []byte, left chan<- struct{}) {
	defer close(frames)
	for {
		_, frame, err := socket.ReadMessage()
		if err != nil || len(frame) == 0 {
			return
		}
		if frame[0] == leave {
			close(left)
		}
		frames <- frame
	}
}

func (s *Session) take(frame []byte, handlers Handlers) error {
	number := func(at int) uint64 { return binary.BigEndian.Uint64(frame[at:]) }
	switch frame[0] {
	case hello:
		s.stateMax = binary.BigEndian.Uint32(frame[1:])
		return s.write([]byte{ready})
	case attach:
		s.up, s.down, s.State = number(1), number(9), frame[25:]
		s.Ahead, s.saved = number(17)-s.down, string(s.State)
		if handlers.Attached == nil {
			return nil
		}
		handlers.Attached(s)
		return s.Commit()
	case text, binaryKind, closing:
		s.Index = number(1)
		if s.Index <= s.up {
			return nil // It was here before.
		}
		if frame[0] != closing {
			handlers.Message(s, frame[9:], frame[0] == text)
		} else if handlers.Closed != nil {
			handlers.Closed(s, int(binary.BigEndian.Uint16(frame[9:])), string(frame[11:]))
		}
		s.up = s.Index
		return s.Commit()
	}
	return nil
}

func (s *Session) write(frame []byte) error {
	return s.socket.WriteMessage(websocket.BinaryMessage, frame)
}

func numbers(kind byte, value uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, value)
}
