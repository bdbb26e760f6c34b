package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

var moduleFolders = sync.OnceValues(func() (map[string]string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Path}} {{.Dir}}", "k8s.io/api", "k8s.io/apimachinery",
		"k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	folders := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		path, dir, _ := strings.Cut(line, " ")
		folders[path] = dir
	}
	return folders, nil
})

// sourceFolder finds the sources of a package of one of the modules whose types are read.
func sourceFolder(pkgPath string) (string, error) {
	folders, err := moduleFolders()
	if err != nil {
		return "", err
	}
	parts := strings.SplitN(pkgPath, "/", 3)
	if len(parts) == 3 && folders[parts[0]+"/"+parts[1]] != "" {
		return filepath.Join(folders[parts[0]+"/"+parts[1]], parts[2]), nil
	}
	return "", fmt.Errorf("cannot find the sources of %q: not in a module whose types are read", pkgPath)
}
