// Owns: the help desk's rules in Go.

// Command back-end is a help desk: back-end PORT; the secret is in DESK_SECRET. Port 0 takes a free
// one and prints it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"holdfast.dev/examples/back-end/backend"
)

func connect(q backend.Question) (*backend.Answer, error) {
	if q.Session.User == "mallory" {
		return nil, backend.Reject("Your account is closed")
	}
	return nil, nil
}

func subscribe(q backend.Question) (*backend.Answer, error) {
	if strings.HasPrefix(q.Params["name"], "desk-") && q.Session.User != "ada" {
		return nil, backend.Reject("Only the desk")
	}
	return nil, nil
}

func publish(q backend.Question) (*backend.Answer, error) {
	var data map[string]any
	if json.Unmarshal(q.Data, &data) != nil || data == nil {
		return nil, nil
	}
	if text, _ := data["text"].(string); strings.Contains(text, "secret") {
		data["text"] = "(removed)"
		return &backend.Answer{Data: data}, nil
	}
	return nil, nil
}

func closeTicket(q backend.Question) (*backend.Answer, error) {
	var input struct {
		Ticket string `json:"ticket"`
	}
	if json.Unmarshal(q.Data, &input) != nil || input.Ticket != "7" {
		return nil, backend.Reject("There is no such ticket")
	}
	by := any(nil)
	if q.Session.User != "" {
		by = q.Session.User
	}
	return &backend.Answer{Data: map[string]any{"closed": input.Ticket, "by": by}}, nil
}

func fail(backend.Question) (*backend.Answer, error) {
	return nil, errors.New("the desk has a fault")
}

func echo(q backend.Question) (*backend.Answer, error) {
	if q.Bytes != nil {
		return &backend.Answer{Bytes: q.Bytes}, nil
	}
	return &backend.Answer{Data: q.Data}, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("listening on %d\n", listener.Addr().(*net.TCPAddr).Port)
	handler := backend.New(os.Getenv("DESK_SECRET"), map[string]backend.Handler{
		"connect":   connect,
		"subscribe": subscribe,
		"publish":   publish,
		"rpc:close": closeTicket,
		"rpc:fail":  fail,
		"rpc:echo":  echo,
	})
	if err := http.Serve(listener, handler); err != nil {
		os.Exit(1)
	}
}
