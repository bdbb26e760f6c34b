package main

import (
	"fmt"
	"math/rand"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// objects makes config maps and pods that differ from each other. What is random in them is cut out of one text, so
// that making it costs the client nothing while it measures.
type objects struct{ text string }

const (
	textBytes      = 1 << 20
	configMapBytes = 2048
)

func newObjects(seed int64) *objects {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	random := rand.New(rand.NewSource(seed))
	text := make([]byte, textBytes)
	for i := range text {
		text[i] = letters[random.Intn(len(letters))]
	}
	return &objects{string(text)}
}

// randomText is the same for the same index, and far from that of its neighbours.
func (o *objects) randomText(index int64, bytes int) string {
	const step = 2654435761 // the golden ratio of 2^32 (Knuth, "multiplicative hashing")
	start := int(uint64(index) * step % uint64(len(o.text)-bytes))
	return o.text[start : start+bytes]
}

func (o *objects) configMap(name string, index int64) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name:   name,
			Labels: map[string]string{"app": "kbench", "shard": fmt.Sprint(index % 10)},
		},
		Data: map[string]string{"payload": o.randomText(index, configMapBytes)},
	}
}

// pod is what a Deployment's pods tend to be: about 3 KB of JSON, for a scheduler that is not there.
func (o *objects) pod(name string, index int64) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				"app.kubernetes.io/name":     "web",
				"app.kubernetes.io/instance": fmt.Sprintf("web-%d", index%10),
				"app.kubernetes.io/version":  "1.2.3",
				"pod-template-hash":          "6d4b75cb6d",
				"tier":                       "frontend",
			},
			Annotations: map[string]string{
				"prometheus.io/scrape": "true",
				"prometheus.io/port":   "8080",
				"checksum/config":      o.randomText(index, 64),
			},
		},
		Spec: corev1.PodSpec{
			SchedulerName:                "kbench-none",
			AutomountServiceAccountToken: pointer(false),
			RestartPolicy:                corev1.RestartPolicyAlways,
			InitContainers: []corev1.Container{{
				Name:    "init",
				Image:   "registry.example/init:v1",
				Command: []string{"sh", "-c", "until nslookup db; do sleep 1; done"},
			}},
			Containers: []corev1.Container{webContainer(), {
				Name:      "sidecar",
				Image:     "registry.example/proxy:v2",
				Resources: corev1.ResourceRequirements{Requests: resources("10m", "32Mi")},
			}},
			Volumes: []corev1.Volume{
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
					LocalObjectReference: corev1.LocalObjectReference{Name: "web"},
				}}},
				{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
			Tolerations: []corev1.Toleration{
				toleration("node.kubernetes.io/not-ready"),
				toleration("node.kubernetes.io/unreachable"),
			},
			Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
				PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
					Weight: 100,
					PodAffinityTerm: corev1.PodAffinityTerm{
						TopologyKey:   "kubernetes.io/hostname",
						LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "web"}},
					},
				}},
			}},
		},
	}
}

func webContainer() corev1.Container {
	return corev1.Container{
		Name:  "app",
		Image: "registry.example/team/web@sha256:" + strings.Repeat("ab", 32),
		Args:  []string{"--listen=:8080", "--log-level=info"},
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "metrics", ContainerPort: 9090}},
		Env: []corev1.EnvVar{
			{Name: "LOG_FORMAT", Value: "json"},
			{Name: "DB_HOST", Value: "db.default.svc"},
			{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{
				FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"},
			}},
			{Name: "DB_PASS", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "db"},
				Key:                  "pass",
			}}},
		},
		Resources: corev1.ResourceRequirements{
			Requests: resources("100m", "128Mi"),
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
		},
		LivenessProbe:  probe("/healthz"),
		ReadinessProbe: probe("/readyz"),
		VolumeMounts:   []corev1.VolumeMount{{Name: "config", MountPath: "/etc/web"}, {Name: "tmp", MountPath: "/tmp"}},
		SecurityContext: &corev1.SecurityContext{
			RunAsNonRoot:             pointer(true),
			AllowPrivilegeEscalation: pointer(false),
			ReadOnlyRootFilesystem:   pointer(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}

func probe(path string) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http")}},
		InitialDelaySeconds: 5,
		PeriodSeconds:       10,
		TimeoutSeconds:      2,
	}
}

func toleration(key string) corev1.Toleration {
	return corev1.Toleration{Key: key, Operator: "Exists", Effect: "NoExecute", TolerationSeconds: pointer[int64](300)}
}

func resources(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse(cpu),
		corev1.ResourceMemory: resource.MustParse(memory),
	}
}

func pointer[T any](value T) *T { return &value }
