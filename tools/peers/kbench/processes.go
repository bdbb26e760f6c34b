package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// process is one whose use of the CPU is measured.
type process struct {
	name string
	pid  int
}

func parseProcesses(text string) ([]process, error) {
	var all []process
	for _, field := range strings.Split(text, ",") {
		if field == "" {
			continue
		}
		name, number, _ := strings.Cut(field, "=")
		pid, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("-pids must be name=pid,name=pid: %q is not", field)
		}
		all = append(all, process{name, pid})
	}
	return all, nil
}

// The kernel counts CPU time for programs in hundredths of a second, whatever its own clock does (proc_pid_stat(5)).
const ticksPerSecond = 100

// cpuSeconds is what a process has used up to now, in user and system mode; none when it has ended.
func (p process) cpuSeconds() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may have spaces.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticksPerSecond
}

// machineSeconds is what all of the machine has used up to now, of all cores together.
func machineSeconds() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var ticks float64
	for index, field := range strings.Fields(line)[1:] {
		const idle, iowait, guest = 3, 4, 8 // the guests' time is part of user time already
		if index == idle || index == iowait || index >= guest {
			continue
		}
		value, _ := strconv.ParseFloat(field, 64)
		ticks += value
	}
	return ticks / ticksPerSecond
}

// use is who has used how much of the CPU, at some time.
type use struct {
	at      time.Time
	servers map[string]float64
	client  float64
	machine float64
}

func (b *bench) use() use {
	now := use{
		at:      time.Now(),
		servers: map[string]float64{},
		client:  process{pid: os.Getpid()}.cpuSeconds(),
		machine: machineSeconds(),
	}
	for _, server := range b.servers {
		now.servers[server.name] += server.cpuSeconds()
	}
	return now
}

// since says what was used between the two. Others is the share of the machine that neither the server nor kbench
// have used, in percent: where it is large, only CPU times mean something.
func (later use) since(earlier use) (servers map[string]float64, client, others float64) {
	servers = map[string]float64{}
	client = later.client - earlier.client
	rest := later.machine - earlier.machine - client
	for name, seconds := range later.servers {
		servers[name] = seconds - earlier.servers[name]
		rest -= servers[name]
	}
	available := later.at.Sub(earlier.at).Seconds() * float64(runtime.NumCPU())
	return servers, client, max(0, 100*rest/available)
}
