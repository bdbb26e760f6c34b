// kbench puts load on an API server that is compatible with Kubernetes, and says how it fares. It needs no more of
// it than namespaces, config maps and pods, and leaves nothing behind unless it is told to.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	kubeconfig = flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "path of the kubeconfig")
	processes  = flag.String("pids", "", "name=pid,name=pid: processes of the server, whose CPU time is measured")
	tests      = flag.String("tests", "create,get,list,watch", "which of these, or fill: the pods of -list are made and nothing else")
	duration   = flag.Duration("dur", 8*time.Second, "duration of each measurement of creates and watches; half of it for gets")
	workers    = flag.String("conc", "1,16,64", "how many requests at once, for creates and gets")
	types      = flag.String("ct", "json,protobuf", "content types")
	kinds      = flag.String("kinds", "configmap,pod", "kinds of objects to create and get")
	count      = flag.Int64("count", 0, "end each measurement of creates after so many (0: only -dur ends it)")
	gets       = flag.Int64("gets", 0, "end each measurement of gets after so many (0: only -dur ends it)")
	podCounts  = flag.String("list", "5000,10000", "how many pods to list")
	listTimes  = flag.Int("list-iter", 7, "how often each list is read")
	watchers   = flag.String("watchers", "1,100,500", "how many watch at once")
	rate       = flag.Int("rate", 200, "updates a second that watches see")
	watchBytes = flag.Int("watch-bytes", 512, "payload of an object that is watched")
	perConn    = flag.Int("per-conn", 16, "workers that share an HTTP/2 connection")
	run        = flag.String("run", strconv.FormatInt(time.Now().Unix()%1_000_000, 36), "name of this run, part of its namespaces; pods to list are found again by a run of the same name when -keep is set")
	keep       = flag.Bool("keep", false, "leave objects behind")
	seed       = flag.Int64("seed", 1, "of what is random in the objects")
	asJSON     = flag.Bool("json", false, "write one JSON object a measurement instead of a line for people")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kbench:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context) error {
	servers, err := parseProcesses(*processes)
	if err != nil {
		return err
	}
	b := &bench{servers: servers, objects: newObjects(*seed)}
	if b.admin, err = newClient("json"); err != nil {
		return err
	}
	if !*keep {
		defer func() {
			// Also after Ctrl-C. What was measured holds, whether it can be cleaned up or not.
			if err := b.cleanUp(context.WithoutCancel(ctx)); err != nil {
				fmt.Fprintln(os.Stderr, "kbench: cannot clean up:", err)
			}
		}()
	}
	steps := map[string]func(context.Context) error{
		"create": b.createAndGet, "get": b.createAndGet, "fill": b.fillOnly, "list": b.list, "watch": b.watch,
	}
	done := map[string]bool{}
	for _, name := range strings.Split(*tests, ",") {
		step, known := steps[name]
		if !known {
			return fmt.Errorf("there is no test %q, only create, get, fill, list and watch", name)
		}
		if done[name] || name == "get" && done["create"] || name == "create" && done["get"] {
			continue // creates and gets alternate: both are one step
		}
		done[name] = true
		if err := step(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func wants(test string) bool {
	for _, name := range strings.Split(*tests, ",") {
		if name == test {
			return true
		}
	}
	return false
}

// numbers reads a list like "1,16,64".
func numbers(text string) ([]int, error) {
	var all []int
	for _, field := range strings.Split(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q must be a list of numbers above zero", text)
		}
		all = append(all, n)
	}
	return all, nil
}
