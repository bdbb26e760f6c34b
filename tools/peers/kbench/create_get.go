package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How long the server may take until pods can be made in a new namespace: where a controller makes service accounts,
// that comes first.
const podsPossibleWithin = 30 * time.Second

// createAndGet measures creates for each kind, content type and number of workers, each followed by gets of what it
// has made.
func (b *bench) createAndGet(ctx context.Context) error {
	all, err := numbers(*workers)
	if err != nil {
		return err
	}
	for _, kind := range strings.Split(*kinds, ",") {
		if kind != "configmap" && kind != "pod" {
			return fmt.Errorf("-kinds must be of configmap and pod: %q is neither", kind)
		}
		namespace, err := b.namespace(ctx, kind)
		if err != nil {
			return err
		}
		if kind == "pod" {
			if err := b.waitForPods(ctx, namespace); err != nil {
				return err
			}
		}
		for _, contentType := range strings.Split(*types, ",") {
			for _, workers := range all {
				round := &round{b, namespace, kind, contentType, workers, 0}
				if err := round.measure(ctx); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *bench) waitForPods(ctx context.Context, namespace string) error {
	for end := time.Now().Add(podsPossibleWithin); ; time.Sleep(200 * time.Millisecond) {
		_, err := b.admin.CoreV1().Pods(namespace).Create(ctx, b.objects.pod("first", 0), metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		if err == nil || time.Now().After(end) || ctx.Err() != nil {
			return err
		}
	}
}

// round is one kind, content type and number of workers.
type round struct {
	*bench
	namespace, kind, contentType string
	workers                      int
	made                         int64
}

func (r *round) measure(ctx context.Context) error {
	clients, err := newPool(r.contentType, r.workers)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s %s c=%d", r.kind, r.contentType, r.workers)
	err = r.load(ctx, "create "+what, r.workers, *duration, *count, func(worker int, index int64) error {
		core := clients.of(worker).CoreV1()
		var err error
		if r.kind == "configmap" {
			_, err = core.ConfigMaps(r.namespace).Create(ctx, r.objects.configMap(r.name(index), index), metav1.CreateOptions{})
		} else {
			_, err = core.Pods(r.namespace).Create(ctx, r.objects.pod(r.name(index), index), metav1.CreateOptions{})
		}
		if err == nil {
			atomic.AddInt64(&r.made, 1)
		}
		return err
	})
	if err != nil || !wants("get") || r.made == 0 {
		return err
	}
	if clients, err = newPool(r.contentType, r.workers); err != nil {
		return err
	}
	return r.load(ctx, "get "+what, r.workers, *duration/2, *gets, func(worker int, index int64) error {
		core := clients.of(worker).CoreV1()
		// In no order that a cache could foresee. All indices below this have been made unless a create failed.
		name := r.name(index * 7919 % r.made)
		var err error
		if r.kind == "configmap" {
			_, err = core.ConfigMaps(r.namespace).Get(ctx, name, metav1.GetOptions{})
		} else {
			_, err = core.Pods(r.namespace).Get(ctx, name, metav1.GetOptions{})
		}
		return err
	})
}

func (r *round) name(index int64) string {
	return fmt.Sprintf("%s%d-%06d", r.contentType[:1], r.workers, index)
}
