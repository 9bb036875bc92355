// Owns: the vectors of holdfast.back-end.v1 in Go.

package backend

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../../../spec/vectors/back-end.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Questions []struct {
			Name, Secret, ID, Body, Signature string
			Timestamp                         int64
		}
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Questions) == 0 {
		t.Fatal("no vectors", err)
	}
	for _, one := range file.Questions {
		key := []byte(one.Secret)
		if encoded, found := strings.CutPrefix(one.Secret, "whsec_"); found {
			key, _ = base64.StdEncoding.DecodeString(encoded)
		}
		header := http.Header{}
		header.Set("webhook-id", one.ID)
		header.Set("webhook-timestamp", strconv.FormatInt(one.Timestamp, 10))
		header.Set("webhook-signature", "v1,AAAA "+one.Signature)
		now := time.Unix(one.Timestamp+299, 0)
		if !IsSigned(key, header, []byte(one.Body), now) {
			t.Errorf("%s: refused", one.Name)
		}
		if IsSigned(key, header, []byte(one.Body+" "), now) {
			t.Errorf("%s: taken with another body", one.Name)
		}
		if IsSigned(key, header, []byte(one.Body), now.Add(2*time.Second)) {
			t.Errorf("%s: taken when it was old", one.Name)
		}
		if IsSigned(append(key, 'x'), header, []byte(one.Body), now) {
			t.Errorf("%s: taken with another secret", one.Name)
		}
	}
}
