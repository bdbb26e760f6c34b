package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// After an error, so that a server that is gone is not asked a million times.
const pauseAfterError = 5 * time.Millisecond

// load has so many workers do the same thing again and again, for a time or so often, and says how they fared.
// The index of what is done is never the same twice.
func (b *bench) load(ctx context.Context, name string, workers int, limit time.Duration, count int64, do func(worker int, index int64) error) error {
	var (
		next, failures atomic.Int64
		first          atomic.Pointer[error]
		latencies      = make([][]time.Duration, workers)
		done           sync.WaitGroup
	)
	before := b.use()
	end := before.at.Add(limit)
	for worker := range workers {
		done.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				index := next.Add(1) - 1
				if count > 0 && index >= count {
					return
				}
				started := time.Now()
				if err := do(worker, index); err != nil {
					failures.Add(1)
					first.CompareAndSwap(nil, &err)
					time.Sleep(pauseAfterError)
					continue
				}
				latencies[worker] = append(latencies[worker], time.Since(started))
			}
		})
	}
	done.Wait()
	after := b.use()
	if err := ctx.Err(); err != nil {
		return err
	}
	r := newResult(name, concat(latencies), before, after)
	if err := first.Load(); err != nil {
		r.failed(failures.Load(), *err)
	}
	return r.write()
}

func concat[T any](parts [][]T) []T {
	var all []T
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}
