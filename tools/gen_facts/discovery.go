package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GroupRow is an API group with its versions, the preferred one first.
type GroupRow struct {
	Name     string   `json:"name"`
	Versions []string `json:"versions"`
}

// Resource is a resource of a group with every version that serves it, the preferred one first.
type Resource struct {
	Group          string            `json:"group"`
	Resource       string            `json:"resource"`
	Kind           string            `json:"kind"`
	Singular       string            `json:"singular"`
	ShortNames     []string          `json:"shortNames,omitempty"`
	Categories     []string          `json:"categories,omitempty"`
	Namespaced     bool              `json:"namespaced"`
	Versions       []ResourceVersion `json:"versions"`
	StorageVersion string            `json:"storageVersion,omitempty"`
	storageHash    string
}

// ResourceVersion is what one version of a resource serves.
type ResourceVersion struct {
	Version      string        `json:"version"`
	Verbs        []string      `json:"verbs"`
	Subresources []Subresource `json:"subresources,omitempty"`
}

// Subresource names the kind that a subresource takes and returns; group and version are those of that kind.
type Subresource struct {
	Name    string   `json:"name"`
	Group   string   `json:"group"`
	Version string   `json:"version"`
	Kind    string   `json:"kind"`
	Verbs   []string `json:"verbs"`
}

func served(groups []GroupRow) map[string]bool {
	all := map[string]bool{}
	for _, group := range groups {
		for _, version := range group.Versions {
			all[group.Name+"/"+version] = true
		}
	}
	return all
}

func readDiscovery(dir string) ([]GroupRow, []*Resource, error) {
	var list metav1.APIGroupList
	if err := readJSON(filepath.Join(dir, "apis.json"), &list); err != nil {
		return nil, nil, err
	}
	groups := []GroupRow{{Name: "", Versions: []string{"v1"}}}
	for _, group := range list.Groups {
		row := GroupRow{Name: group.Name}
		for _, version := range group.Versions {
			row.Versions = append(row.Versions, version.Version)
		}
		groups = append(groups, row)
	}
	var resources []*Resource
	for _, group := range groups {
		byName := map[string]*Resource{}
		for _, version := range group.Versions {
			file := "api__v1.json"
			if group.Name != "" {
				file = "apis__" + group.Name + "__" + version + ".json"
			}
			var found metav1.APIResourceList
			if err := readJSON(filepath.Join(dir, file), &found); err != nil {
				return nil, nil, err
			}
			resources = append(resources, addVersion(byName, group.Name, version, found.APIResources)...)
		}
	}
	for _, row := range resources {
		row.findStorageVersion(groups)
	}
	return groups, resources, nil
}

// addVersion adds what one version serves to the rows and returns those that were new.
func addVersion(rows map[string]*Resource, group, version string, found []metav1.APIResource) []*Resource {
	var added []*Resource
	sort.SliceStable(found, func(i, j int) bool { return found[i].Name < found[j].Name })
	for _, r := range found {
		name, sub, isSub := strings.Cut(r.Name, "/")
		row := rows[name]
		if row == nil {
			row = &Resource{Group: group, Resource: name, Kind: r.Kind, Namespaced: r.Namespaced}
			rows[name] = row
			added = append(added, row)
		}
		if len(row.Versions) == 0 || row.Versions[len(row.Versions)-1].Version != version {
			row.Versions = append(row.Versions, ResourceVersion{Version: version, Verbs: []string{}})
		}
		current := &row.Versions[len(row.Versions)-1]
		if isSub {
			kind := Subresource{sub, r.Group, r.Version, r.Kind, r.Verbs}
			if kind.Version == "" {
				kind.Group, kind.Version = group, version
			}
			current.Subresources = append(current.Subresources, kind)
			continue
		}
		row.Kind, row.Singular, row.ShortNames, row.Categories = r.Kind, r.SingularName, r.ShortNames, r.Categories
		row.storageHash = r.StorageVersionHash
		current.Verbs = r.Verbs
	}
	return added
}

// findStorageVersion finds the version whose hash discovery shows; only resources that are stored have one.
// Kubernetes stores some in a version that it no longer serves: ours are stored in the preferred one.
func (r *Resource) findStorageVersion(groups []GroupRow) {
	if r.storageHash == "" {
		return
	}
	r.StorageVersion = r.Versions[0].Version
	for _, group := range groups {
		for _, version := range group.Versions {
			sum := sha256.Sum256([]byte(group.Name + "/" + version + "/" + r.Kind))
			if base64.StdEncoding.EncodeToString(sum[:8]) != r.storageHash {
				continue
			}
			if group.Name == r.Group {
				r.StorageVersion = version
			}
			return
		}
	}
}

func readJSON(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
