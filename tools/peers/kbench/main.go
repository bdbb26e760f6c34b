// kbench: load tool for Kubernetes-compatible API servers. Needs only core/v1 namespaces, configmaps, pods.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const protoCT = "application/vnd.kubernetes.protobuf"

var (
	kubeconfig = flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig")
	pidsFlag   = flag.String("pids", "", "name=pid,name=pid : server processes whose RSS/CPU to record")
	tests      = flag.String("tests", "create,get,list,watch", "which of these, or fill: the pods of -list are made and nothing else")
	dur        = flag.Duration("dur", 8*time.Second, "duration of each create/get measurement")
	concs      = flag.String("conc", "1,16,64", "concurrencies")
	cts        = flag.String("ct", "json,protobuf", "content types")
	listNs     = flag.String("list", "5000,10000", "pod counts to list")
	listIter   = flag.Int("list-iter", 7, "iterations per list variant")
	watchers   = flag.String("watchers", "1,100,500", "watcher counts")
	rate       = flag.Int("rate", 200, "updates/s in the watch test")
	watchBytes = flag.Int("watch-bytes", 512, "payload bytes of a watched configmap")
	perConn    = flag.Int("per-conn", 16, "workers sharing one HTTP/2 connection")
	label      = flag.String("label", "", "label printed in the header")
	keep       = flag.Bool("keep", false, "leave objects behind")
	count      = flag.Int64("count", 0, "end each create measurement after so many objects (0: only -dur ends it)")
	kindsFlag  = flag.String("kinds", "configmap,pod", "kinds of objects to create and get")
	gets       = flag.Int64("gets", 0, "end each get measurement after so many reads (0: only -dur/2 ends it)")
	runID      = flag.String("run", strconv.FormatInt(time.Now().Unix()%1000000, 36), "name of this run, part of its namespaces; pods to list are reused by the next run of the same name when -keep is set")
	seed       = flag.Int64("seed", 1, "of what is random in the objects")
	asJSON     = flag.Bool("json", false, "write one JSON object a measurement and nothing else")
)

// result is what -json writes of a measurement. Times are milliseconds, CPU times seconds.
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
	// of a watch: what its writers saw, and how many of the events that were due came
	WriteP50  float64 `json:"writeP50,omitempty"`
	Delivered int64   `json:"delivered,omitempty"`
	Expected  int64   `json:"expected,omitempty"`
}

func (r result) write() {
	b, err := json.Marshal(r)
	must(err)
	os.Stdout.Write(append(b, '\n'))
}

// say prints for people only.
func say(format string, a ...any) {
	if !*asJSON {
		fmt.Printf(format, a...)
	}
}
func msf(d time.Duration) float64 { return float64(d) / 1e6 }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "fatal:", err)
		os.Exit(1)
	}
}
func ints(s string) (r []int) {
	for _, f := range strings.Split(s, ",") {
		if f != "" {
			n, err := strconv.Atoi(f)
			must(err)
			r = append(r, n)
		}
	}
	return
}

func config(ct string, noGzip bool) *rest.Config {
	c, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	must(err)
	c.QPS, c.Burst = -1, -1
	c.RateLimiter = nil
	c.Timeout = 0
	c.UserAgent = "kbench"
	c.DisableCompression = noGzip
	if ct == "json" {
		c.ContentType, c.AcceptContentTypes = "application/json", "application/json"
	}
	if ct == "protobuf" {
		c.ContentType = protoCT
		c.AcceptContentTypes = protoCT + ",application/json"
	}
	return c
}

// httpFor gives a client with its own connection(s), never shared with another.
func httpFor(c *rest.Config) *http.Client {
	tc, err := rest.TLSConfigFor(c)
	must(err)
	var rt http.RoundTripper = &http.Transport{TLSClientConfig: tc, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, DisableCompression: c.DisableCompression}
	rt, err = rest.HTTPWrappersForConfig(c, rt)
	must(err)
	return &http.Client{Transport: rt}
}
func clients(ct string, conc int) []*kubernetes.Clientset {
	n := (conc + *perConn - 1) / *perConn
	var r []*kubernetes.Clientset
	for i := 0; i < n; i++ {
		c := config(ct, false)
		cs, err := kubernetes.NewForConfigAndClient(c, httpFor(c))
		must(err)
		r = append(r, cs)
	}
	return r
}

type proc struct {
	name string
	pid  int
}

func procs() (r []proc) {
	for _, f := range strings.Split(*pidsFlag, ",") {
		if f == "" {
			continue
		}
		kv := strings.SplitN(f, "=", 2)
		p, err := strconv.Atoi(kv[1])
		must(err)
		r = append(r, proc{kv[0], p})
	}
	return
}
func (p proc) rss() (rssMB, hwmMB float64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	for _, l := range strings.Split(string(b), "\n") {
		f := strings.Fields(l)
		if len(f) > 1 {
			v, _ := strconv.ParseFloat(f[1], 64)
			if f[0] == "VmRSS:" {
				rssMB = v / 1024
			}
			if f[0] == "VmHWM:" {
				hwmMB = v / 1024
			}
		}
	}
	return
}
func (p proc) cpu() float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	s := string(b)
	i := strings.LastIndex(s, ")")
	if i < 0 {
		return 0
	}
	f := strings.Fields(s[i+1:])
	u, _ := strconv.ParseFloat(f[11], 64)
	k, _ := strconv.ParseFloat(f[12], 64)
	return (u + k) / 100
}

type snap struct {
	t    time.Time
	cpu  []float64
	self float64
	busy float64 // machine-wide busy seconds
}

// machineBusy: user+nice+system+irq+softirq+steal seconds over all cpus.
func machineBusy() float64 {
	b, _ := os.ReadFile("/proc/stat")
	f := strings.Fields(strings.SplitN(string(b), "\n", 2)[0])
	var t float64
	for i, v := range f[1:] {
		if i == 3 || i == 4 || i > 7 {
			continue
		}
		x, _ := strconv.ParseFloat(v, 64)
		t += x
	}
	return t / 100
}

func take() snap {
	s := snap{t: time.Now(), self: proc{"self", os.Getpid()}.cpu(), busy: machineBusy()}
	for _, p := range procs() {
		s.cpu = append(s.cpu, p.cpu())
	}
	return s
}
func (s snap) report() string {
	var sb strings.Builder
	var ours float64
	for i, p := range procs() {
		r, h := p.rss()
		d := p.cpu() - s.cpu[i]
		ours += d
		fmt.Fprintf(&sb, " | %s rss=%.0fMB hwm=%.0fMB cpu=%.2fs", p.name, r, h, d)
	}
	self := proc{"self", os.Getpid()}.cpu() - s.self
	w := time.Since(s.t).Seconds()
	// other%: share of the machine taken by anything that is neither server nor kbench during this line
	fmt.Fprintf(&sb, " | kbench cpu=%.2fs other=%.0f%%", self, 100*(machineBusy()-s.busy-ours-self)/(w*float64(runtime.NumCPU())))
	return sb.String()
}
func (s snap) used() (map[string]float64, float64) {
	m := map[string]float64{}
	for i, p := range procs() {
		m[p.name] += p.cpu() - s.cpu[i]
	}
	return m, proc{"self", os.Getpid()}.cpu() - s.self
}
func pct(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	i := int(q * float64(len(d)-1))
	return d[i]
}
func ms(d time.Duration) string { return fmt.Sprintf("%.2fms", float64(d)/1e6) }

func line(name string, lat []time.Duration, errs int64, wall time.Duration, s snap, firstErr error) {
	sort.Slice(lat, func(i, j int) bool { return lat[i] < lat[j] })
	if *asJSON {
		cpu, client := s.used()
		r := result{Name: name, N: len(lat), PerSecond: float64(len(lat)) / wall.Seconds(), P50: msf(pct(lat, .5)), P99: msf(pct(lat, .99)), Max: msf(pct(lat, 1)), Errors: errs, CPU: cpu, ClientCPU: client}
		if firstErr != nil {
			r.FirstError = firstErr.Error()
		}
		r.write()
		return
	}
	fmt.Printf("%-34s n=%-7d %9.1f/s p50=%-9s p99=%-9s max=%-9s err=%d%s\n", name, len(lat), float64(len(lat))/wall.Seconds(), ms(pct(lat, .5)), ms(pct(lat, .99)), ms(pct(lat, 1)), errs, s.report())
	if firstErr != nil {
		fmt.Printf("    first error: %v\n", firstErr)
	}
}

// load runs op on conc workers for d, or until max ops if max>0.
func load(name string, conc int, d time.Duration, max int64, op func(w int, i int64) error) {
	s := take()
	var next, errs int64
	var mu sync.Mutex
	var first error
	all := make([][]time.Duration, conc)
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for w := 0; w < conc; w++ {
		wg.Add(1)
		go func(w int) {
			defer wg.Done()
			for time.Now().Before(end) {
				i := atomic.AddInt64(&next, 1) - 1
				if max > 0 && i >= max {
					return
				}
				t := time.Now()
				if err := op(w, i); err != nil {
					atomic.AddInt64(&errs, 1)
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
					time.Sleep(5 * time.Millisecond)
					continue
				}
				all[w] = append(all[w], time.Since(t))
			}
		}(w)
	}
	wg.Wait()
	wall := time.Since(s.t)
	var lat []time.Duration
	for _, a := range all {
		lat = append(lat, a...)
	}
	line(name, lat, errs, wall, s, first)
}

var admin *kubernetes.Clientset
var ctx = context.Background()
var made []string

func ns(n string) string {
	n = "kbench-" + *runID + "-" + n
	_, err := admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		must(err)
	}
	made = append(made, n)
	return n
}

const alnum = "abcdefghijklmnopqrstuvwxyz0123456789"

func randText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alnum[rand.Intn(len(alnum))]
	}
	return string(b)
}
func configMap(name string, n int) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "kbench", "shard": name[len(name)-1:]}}, Data: map[string]string{"payload": randText(n)}}
}
func ptr[T any](v T) *T { return &v }
func pod(name string) *corev1.Pod {
	probe := func(p string) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: p, Port: intstr.FromString("http")}}, InitialDelaySeconds: 5, PeriodSeconds: 10, TimeoutSeconds: 2}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name,
			Labels:          map[string]string{"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": "web-" + name[len(name)-1:], "app.kubernetes.io/version": "1.2.3", "pod-template-hash": "6d4b75cb6d", "tier": "frontend"},
			Annotations:     map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "checksum/config": randText(64)},
			OwnerReferences: nil},
		Spec: corev1.PodSpec{
			SchedulerName: "kbench-none", AutomountServiceAccountToken: ptr(false), RestartPolicy: corev1.RestartPolicyAlways,
			InitContainers: []corev1.Container{{Name: "init", Image: "registry.example/init:v1", Command: []string{"sh", "-c", "until nslookup db; do sleep 1; done"}}},
			Containers: []corev1.Container{{
				Name: "app", Image: "registry.example/team/web@sha256:" + strings.Repeat("ab", 32), Args: []string{"--listen=:8080", "--log-level=info"},
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "metrics", ContainerPort: 9090}},
				Env: []corev1.EnvVar{{Name: "LOG_FORMAT", Value: "json"}, {Name: "DB_HOST", Value: "db.default.svc"},
					{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
					{Name: "DB_PASS", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "pass"}}}},
				Resources:       corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("128Mi")}, Limits: corev1.ResourceList{"memory": resource.MustParse("256Mi")}},
				LivenessProbe:   probe("/healthz"),
				ReadinessProbe:  probe("/readyz"),
				VolumeMounts:    []corev1.VolumeMount{{Name: "config", MountPath: "/etc/web"}, {Name: "tmp", MountPath: "/tmp"}},
				SecurityContext: &corev1.SecurityContext{RunAsNonRoot: ptr(true), AllowPrivilegeEscalation: ptr(false), ReadOnlyRootFilesystem: ptr(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}},
				{Name: "sidecar", Image: "registry.example/proxy:v2", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("10m"), "memory": resource.MustParse("32Mi")}}}},
			Volumes:     []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "web"}}}}, {Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			Tolerations: []corev1.Toleration{{Key: "node.kubernetes.io/not-ready", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: ptr(int64(300))}, {Key: "node.kubernetes.io/unreachable", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: ptr(int64(300))}},
			Affinity:    &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{Weight: 100, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: "kubernetes.io/hostname", LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "web"}}}}}}},
		}}
}

func createTest(n string, ct, kind string, c int, d time.Duration, max int64) int64 {
	cs := clients(ct, c)
	var hi int64
	load(fmt.Sprintf("create %s %s c=%d", kind, ct, c), c, d, max, func(w int, i int64) error {
		k := cs[w/(*perConn)]
		name := fmt.Sprintf("%s%d-%06d", ct[:1], c, i)
		var err error
		if kind == "configmap" {
			_, err = k.CoreV1().ConfigMaps(n).Create(ctx, configMap(name, 2048), metav1.CreateOptions{})
		} else {
			_, err = k.CoreV1().Pods(n).Create(ctx, pod(name), metav1.CreateOptions{})
		}
		for {
			o := atomic.LoadInt64(&hi)
			if i <= o || atomic.CompareAndSwapInt64(&hi, o, i) {
				break
			}
		}
		return err
	})
	return hi
}

func doList(h *http.Client, host, path, accept string) (int64, error) {
	rq, _ := http.NewRequest("GET", host+path, nil)
	rq.Header.Set("Accept", accept)
	rs, err := h.Do(rq)
	if err != nil {
		return 0, err
	}
	defer rs.Body.Close()
	n, err := io.Copy(io.Discard, rs.Body)
	if err == nil && rs.StatusCode != 200 {
		err = fmt.Errorf("status %d", rs.StatusCode)
	}
	return n, err
}

// existing counts the pods that an earlier run of the same name has left.
func existing(n string) int {
	l, err := admin.CoreV1().Pods(n).List(ctx, metav1.ListOptions{Limit: 1})
	must(err)
	k := len(l.Items)
	if l.RemainingItemCount != nil {
		k += int(*l.RemainingItemCount)
	}
	return k
}

// fill makes the pods that are missing.
func fill(n string, have, want int) int {
	if want <= have {
		return have
	}
	cs := clients("protobuf", 32)
	load(fmt.Sprintf("fill pods to %d (protobuf c=32)", want), 32, time.Hour, int64(want-have), func(w int, i int64) error {
		_, err := cs[w/(*perConn)].CoreV1().Pods(n).Create(ctx, pod(fmt.Sprintf("l-%06d", have+int(i))), metav1.CreateOptions{})
		return err
	})
	return want
}

func listTest(counts []int) {
	n := ns("list")
	have := existing(n)
	for _, want := range counts {
		have = fill(n, have, want)
		for _, ct := range strings.Split(*cts, ",") {
			accept := "application/json"
			if ct == "protobuf" {
				accept = protoCT
			}
			for _, v := range []struct {
				name, q string
				nogz    bool
			}{{"rv=unset gzip", "", false}, {"rv=0 gzip", "?resourceVersion=0", false}, {"rv=0 nogzip", "?resourceVersion=0", true}, {"rv=unset nogzip", "", true}} {
				c := config(ct, v.nogz)
				h := httpFor(c)
				var size int64
				i := 0
				s := take()
				var lat []time.Duration
				var errs int64
				var first error
				for ; i < *listIter; i++ {
					t := time.Now()
					b, err := doList(h, c.Host, "/api/v1/namespaces/"+n+"/pods"+v.q, accept)
					if err != nil {
						errs++
						first = err
						continue
					}
					size = b
					lat = append(lat, time.Since(t))
				}
				line(fmt.Sprintf("list %d %s %s", want, ct, v.name), lat, errs, time.Since(s.t), s, first)
				if v.nogz && v.q != "" {
					say("    body %.2f MB (%.0f B/pod)\n", float64(size)/1e6, float64(size)/float64(want))
				}
				h.CloseIdleConnections()
			}
			// paged, decoded by client-go as controllers do
			cs := clients(ct, 1)[0]
			s := take()
			t := time.Now()
			cont, got := "", 0
			var lat []time.Duration
			var first error
			for {
				t0 := time.Now()
				l, err := cs.CoreV1().Pods(n).List(ctx, metav1.ListOptions{Limit: 500, Continue: cont})
				if err != nil {
					first = err
					break
				}
				lat = append(lat, time.Since(t0))
				got += len(l.Items)
				if cont = l.Continue; cont == "" {
					break
				}
			}
			line(fmt.Sprintf("list %d %s limit=500 decoded (%d)", want, ct, got), lat, 0, time.Since(t), s, first)
		}
	}
	if !*keep {
		s := take()
		t := time.Now()
		err := admin.CoreV1().Pods(n).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(0))}, metav1.ListOptions{})
		say("deletecollection %d pods: %.2fs err=%v%s\n", have, time.Since(t).Seconds(), err, s.report())
	}
}

var mark = []byte("KBTS:")

// watch reads raw frames; both JSON (newline) and protobuf (length-delimited) events carry the marker in clear.
func watch(ct, n, rv string, lags *[]int64, stop *atomic.Bool, ready, done *sync.WaitGroup, count *int64, bytesIn *int64) {
	defer done.Done()
	c := config(ct, true)
	h := httpFor(c)
	accept := "application/json;stream=watch,application/json"
	if ct == "protobuf" {
		accept = protoCT + ";stream=watch"
	}
	cx, cancel := context.WithCancel(ctx)
	defer cancel()
	rq, _ := http.NewRequestWithContext(cx, "GET", c.Host+"/api/v1/namespaces/"+n+"/configmaps?watch=1&resourceVersion="+rv, nil)
	rq.Header.Set("Accept", accept)
	rs, err := h.Do(rq)
	if err != nil || rs.StatusCode != 200 {
		fmt.Fprintln(os.Stderr, "watch failed:", err, rs)
		ready.Done()
		return
	}
	ready.Done()
	isProto := strings.Contains(rs.Header.Get("Content-Type"), "protobuf")
	go func() {
		for !stop.Load() {
			time.Sleep(20 * time.Millisecond)
		}
		cancel()
	}()
	r := bufio.NewReaderSize(rs.Body, 32<<10)
	buf := make([]byte, 64<<10)
	for {
		var fr []byte
		if isProto {
			var l [4]byte
			if _, err := io.ReadFull(r, l[:]); err != nil {
				return
			}
			k := int(binary.BigEndian.Uint32(l[:]))
			if k > len(buf) {
				buf = make([]byte, k)
			}
			if _, err := io.ReadFull(r, buf[:k]); err != nil {
				return
			}
			fr = buf[:k]
		} else {
			var err error
			fr, err = r.ReadSlice('\n')
			if err != nil {
				return
			}
		}
		now := time.Now().UnixNano()
		*bytesIn += int64(len(fr))
		i := bytes.Index(fr, mark)
		if i < 0 {
			continue
		}
		ts, err := strconv.ParseInt(string(fr[i+5:i+5+19]), 10, 64)
		if err != nil {
			continue
		}
		*count++
		*lags = append(*lags, now-ts)
	}
}

func watchTest(ct string, N int) {
	n := ns(fmt.Sprintf("w-%s-%d", ct[:1], N))
	const objs = 100
	cs := clients("protobuf", 16)
	payload := randText(*watchBytes)
	mk := func(i int) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("o-%03d", i)}, Data: map[string]string{"ts": fmt.Sprintf("KBTS:%019d", time.Now().UnixNano()), "p": payload}}
	}
	for i := 0; i < objs; i++ {
		_, err := cs[0].CoreV1().ConfigMaps(n).Create(ctx, mk(i), metav1.CreateOptions{})
		must(err)
	}
	l, err := cs[0].CoreV1().ConfigMaps(n).List(ctx, metav1.ListOptions{})
	must(err)
	s0 := take()
	var stop atomic.Bool
	var ready, done sync.WaitGroup
	lags := make([][]int64, N)
	counts := make([]int64, N)
	nb := make([]int64, N)
	tOpen := time.Now()
	for i := 0; i < N; i++ {
		ready.Add(1)
		done.Add(1)
		lags[i] = make([]int64, 0, *rate*int(dur.Seconds()+3))
		go watch(ct, n, l.ResourceVersion, &lags[i], &stop, &ready, &done, &counts[i], &nb[i])
	}
	ready.Wait()
	open := time.Since(tOpen)
	openRep := s0.report()
	// paced writers
	s := take()
	tick := time.NewTicker(time.Second / time.Duration(*rate))
	jobs := make(chan int, *rate*60)
	var wlat []time.Duration
	var mu sync.Mutex
	var wg sync.WaitGroup
	var werr int64
	for w := 0; w < 16; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range jobs {
				t := time.Now()
				_, err := cs[0].CoreV1().ConfigMaps(n).Update(ctx, mk(i%objs), metav1.UpdateOptions{})
				d := time.Since(t)
				mu.Lock()
				if err != nil {
					werr++
				} else {
					wlat = append(wlat, d)
				}
				mu.Unlock()
			}
		}()
	}
	k := 0
	for end := time.Now().Add(*dur); time.Now().Before(end); k++ {
		<-tick.C
		jobs <- k
	}
	close(jobs)
	tick.Stop()
	wg.Wait()
	wall := time.Since(s.t)
	mid := s.report()
	time.Sleep(2 * time.Second) // drain
	stop.Store(true)
	done.Wait()
	var all []time.Duration
	var total, tb int64
	for i := range lags {
		for _, v := range lags[i] {
			all = append(all, time.Duration(v))
		}
		total += int64(len(lags[i]))
		tb += nb[i]
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	sort.Slice(wlat, func(i, j int) bool { return wlat[i] < wlat[j] })
	exp := int64(len(wlat)) * int64(N)
	if *asJSON {
		cpu, client := s.used()
		result{Name: fmt.Sprintf("watch %s N=%d", ct, N), N: len(all), PerSecond: float64(total) / wall.Seconds(), P50: msf(pct(all, .5)), P99: msf(pct(all, .99)), Max: msf(pct(all, 1)),
			Errors: werr, CPU: cpu, ClientCPU: client, WriteP50: msf(pct(wlat, .5)), Delivered: total, Expected: exp}.write()
		return
	}
	fmt.Printf("watch %s N=%d: writes %.0f/s (p50=%s p99=%s err=%d) delivered %d of %d (%.2f%%) = %.0f events/s, lag p50=%s p99=%s max=%s, %.0f B/event, open all in %s%s\n",
		ct, N, float64(len(wlat))/wall.Seconds(), ms(pct(wlat, .5)), ms(pct(wlat, .99)), werr, total, exp, 100*float64(total)/float64(exp), float64(total)/wall.Seconds(),
		ms(pct(all, .5)), ms(pct(all, .99)), ms(pct(all, 1)), float64(tb)/float64(max(total, 1)), ms(open), mid)
	fmt.Printf("    after opening watches:%s\n", openRep)
}

func kinds() []string {
	return strings.Split(*kindsFlag, ",")
}

func main() {
	flag.Parse()
	rand.Seed(*seed)
	c := config("json", false)
	var err error
	admin, err = kubernetes.NewForConfig(c)
	must(err)
	v, err := admin.Discovery().ServerVersion()
	if err != nil {
		say("version: %v\n", err)
	} else {
		say("# kbench %s server %s (%s) at %s %s\n", *label, v.GitVersion, v.Platform, c.Host, time.Now().UTC().Format(time.RFC3339))
	}
	la, _ := os.ReadFile("/proc/loadavg")
	say("# start loadavg %s# start%s\n", la, take().report())
	want := map[string]bool{}
	for _, t := range strings.Split(*tests, ",") {
		want[t] = true
	}
	if want["create"] || want["get"] {
		for _, kind := range kinds() {
			n := ns(kind)
			// service account "default" may be made by a controller: give it a moment when pods need it
			if kind == "pod" {
				for i := 0; i < 20; i++ {
					p := pod("probe-0")
					if _, err := admin.CoreV1().Pods(n).Create(ctx, p, metav1.CreateOptions{}); err == nil {
						break
					} else if i == 19 {
						must(fmt.Errorf("pod create: %w", err))
					}
					time.Sleep(500 * time.Millisecond)
				}
			}
			for _, ct := range strings.Split(*cts, ",") {
				for _, cc := range ints(*concs) {
					hi := createTest(n, ct, kind, cc, *dur, *count)
					if want["get"] && hi > 0 {
						cs := clients(ct, cc)
						load(fmt.Sprintf("get %s %s c=%d", kind, ct, cc), cc, *dur/2, *gets, func(w int, i int64) error {
							name := fmt.Sprintf("%s%d-%06d", ct[:1], cc, (i*7919)%max(hi-int64(cc), 1))
							k := cs[w/(*perConn)].CoreV1()
							var err error
							if kind == "configmap" {
								_, err = k.ConfigMaps(n).Get(ctx, name, metav1.GetOptions{})
							} else {
								_, err = k.Pods(n).Get(ctx, name, metav1.GetOptions{})
							}
							return err
						})
					}
				}
			}
			if !*keep {
				t := time.Now()
				if kind == "configmap" {
					err = admin.CoreV1().ConfigMaps(n).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
				} else {
					err = admin.CoreV1().Pods(n).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(0))}, metav1.ListOptions{})
				}
				say("deletecollection %ss: %.2fs err=%v\n", kind, time.Since(t).Seconds(), err)
			}
		}
	}
	if want["fill"] {
		n := ns("list")
		have := existing(n)
		for _, count := range ints(*listNs) {
			have = fill(n, have, count)
		}
	}
	if want["list"] {
		listTest(ints(*listNs))
	}
	if want["watch"] {
		for _, ct := range strings.Split(*cts, ",") {
			for _, N := range ints(*watchers) {
				watchTest(ct, N)
			}
		}
	}
	if !*keep {
		for _, n := range made {
			_ = admin.CoreV1().Namespaces().Delete(ctx, n, metav1.DeleteOptions{})
		}
	}
	say("# end%s\n", take().report())
}
