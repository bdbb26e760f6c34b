package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// result is what came of a measurement. Times are milliseconds, CPU times seconds.
type result struct {
	Name       string             `json:"name"`
	N          int                `json:"n"`
	PerSecond  float64            `json:"perSecond"`
	P50        float64            `json:"p50"`
	P99        float64            `json:"p99"`
	Max        float64            `json:"max"`
	Errors     int64              `json:"errors"`
	FirstError string             `json:"firstError,omitempty"`
	CPU        map[string]float64 `json:"cpu"`
	ClientCPU  float64            `json:"clientCpu"`
	// Percent of the machine that neither the server nor the client has used.
	Others float64 `json:"others"`
	// Of a list: its length, uncompressed.
	Bytes int64 `json:"bytes,omitempty"`
	// Of a watch: what its writers saw, and how many of the events that were due came.
	WriteP50  float64 `json:"writeP50,omitempty"`
	Delivered int64   `json:"delivered,omitempty"`
	Expected  int64   `json:"expected,omitempty"`
}

// newResult begins with what all results have. The latencies get sorted.
func newResult(name string, latencies []time.Duration, before, after use) result {
	slices.Sort(latencies)
	r := result{
		Name:      name,
		N:         len(latencies),
		PerSecond: float64(len(latencies)) / after.at.Sub(before.at).Seconds(),
		P50:       percentile(latencies, 0.5),
		P99:       percentile(latencies, 0.99),
		Max:       percentile(latencies, 1),
	}
	r.CPU, r.ClientCPU, r.Others = after.since(before)
	return r
}

// percentile of sorted times, in milliseconds.
func percentile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(share*float64(len(sorted)-1))]) / float64(time.Millisecond)
}

func (r *result) failed(errors int64, first error) {
	r.Errors = errors
	if first != nil {
		r.FirstError = first.Error()
	}
}

func (r result) write() error {
	if *asJSON {
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	fmt.Printf("%-36s n=%-7d %9.1f/s p50=%.2fms p99=%.2fms max=%.2fms errors=%d", r.Name, r.N, r.PerSecond, r.P50, r.P99, r.Max, r.Errors)
	for name, seconds := range r.CPU {
		fmt.Printf(" %s=%.2fs", name, seconds)
	}
	fmt.Printf(" kbench=%.2fs others=%.0f%%", r.ClientCPU, r.Others)
	if r.Bytes > 0 {
		fmt.Printf(" bytes=%d", r.Bytes)
	}
	if r.Expected > 0 {
		fmt.Printf(" delivered=%d of %d write p50=%.2fms", r.Delivered, r.Expected, r.WriteP50)
	}
	fmt.Println()
	if r.FirstError != "" {
		fmt.Println("    first error:", r.FirstError)
	}
	return nil
}
