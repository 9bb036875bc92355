// Owns: an MQTT broker in Go: mochi-mqtt as its documentation starts it, with everything in memory.
// Argument: the port.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("found %d arguments, expected the port", len(os.Args)-1))
	}
	server := mqtt.New(nil)
	fail(server.AddHook(new(auth.AllowHook), nil))
	fail(server.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: "127.0.0.1:" + os.Args[1]})))
	fail(server.Serve())
	fmt.Printf("{\"event\":\"node_listening\",\"url\":\"mqtt://127.0.0.1:%[1]s\",\"internalUrl\":\"mqtt://127.0.0.1:%[1]s\",\"version\":\"mochi-mqtt %[2]s\"}\n", os.Args[1], mqtt.Version)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
	fail(server.Close())
}

func fail(err error) {
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
