// Owns: a Kafka broker for tests, by franz-go's kfake, and a reader of its own: what a topic holds
// (/read), and what comes to it (/follow), as JSON over HTTP. Arguments: the broker's port, the
// reader's port, the folder of its data. With KAFKA_PAGE_CACHE it waits for no disk, as Kafka does by
// default: then what it acknowledged outlives its own death, and not the machine's.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

const (
	password = "secret-of-kafka"
	patience = 10 * time.Second
)

type message struct {
	ID        string          `json:"id"`
	Key       string          `json:"key"`
	Value     json.RawMessage `json:"value"`
	Partition int32           `json:"partition"`
	TimeMs    int64           `json:"timeMs"`
}

func main() {
	if len(os.Args) != 4 && len(os.Args) != 5 {
		fail(fmt.Errorf("found %d arguments, expected broker port, reader port, folder", len(os.Args)-1))
	}
	if len(os.Args) == 5 {
		readCertificates(os.Args[4])
	}
	port, err := strconv.Atoi(os.Args[1])
	fail(err)
	durability := []kfake.Opt{kfake.SyncWrites()}
	if os.Getenv("KAFKA_PAGE_CACHE") != "" {
		durability = nil
	}
	if serverTLS != nil {
		durability = append(durability, kfake.TLS(serverTLS))
	}
	cluster, err := kfake.NewCluster(append(
		durability,
		kfake.NumBrokers(1),
		kfake.Ports(port),
		kfake.DataDir(os.Args[3]),
		kfake.EnableSASL(),
		kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", password),
		kfake.Superuser("SCRAM-SHA-512", "writer", password),
		kfake.User("SCRAM-SHA-512", "stranger", password),
	)...)
	fail(err)
	defer cluster.Close()
	client, err := kgo.NewClient(options(port)...)
	fail(err)
	admin := kadm.NewClient(client)
	http.HandleFunc("/make", func(out http.ResponseWriter, in *http.Request) {
		answer(out, makeTopic(in.Context(), admin, in.URL.Query().Get("topic")), nil)
	})
	http.HandleFunc("/read", func(out http.ResponseWriter, in *http.Request) {
		found, err := readTopic(in.Context(), admin, port, in.URL.Query().Get("topic"))
		answer(out, err, found)
	})
	http.HandleFunc("/follow", func(out http.ResponseWriter, in *http.Request) {
		if err := follow(in.Context(), out, port, in.URL.Query()); err != nil {
			http.Error(out, err.Error(), http.StatusInternalServerError)
		}
	})
	fail(http.ListenAndServe("127.0.0.1:"+os.Args[2], nil))
}

func options(port int) []kgo.Opt {
	login := plain.Auth{User: "admin", Pass: password}
	opts := []kgo.Opt{
		kgo.SeedBrokers(fmt.Sprintf("127.0.0.1:%d", port)),
		kgo.SASL(login.AsMechanism()),
	}
	if clientTLS != nil {
		opts = append(opts, kgo.DialTLSConfig(clientTLS))
	}
	return opts
}

var serverTLS, clientTLS *tls.Config

func readCertificates(folder string) {
	authorities := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	fail(err)
	authorities.AppendCertsFromPEM(pem)
	pair := func(name string) []tls.Certificate {
		found, err := tls.LoadX509KeyPair(
			filepath.Join(folder, name+".pem"),
			filepath.Join(folder, name+".key"),
		)
		fail(err)
		return []tls.Certificate{found}
	}
	serverTLS = &tls.Config{
		Certificates: pair("server"),
		ClientCAs:    authorities,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}
	clientTLS = &tls.Config{
		Certificates: pair("client"),
		RootCAs:      authorities,
		ServerName:   "target.test",
	}
}

func makeTopic(ctx context.Context, admin *kadm.Client, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	made, err := admin.CreateTopic(ctx, 3, 1, nil, topic)
	if err != nil {
		return err
	}
	return made.Err
}

// Everything up to the ends that the topic has now, by partition, in order.
func readTopic(ctx context.Context, admin *kadm.Client, port int, topic string) ([]message, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	left := int64(0)
	from := map[int32]kgo.Offset{}
	ends.Each(func(end kadm.ListedOffset) {
		left += end.Offset
		from[end.Partition] = kgo.NewOffset().At(0)
	})
	assigned := kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	reader, err := kgo.NewClient(append(options(port), assigned)...)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	found := []message{}
	for int64(len(found)) < left {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		fetches.EachRecord(func(record *kgo.Record) { found = append(found, read(record)) })
	}
	return found, nil
}

type followed struct {
	message
	Offset int64   `json:"offset"`
	AtMs   float64 `json:"atMs"`
}

// A line for each message from the given offsets on, with the time at which it came.
func follow(ctx context.Context, out http.ResponseWriter, port int, query url.Values) error {
	from := map[int32]kgo.Offset{}
	for partition, text := range strings.Split(query.Get("from"), ",") {
		offset, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		from[int32(partition)] = kgo.NewOffset().At(offset)
	}
	assigned := kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{query.Get("topic"): from})
	reader, err := kgo.NewClient(append(options(port), assigned, kgo.FetchMaxWait(time.Second))...)
	if err != nil {
		return err
	}
	defer reader.Close()
	lines := json.NewEncoder(out)
	// The client's headers come at once.
	out.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(out).Flush()
	for ctx.Err() == nil {
		fetches := reader.PollFetches(ctx)
		atMs := float64(time.Now().UnixMicro()) / 1000
		var failed error
		fetches.EachRecord(func(record *kgo.Record) {
			if failed == nil {
				failed = lines.Encode(followed{read(record), record.Offset, atMs})
			}
		})
		if failed != nil {
			return nil
		}
		_ = http.NewResponseController(out).Flush()
	}
	return nil
}

func read(record *kgo.Record) message {
	one := message{
		Key:       string(record.Key),
		Value:     record.Value,
		Partition: record.Partition,
		TimeMs:    record.Timestamp.UnixMilli(),
	}
	for _, header := range record.Headers {
		if header.Key == "id" {
			one.ID = string(header.Value)
		}
	}
	return one
}

func answer(out http.ResponseWriter, err error, found any) {
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(out).Encode(found)
}

func fail(err error) {
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
