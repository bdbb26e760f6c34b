package main

import (
	"context"
	"errors"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const protobuf = "application/vnd.kubernetes.protobuf"

// bench is a run: what it measures with, and what it has to clean up.
type bench struct {
	admin   *kubernetes.Clientset
	servers []process
	objects *objects
	made    []string
}

// configFor says how to speak to the server. The typed clients would choose protobuf by themselves, and wait between
// requests; neither is wanted here.
func configFor(contentType string, compressed bool) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	config.UserAgent = "kbench"
	config.DisableCompression = !compressed
	config.ContentType, config.AcceptContentTypes = "application/json", "application/json"
	if contentType == "protobuf" {
		config.ContentType, config.AcceptContentTypes = protobuf, protobuf+",application/json"
	}
	return config, nil
}

// newHTTPClient has connections of its own, which it shares with no other.
func newHTTPClient(config *rest.Config) (*http.Client, error) {
	tls, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	transport, err := rest.HTTPWrappersForConfig(config, &http.Transport{
		TLSClientConfig:     tls,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
		DisableCompression:  config.DisableCompression,
	})
	return &http.Client{Transport: transport}, err
}

func newClient(contentType string) (*kubernetes.Clientset, error) {
	config, err := configFor(contentType, true)
	if err != nil {
		return nil, err
	}
	client, err := newHTTPClient(config)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfigAndClient(config, client)
}

// pool is the connections of some workers.
type pool []*kubernetes.Clientset

func newPool(contentType string, workers int) (pool, error) {
	var all pool
	for len(all)**perConn < workers {
		client, err := newClient(contentType)
		if err != nil {
			return nil, err
		}
		all = append(all, client)
	}
	return all, nil
}

func (p pool) of(worker int) *kubernetes.Clientset { return p[worker / *perConn] }

// namespace makes one of this run, or finds it.
func (b *bench) namespace(ctx context.Context, purpose string) (string, error) {
	name := "kbench-" + *run + "-" + purpose
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := b.admin.CoreV1().Namespaces().Create(ctx, object, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", err
	}
	b.made = append(b.made, name)
	return name, nil
}

// cleanUp removes what is in the namespaces first: where no controller runs nobody else does.
func (b *bench) cleanUp(ctx context.Context) error {
	var all []error
	for _, name := range b.made {
		core := b.admin.CoreV1()
		all = append(all,
			core.Pods(name).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: pointer[int64](0)}, metav1.ListOptions{}),
			core.ConfigMaps(name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}),
			core.Namespaces().Delete(ctx, name, metav1.DeleteOptions{}))
	}
	return errors.Join(all...)
}
