// Lists, watches and applies ConfigMaps of a k3ts cluster over gRPC.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	k3tsv1 "example.com/k3ts-client/gen/k3ts/v1"
)

const name = "from-go"

func main() {
	namespace := flag.String("namespace", "default", "where to list, watch and apply")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, *namespace); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, namespace string) error {
	connection, err := connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	client := k3tsv1.NewResourceServiceClient(connection)
	all := &k3tsv1.ResourceName{Version: "v1", Resource: "configmaps", Namespace: namespace}
	one := &k3tsv1.ResourceName{Version: "v1", Resource: "configmaps", Namespace: namespace, Name: name}

	// Kubernetes protobuf is what Go decodes fastest.
	list, err := client.List(ctx, &k3tsv1.ListRequest{Resource: all, Encoding: k3tsv1.Encoding_ENCODING_PROTOBUF})
	if err != nil {
		return err
	}
	fmt.Printf("listed %d at revision %s\n", len(list.Objects), list.ResourceVersion)

	watch, err := client.Watch(ctx, &k3tsv1.WatchRequest{
		Resource:        all,
		Encoding:        k3tsv1.Encoding_ENCODING_PROTOBUF,
		FieldSelector:   "metadata.name=" + name,
		ResourceVersion: list.ResourceVersion,
	})
	if err != nil {
		return err
	}
	for _, greeting := range []string{"hello", "hello again"} {
		if err := apply(ctx, client, one, greeting); err != nil {
			return err
		}
		if err := printNext(watch); err != nil {
			return err
		}
	}
	if _, err := client.Delete(ctx, &k3tsv1.DeleteRequest{Resource: one}); err != nil {
		return err
	}
	fmt.Printf("deleted %s\n", name)
	if err := printNext(watch); err != nil {
		return err
	}

	_, err = client.Get(ctx, &k3tsv1.GetRequest{Resource: one})
	fmt.Printf("get %s: %s\n", name, reason(err))
	return nil
}

// The cluster and the credentials of the kubeconfig that kubectl would use.
func connect() (*grpc.ClientConn, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, err
	}
	security, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	if security == nil {
		security = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	return grpc.NewClient(server.Host, grpc.WithTransportCredentials(credentials.NewTLS(security)))
}

func apply(ctx context.Context, client k3tsv1.ResourceServiceClient, one *k3tsv1.ResourceName, greeting string) error {
	patch, err := json.Marshal(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: one.Name, Namespace: one.Namespace},
		Data:       map[string]string{"greeting": greeting},
	})
	if err != nil {
		return err
	}
	applied, err := client.Patch(ctx, &k3tsv1.PatchRequest{
		Resource: one,
		Encoding: k3tsv1.Encoding_ENCODING_PROTOBUF,
		Type:     k3tsv1.PatchType_PATCH_TYPE_APPLY,
		Patch:    patch,
		Options:  &k3tsv1.WriteOptions{FieldManager: "example-go"},
	})
	if err != nil {
		return err
	}
	outcome := "changed"
	if applied.Created {
		outcome = "created"
	}
	fmt.Printf("applied %s: %s\n", one.Name, outcome)
	return nil
}

func printNext(watch k3tsv1.ResourceService_WatchClient) error {
	for {
		response, err := watch.Recv()
		if err != nil {
			return err
		}
		for _, event := range response.Events {
			object, _, err := scheme.Codecs.UniversalDeserializer().Decode(event.Object, nil, nil)
			if err != nil {
				return err
			}
			configMap, ok := object.(*corev1.ConfigMap)
			if !ok {
				return fmt.Errorf("watched a %T", object)
			}
			kind := event.Type.String()[len("EVENT_TYPE_"):]
			fmt.Printf("watched %s %s: greeting=%s\n", kind, configMap.Name, configMap.Data["greeting"])
			return nil
		}
	}
}

// Errors carry what the REST API would have answered: a meta/v1 Status.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if detail, ok := detail.(*k3tsv1.StatusDetail); ok {
			var told metav1.Status
			if json.Unmarshal(detail.Status, &told) == nil {
				return string(told.Reason)
			}
		}
	}
	return fmt.Sprint(err)
}
