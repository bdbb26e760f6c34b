package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	watchedObjects = 100
	writers        = 16
	// What has not come so long after the last write does not count as delivered.
	lateEvents = 10 * time.Second
	// Before the time of a write in its object, in nanoseconds since the epoch: it stands in the clear in JSON and in
	// protobuf, so that no watch needs to decode what it gets, which would measure the client.
	mark       = "KBTS:"
	markDigits = 19
)

// watch measures how long events take from before the write to each of many watches, by content type and number of
// watches, while objects are updated at a steady rate.
func (b *bench) watch(ctx context.Context) error {
	all, err := numbers(*watchers)
	if err != nil {
		return err
	}
	for _, contentType := range strings.Split(*types, ",") {
		for _, watchers := range all {
			if err := b.watchWith(ctx, contentType, watchers); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) watchWith(ctx context.Context, contentType string, watchers int) error {
	namespace, err := b.namespace(ctx, fmt.Sprintf("watch-%s-%d", contentType[:1], watchers))
	if err != nil {
		return err
	}
	clients, err := newPool("protobuf", writers)
	if err != nil {
		return err
	}
	version, err := b.makeWatched(ctx, namespace)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	all := make([]*watcher, watchers)
	for i := range all {
		if all[i], err = openWatch(watching, contentType, namespace, version); err != nil {
			return err
		}
	}
	var readers sync.WaitGroup
	for _, one := range all {
		readers.Go(one.read)
	}

	before := b.use()
	writes, failures, first := b.update(ctx, namespace, clients)
	after := b.use()
	expected := int64(len(writes)) * int64(watchers)
	delivered := func() (sum int64) {
		for _, one := range all {
			sum += one.events.Load()
		}
		return sum
	}
	for end := time.Now().Add(lateEvents); delivered() < expected && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	readers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	lags := make([][]time.Duration, watchers)
	for i, one := range all {
		lags[i] = one.lags
	}
	r := newResult(fmt.Sprintf("watch %s N=%d", contentType, watchers), concat(lags), before, after)
	r.WriteP50 = newResult("", writes, before, after).P50
	r.Delivered, r.Expected = delivered(), expected
	r.failed(failures, first)
	return r.write()
}

// makeWatched makes the objects, and says from which version on to watch them.
func (b *bench) makeWatched(ctx context.Context, namespace string) (string, error) {
	configMaps := b.admin.CoreV1().ConfigMaps(namespace)
	for i := range watchedObjects {
		if _, err := configMaps.Create(ctx, b.marked(i), metav1.CreateOptions{}); err != nil {
			return "", err
		}
	}
	all, err := configMaps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	return all.ResourceVersion, nil
}

func (b *bench) marked(index int) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("o-%03d", index)},
		Data: map[string]string{
			"at":      fmt.Sprintf("%s%0*d", mark, markDigits, time.Now().UnixNano()),
			"payload": b.objects.randomText(int64(index), *watchBytes),
		},
	}
}

// update writes at the rate that was asked for, as far as the server can follow.
func (b *bench) update(ctx context.Context, namespace string, clients pool) (writes []time.Duration, failures int64, first error) {
	var (
		mutex sync.Mutex
		done  sync.WaitGroup
		// All that can become due: the pace is kept whatever the server does, and nothing piles up for ever.
		due = make(chan int, int(float64(*rate)*duration.Seconds())+1)
	)
	for worker := range writers {
		done.Go(func() {
			for index := range due {
				started := time.Now()
				_, err := clients.of(worker).CoreV1().ConfigMaps(namespace).Update(ctx, b.marked(index%watchedObjects), metav1.UpdateOptions{})
				took := time.Since(started)
				mutex.Lock()
				if err == nil {
					writes = append(writes, took)
				} else if failures++; first == nil {
					first = err
				}
				mutex.Unlock()
			}
		})
	}
	tick := time.NewTicker(time.Second / time.Duration(*rate))
	index := 0
	for end := time.Now().Add(*duration); time.Now().Before(end) && ctx.Err() == nil; index++ {
		<-tick.C
		due <- index
	}
	tick.Stop()
	close(due)
	done.Wait()
	return writes, failures, first
}

// watcher is one watch on a connection of its own.
type watcher struct {
	body       io.ReadCloser
	isProtobuf bool
	events     atomic.Int64
	lags       []time.Duration
}

func openWatch(ctx context.Context, contentType, namespace, version string) (*watcher, error) {
	config, err := configFor(contentType, false)
	if err != nil {
		return nil, err
	}
	client, err := newHTTPClient(config)
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("%s/api/v1/namespaces/%s/configmaps?watch=1&resourceVersion=%s", config.Host, namespace, version)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json;stream=watch,application/json")
	if contentType == "protobuf" {
		request.Header.Set("Accept", protobuf+";stream=watch")
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("a watch was answered with status %s", response.Status)
	}
	isProtobuf := strings.Contains(response.Header.Get("Content-Type"), "protobuf")
	// Grown once: how it grows must not show in the lags.
	expected := int(float64(*rate) * (duration.Seconds() + 1))
	return &watcher{body: response.Body, isProtobuf: isProtobuf, lags: make([]time.Duration, 0, expected)}, nil
}

// read takes the time of each event until the watch ends.
func (w *watcher) read() {
	defer w.body.Close()
	reader := bufio.NewReaderSize(w.body, 64<<10)
	var frame []byte
	var err error
	for {
		if frame, err = w.next(reader, frame); err != nil {
			return
		}
		now := time.Now().UnixNano()
		start := bytes.Index(frame, []byte(mark))
		if start < 0 || len(frame) < start+len(mark)+markDigits {
			continue
		}
		written, err := strconv.ParseInt(string(frame[start+len(mark):start+len(mark)+markDigits]), 10, 64)
		if err != nil {
			continue
		}
		w.lags = append(w.lags, time.Duration(now-written))
		w.events.Add(1)
	}
}

// next gives an event: a line of JSON, or so many bytes of protobuf as four bytes before it say.
func (w *watcher) next(reader *bufio.Reader, frame []byte) ([]byte, error) {
	if !w.isProtobuf {
		return reader.ReadSlice('\n')
	}
	var length [4]byte
	if _, err := io.ReadFull(reader, length[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(length[:]))
	if size > cap(frame) {
		frame = make([]byte, size)
	}
	_, err := io.ReadFull(reader, frame[:size])
	return frame[:size], err
}
