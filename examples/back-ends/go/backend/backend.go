// Owns: the receiving side of holdfast.back-end.v1 (spec/back-end.md) as an http.Handler.

// Package backend answers the hooks and RPCs of Holdfast nodes.
package backend

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	tolerance    = 5 * time.Minute
	bodyBytesMax = 2 << 20
)

// Session is who the question is about.
type Session struct {
	ID      string          `json:"id"`
	User    string          `json:"user,omitempty"`
	Info    json.RawMessage `json:"info,omitempty"`
	Address string          `json:"address"`
}

// Question is what a node asks. Session is nil for publishes of a back end.
type Question struct {
	Type    string            `json:"type"`
	Session *Session          `json:"session"`
	Channel string            `json:"channel"`
	Params  map[string]string `json:"params"`
	Method  string            `json:"method"`
	Key     string            `json:"key"`
	Reason  string            `json:"reason"`
	Data    json.RawMessage   `json:"data"`
	Bytes   []byte            `json:"b"`
}

// Answer is what it answers; nil is an empty one.
type Answer struct {
	Data  any    `json:"data,omitempty"`
	Bytes []byte `json:"b,omitempty"`
}

// Reject refuses what the client wants; the text reaches the client.
type Reject string

func (text Reject) Error() string { return string(text) }

// Handler answers a question. An error that is no Reject is answered with 500.
type Handler func(Question) (*Answer, error)

// New is a handler for nodes that have the secret. Handlers are by type, those of RPCs by
// "rpc:method".
func New(secret string, handlers map[string]Handler) http.Handler {
	key := []byte(secret)
	if encoded, found := strings.CutPrefix(secret, "whsec_"); found {
		key, _ = base64.StdEncoding.DecodeString(encoded)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		if !IsSigned(key, r.Header, body, time.Now()) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var question Question
		if json.Unmarshal(body, &question) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer(w, question, handlers)
	})
}

func answer(w http.ResponseWriter, question Question, handlers map[string]Handler) {
	name := question.Type
	if name == "rpc" {
		name = "rpc:" + question.Method
	}
	w.Header().Set("content-type", "application/json")
	handler, found := handlers[name]
	if !found {
		// A later version may ask more: a hook without a handler allows.
		if question.Type == "rpc" {
			w.WriteHeader(http.StatusNotFound)
		}
		return
	}
	given, err := handler(question)
	var refusal Reject
	switch {
	case errors.As(err, &refusal):
		_ = json.NewEncoder(w).Encode(map[string]string{"reject": string(refusal)})
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
	case given != nil:
		_ = json.NewEncoder(w).Encode(given)
	}
}

// IsSigned tells whether a node that has the key sent the body within five minutes.
func IsSigned(key []byte, header http.Header, body []byte, now time.Time) bool {
	id, timestamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	right := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for at, one := range strings.Fields(header.Get("webhook-signature")) {
		if at < 5 && hmac.Equal(right, []byte(one)) {
			return true
		}
	}
	return false
}
