// A game of one number: each message adds 1, and the answer says how much it is now.
//
//	go run . 8080
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	message := func(s *Session, data []byte, isText bool) {
		count, _ := strconv.Atoi(string(s.State))
		s.State = []byte(strconv.Itoa(count + 1))
		_ = s.Send(fmt.Appendf(nil, "%d %s", count+1, data), true, false)
	}
	serve := func(w http.ResponseWriter, r *http.Request) {
		_ = Serve(w, r, Handlers{Message: message})
	}
	_ = http.Serve(listener, http.HandlerFunc(serve))
}
