// Command gen_facts prints what the published Go types of Kubernetes say about the API, as one JSON document:
// every type with its fields (JSON name, protobuf number, presence, patch strategy) read by reflection, completed
// with what only the OpenAPI documents (list types, required, defaults) and the sources (enums) know, and the table
// of resources from the discovery documents. With -golden it prints encoded objects to test codecs against.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

// Document is the whole output; generate.ts turns it into the committed files.
type Document struct {
	KubernetesVersion string      `json:"kubernetesVersion"`
	Types             []*TypeRow  `json:"types"`
	Groups            []GroupRow  `json:"groups"`
	Resources         []*Resource `json:"resources"`
}

func main() {
	source := flag.String("source", "", "folder of the module k8s.io/kubernetes")
	version := flag.String("version", "", "version of Kubernetes, for the record")
	golden := flag.Bool("golden", false, "print encoded objects instead of the facts")
	flag.Parse()
	if err := run(*source, *version, *golden); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(source, version string, golden bool) error {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	if golden {
		vectors, err := goldenVectors()
		if err != nil {
			return err
		}
		return out.Encode(vectors)
	}
	schemas, err := readSchemas(source + "/api/openapi-spec/v3")
	if err != nil {
		return err
	}
	groups, resources, err := readDiscovery(source + "/api/discovery")
	if err != nil {
		return err
	}
	types, err := readTypes(served(groups), schemas)
	if err != nil {
		return err
	}
	return out.Encode(Document{version, types, groups, resources})
}
