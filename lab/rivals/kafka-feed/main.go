// Owns: a Kafka broker in memory, by franz-go's kfake, and what a comparison of pipelines needs of
// it: events at a steady pace, what their windows must be, and what a topic holds. As JSON over
// HTTP. Arguments: the broker's port, the port of HTTP.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	patience = 20 * time.Second
	everyMs  = 5
)

// One window of one device, as it must come out.
type window struct {
	Device string  `json:"device"`
	FromMs int64   `json:"fromMs"`
	N      int     `json:"n"`
	Sum    float64 `json:"sum"`
	Max    float64 `json:"max"`
}

type plan struct {
	Topic     string `json:"topic"`
	PerSecond int    `json:"perSecond"`
	Seconds   int    `json:"seconds"`
	Devices   int    `json:"devices"`
	WindowMs  int64  `json:"windowMs"`
	// Events are up to so much older than the moment at which they are sent.
	DisorderMs int64 `json:"disorderMs"`
	Seed       int64 `json:"seed"`
}

type feed struct {
	lock    sync.Mutex
	client  *kgo.Client
	windows map[string]*window
	sent    int
	running bool
	failure string
}

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("found %d arguments, expected the broker's port and that of HTTP", len(os.Args)-1))
	}
	port, err := strconv.Atoi(os.Args[1])
	fail(err)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port))
	fail(err)
	defer cluster.Close()
	seeds := kgo.SeedBrokers(fmt.Sprintf("127.0.0.1:%d", port))
	client, err := kgo.NewClient(seeds, kgo.ProducerLinger(everyMs*time.Millisecond), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	fail(err)
	admin := kadm.NewClient(client)
	feeding := &feed{client: client}
	http.HandleFunc("/make", func(out http.ResponseWriter, in *http.Request) {
		made, err := admin.CreateTopic(in.Context(), 4, 1, nil, in.URL.Query().Get("topic"))
		if err == nil {
			err = made.Err
		}
		answer(out, err, nil)
	})
	http.HandleFunc("/feed", func(out http.ResponseWriter, in *http.Request) {
		var wanted plan
		err := json.NewDecoder(in.Body).Decode(&wanted)
		if err == nil {
			err = feeding.start(wanted)
		}
		answer(out, err, nil)
	})
	http.HandleFunc("/state", func(out http.ResponseWriter, _ *http.Request) {
		feeding.lock.Lock()
		defer feeding.lock.Unlock()
		answer(out, nil, map[string]any{"sent": feeding.sent, "running": feeding.running, "failure": feeding.failure})
	})
	http.HandleFunc("/expected", func(out http.ResponseWriter, _ *http.Request) {
		feeding.lock.Lock()
		defer feeding.lock.Unlock()
		all := make([]*window, 0, len(feeding.windows))
		for _, one := range feeding.windows {
			all = append(all, one)
		}
		answer(out, nil, all)
	})
	http.HandleFunc("/read", func(out http.ResponseWriter, in *http.Request) {
		found, err := readTopic(in.Context(), admin, seeds, in.URL.Query().Get("topic"))
		answer(out, err, found)
	})
	fail(http.ListenAndServe("127.0.0.1:"+os.Args[2], nil))
}

// Sends until the plan's time is over. What was sent before is forgotten.
func (f *feed) start(wanted plan) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.running {
		return fmt.Errorf("events are being sent already")
	}
	f.running, f.sent, f.failure, f.windows = true, 0, "", map[string]*window{}
	go f.run(wanted)
	return nil
}

// Many at once in each step: what is due by the clock, so that a late step loses nothing.
func (f *feed) run(wanted plan) {
	random := rand.New(rand.NewSource(wanted.Seed))
	began := time.Now()
	ended := time.Duration(wanted.Seconds) * time.Second
	for done := false; !done; {
		passed := time.Since(began)
		if passed >= ended {
			passed, done = ended, true
		}
		due := int(passed.Seconds() * float64(wanted.PerSecond))
		f.lock.Lock()
		for ; f.sent < due; f.sent++ {
			f.send(wanted, random)
		}
		f.lock.Unlock()
		time.Sleep(everyMs * time.Millisecond)
	}
	err := f.client.Flush(context.Background())
	f.lock.Lock()
	defer f.lock.Unlock()
	f.running = false
	if err != nil {
		f.failure = err.Error()
	}
}

func (f *feed) send(wanted plan, random *rand.Rand) {
	device := fmt.Sprintf("d%05d", random.Intn(wanted.Devices))
	at := time.Now().UnixMilli() - random.Int63n(wanted.DisorderMs+1)
	// Quarters: sums of them are exact, in whatever order.
	value := float64(random.Intn(400)) / 4
	unit := "C"
	if random.Intn(10) == 0 {
		unit = "F"
	}
	text := fmt.Sprintf(`{"device":"%s","unit":"%s","value":%g,"at":%d,"site":"north","firmware":"4.11.2"}`, device, unit, value, at)
	f.client.Produce(context.Background(), &kgo.Record{Topic: wanted.Topic, Key: []byte(device), Value: []byte(text)}, func(_ *kgo.Record, err error) {
		if err == nil {
			return
		}
		f.lock.Lock()
		defer f.lock.Unlock()
		f.failure = err.Error()
	})
	if unit != "C" {
		return
	}
	from := at - at%wanted.WindowMs
	name := fmt.Sprintf("%s/%d", device, from)
	one := f.windows[name]
	if one == nil {
		one = &window{Device: device, FromMs: from, Max: value}
		f.windows[name] = one
	}
	one.N++
	one.Sum += value
	one.Max = max(one.Max, value)
}

// Everything up to the ends that the topic has now.
func readTopic(ctx context.Context, admin *kadm.Client, seeds kgo.Opt, topic string) ([]json.RawMessage, error) {
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
	reader, err := kgo.NewClient(seeds, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	found := []json.RawMessage{}
	for int64(len(found)) < left {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		fetches.EachRecord(func(record *kgo.Record) { found = append(found, record.Value) })
	}
	return found, nil
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
