package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	fillWorkers = 32
	pageSize    = 500
)

// fill makes the pods that are missing in the namespace for lists.
func (b *bench) fill(ctx context.Context, namespace string, want int) error {
	// The pod that this makes is one of them.
	if err := b.waitForPods(ctx, namespace); err != nil {
		return err
	}
	first, err := b.admin.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	have := len(first.Items)
	if first.RemainingItemCount != nil {
		have += int(*first.RemainingItemCount)
	}
	if have >= want {
		return nil
	}
	clients, err := newPool("protobuf", fillWorkers)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("fill pods to %d (protobuf c=%d)", want, fillWorkers)
	return b.load(ctx, name, fillWorkers, math.MaxInt64, int64(want-have), func(worker int, index int64) error {
		index += int64(have)
		pod := b.objects.pod(fmt.Sprintf("l-%06d", index), index)
		_, err := clients.of(worker).CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
		return err
	})
}

// fillEach calls back whenever there are as many pods as -list says next.
func (b *bench) fillEach(ctx context.Context, then func(namespace string, pods int) error) error {
	all, err := numbers(*podCounts)
	if err != nil {
		return err
	}
	namespace, err := b.namespace(ctx, "list")
	if err != nil {
		return err
	}
	for _, pods := range all {
		if err := b.fill(ctx, namespace, pods); err != nil {
			return err
		}
		if err := then(namespace, pods); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) fillOnly(ctx context.Context) error {
	return b.fillEach(ctx, func(string, int) error { return nil })
}

// list reads all pods: from the newest state and from what the server has at hand, compressed and not, as bytes that
// nobody decodes; and page by page and decoded, as controllers do.
func (b *bench) list(ctx context.Context) error {
	return b.fillEach(ctx, func(namespace string, pods int) error {
		for _, contentType := range strings.Split(*types, ",") {
			for _, variant := range []struct {
				name, query string
				compressed  bool
			}{
				{"rv=unset gzip", "", true},
				{"rv=0 gzip", "?resourceVersion=0", true},
				{"rv=0 nogzip", "?resourceVersion=0", false},
				{"rv=unset nogzip", "", false},
			} {
				name := fmt.Sprintf("list %d %s %s", pods, contentType, variant.name)
				path := "/api/v1/namespaces/" + namespace + "/pods" + variant.query
				if err := b.listBytes(ctx, name, contentType, path, variant.compressed); err != nil {
					return err
				}
			}
			if err := b.listPages(ctx, pods, contentType, namespace); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) listBytes(ctx context.Context, name, contentType, path string, compressed bool) error {
	config, err := configFor(contentType, compressed)
	if err != nil {
		return err
	}
	client, err := newHTTPClient(config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	accept := "application/json"
	if contentType == "protobuf" {
		accept = protobuf
	}
	var (
		latencies []time.Duration
		bytes     int64
		failures  int64
		first     error
	)
	before := b.use()
	for range *listTimes {
		started := time.Now()
		read, err := readAll(ctx, client, config.Host+path, accept)
		if err != nil {
			failures++
			first = err
			continue
		}
		latencies, bytes = append(latencies, time.Since(started)), read
	}
	r := newResult(name, latencies, before, b.use())
	r.Bytes = bytes
	r.failed(failures, first)
	return r.write()
}

func readAll(ctx context.Context, client *http.Client, url, accept string) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Accept", accept)
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %s", response.Status)
	}
	return io.Copy(io.Discard, response.Body)
}

func (b *bench) listPages(ctx context.Context, pods int, contentType, namespace string) error {
	client, err := newClient(contentType)
	if err != nil {
		return err
	}
	var (
		latencies []time.Duration
		got       int
		options   = metav1.ListOptions{Limit: pageSize}
		before    = b.use()
	)
	for {
		started := time.Now()
		page, err := client.CoreV1().Pods(namespace).List(ctx, options)
		if err != nil {
			return err
		}
		latencies = append(latencies, time.Since(started))
		got += len(page.Items)
		if options.Continue = page.Continue; options.Continue == "" {
			break
		}
	}
	r := newResult(fmt.Sprintf("list %d %s limit=%d decoded", pods, contentType, pageSize), latencies, before, b.use())
	if got < pods {
		r.failed(1, fmt.Errorf("%d of %d pods were listed", got, pods))
	}
	return r.write()
}
