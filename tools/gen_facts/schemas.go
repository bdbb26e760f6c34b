package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// Schema is the part of an OpenAPI schema that the Go types do not say.
type Schema struct {
	AllOf                []Schema          `json:"allOf"`
	Required             []string          `json:"required"`
	Properties           map[string]Schema `json:"properties"`
	Default              json.RawMessage   `json:"default"`
	Format               string            `json:"format"`
	Items                *Schema           `json:"items"`
	AdditionalProperties *Schema           `json:"additionalProperties"`
	ListType             string            `json:"x-kubernetes-list-type"`
	ListMapKeys          []string          `json:"x-kubernetes-list-map-keys"`
	MapType              string            `json:"x-kubernetes-map-type"`
	PatchStrategy        string            `json:"x-kubernetes-patch-strategy"`
	PatchMergeKey        string            `json:"x-kubernetes-patch-merge-key"`
}

// readSchemas reads the component schemas of every OpenAPI v3 document in a folder.
func readSchemas(dir string) (map[string]Schema, error) {
	files, err := filepath.Glob(dir + "/*_openapi.json")
	if err != nil {
		return nil, err
	}
	all := map[string]Schema{}
	for _, file := range files {
		var document struct {
			Components struct {
				Schemas map[string]Schema `json:"schemas"`
			} `json:"components"`
		}
		if err := readJSON(file, &document); err != nil {
			return nil, err
		}
		for name, schema := range document.Components.Schemas {
			all[name] = schema
		}
	}
	return all, nil
}

// schemaName is the name under which OpenAPI knows a Go type.
func schemaName(pkgPath, name string) string {
	host, rest, _ := strings.Cut(pkgPath, "/")
	parts := strings.Split(host, ".")
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, ".") + "." + strings.ReplaceAll(rest, "/", ".") + "." + name
}

// readEnums finds the string types marked `+enum` in a package's sources, with their values in order.
func readEnums(dir string) (map[string][]string, error) {
	enums := map[string][]string{}
	notTests := func(info fs.FileInfo) bool { return !strings.HasSuffix(info.Name(), "_test.go") }
	packages, err := parser.ParseDir(token.NewFileSet(), dir, notTests, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	forEachDecl(packages, token.TYPE, func(decl *ast.GenDecl, spec ast.Spec) {
		t := spec.(*ast.TypeSpec)
		for _, doc := range []*ast.CommentGroup{decl.Doc, t.Doc, t.Comment} {
			if doc != nil && hasLine(doc, "// +enum") {
				enums[t.Name.Name] = []string{}
			}
		}
	})
	forEachDecl(packages, token.CONST, func(_ *ast.GenDecl, spec ast.Spec) {
		v := spec.(*ast.ValueSpec)
		name, ok := v.Type.(*ast.Ident)
		if !ok || enums[name.Name] == nil {
			return
		}
		for _, value := range v.Values {
			if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, _ := strconv.Unquote(literal.Value)
				enums[name.Name] = append(enums[name.Name], text)
			}
		}
	})
	return enums, nil
}

func forEachDecl(packages map[string]*ast.Package, kind token.Token, visit func(*ast.GenDecl, ast.Spec)) {
	for _, pkg := range packages {
		for _, file := range pkg.Files {
			for _, decl := range file.Decls {
				if decl, ok := decl.(*ast.GenDecl); ok && decl.Tok == kind {
					for _, spec := range decl.Specs {
						visit(decl, spec)
					}
				}
			}
		}
	}
}

func hasLine(doc *ast.CommentGroup, line string) bool {
	for _, comment := range doc.List {
		if strings.TrimSpace(comment.Text) == line {
			return true
		}
	}
	return false
}
