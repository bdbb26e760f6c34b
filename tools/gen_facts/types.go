package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// TypeRow is a message of the API. Its key is "v1.Pod", "apps/v1.Deployment", "meta/v1.ObjectMeta".
type TypeRow struct {
	Key    string `json:"key"`
	Schema string `json:"schema"`
	// A kind that can stand at the top of a document.
	Kind bool `json:"kind,omitempty"`
	// Server-side apply treats it as one value.
	Atomic bool       `json:"atomic,omitempty"`
	Fields []FieldRow `json:"fields"`
}

// FieldRow is a field in the order of the Go struct.
type FieldRow struct {
	Name          string          `json:"name"`
	Number        int             `json:"number,omitempty"`
	Shape         string          `json:"shape,omitempty"` // "", "list" or "map"
	Type          string          `json:"type"`
	Inline        bool            `json:"inline,omitempty"`
	Pointer       bool            `json:"pointer,omitempty"`
	Always        bool            `json:"always,omitempty"` // the zero value is written to JSON
	Required      bool            `json:"required,omitempty"`
	ListType      string          `json:"listType,omitempty"`
	ListMapKeys   []string        `json:"listMapKeys,omitempty"`
	MapType       string          `json:"mapType,omitempty"`
	PatchStrategy string          `json:"patchStrategy,omitempty"`
	PatchMergeKey string          `json:"patchMergeKey,omitempty"`
	Format        string          `json:"format,omitempty"`
	Default       json.RawMessage `json:"default,omitempty"`
	Enum          []string        `json:"enum,omitempty"`
}

const metaPackage = "k8s.io/apimachinery/pkg/apis/meta/v1"

// scalars are the Go types with an encoding of their own.
var scalars = map[reflect.Type]string{
	reflect.TypeFor[resource.Quantity]():                            "Quantity",
	reflect.TypeFor[metav1.Time]():                                  "Time",
	reflect.TypeFor[metav1.MicroTime]():                             "MicroTime",
	reflect.TypeFor[metav1.Duration]():                              "Duration",
	reflect.TypeFor[metav1.FieldsV1]():                              "FieldsV1",
	reflect.TypeFor[intstr.IntOrString]():                           "IntOrString",
	reflect.TypeFor[runtime.RawExtension]():                         "RawExtension",
	reflect.TypeFor[apiextensionsv1.JSON]():                         "JSON",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrArray]():       "SchemaOrArray",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrBool]():        "SchemaOrBool",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrStringArray](): "SchemaOrStrings",
	reflect.TypeFor[[]byte]():                                       "bytes",
}

// reader collects rows as it walks the types.
type reader struct {
	prefixes map[string]string // Go package to key prefix
	schemas  map[string]Schema
	enums    map[string]map[string][]string // package, type
	rows     map[string]*TypeRow
}

// readTypes reads every kind of the served group versions, the machinery's own kinds, and all that they refer to.
func readTypes(served map[string]bool, schemas map[string]Schema) ([]*TypeRow, error) {
	s := scheme.Scheme
	for _, add := range []func(*runtime.Scheme) error{
		admissionv1.AddToScheme, apidiscoveryv2.AddToScheme, apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme,
		metav1.AddMetaToScheme,
	} {
		if err := add(s); err != nil {
			return nil, err
		}
	}
	served["admission.k8s.io/v1"] = true
	served["apidiscovery.k8s.io/v2"] = true
	r := &reader{map[string]string{metaPackage: "meta/v1", "k8s.io/apimachinery/pkg/runtime": "runtime"}, schemas, map[string]map[string][]string{}, map[string]*TypeRow{}}
	var kinds []reflect.Type
	for gvk, t := range s.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal || !served[gvk.Group+"/"+gvk.Version] && t.PkgPath() != metaPackage {
			continue
		}
		if t.PkgPath() != metaPackage && t.PkgPath() != "k8s.io/api/core/v1" || t.PkgPath() == "k8s.io/api/core/v1" && gvk.Group == "" {
			prefix := gvk.Version
			if gvk.Group != "" {
				prefix = gvk.Group + "/" + gvk.Version
			}
			r.prefixes[t.PkgPath()] = prefix
		}
		kinds = append(kinds, t)
	}
	kinds = append(kinds, reflect.TypeFor[metav1.List](), reflect.TypeFor[metav1.WatchEvent](), reflect.TypeFor[metav1.APIGroupList](),
		reflect.TypeFor[metav1.APIVersions](), reflect.TypeFor[runtime.Unknown](), reflect.TypeFor[metav1.Condition]())
	for _, t := range kinds {
		if t.PkgPath() == metaPackage && t.Name() == "InternalEvent" {
			continue
		}
		row, err := r.add(t, Schema{})
		if err != nil {
			return nil, err
		}
		row.Kind = t.Name() != "Condition" && t.Name() != "Unknown"
	}
	rows := make([]*TypeRow, 0, len(r.rows))
	for _, row := range r.rows {
		rows = append(rows, row)
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].Key < rows[j].Key })
	return rows, nil
}

func (r *reader) key(t reflect.Type) (string, error) {
	prefix, ok := r.prefixes[t.PkgPath()]
	if !ok {
		return "", fmt.Errorf("no group and version known for %s.%s", t.PkgPath(), t.Name())
	}
	return prefix + "." + t.Name(), nil
}

// add reads a type. An embedded one has no schema of its own and is described by that of the type it is embedded in.
func (r *reader) add(t reflect.Type, embedding Schema) (*TypeRow, error) {
	key, err := r.key(t)
	if err != nil {
		return nil, err
	}
	if row := r.rows[key]; row != nil {
		return row, nil
	}
	name := schemaName(t.PkgPath(), t.Name())
	schema, ok := r.schemas[name]
	if !ok {
		schema = embedding
		schema.MapType = ""
	}
	row := &TypeRow{Key: key, Schema: name, Atomic: schema.MapType == "atomic", Fields: []FieldRow{}}
	r.rows[key] = row
	for i := 0; i < t.NumField(); i++ {
		field, ok, err := r.field(t.Field(i), schema)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", key, t.Field(i).Name, err)
		}
		if ok {
			row.Fields = append(row.Fields, field...)
		}
	}
	return row, nil
}

func (r *reader) field(f reflect.StructField, schema Schema) ([]FieldRow, bool, error) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || !f.IsExported() {
		return nil, false, nil
	}
	row := FieldRow{Name: name, Number: protobufNumber(f)}
	if strings.Contains(options, "inline") || f.Anonymous && name == "" {
		return r.inlined(f, row, schema)
	}
	if name == "" {
		row.Name = f.Name
	}
	row.Always = !strings.Contains(options, "omitempty")
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t, row.Pointer = t.Elem(), true
	}
	if _, ok := scalars[t]; !ok {
		switch {
		case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 && !isMessage(t):
			row.Shape, t = "list", t.Elem()
		case t.Kind() == reflect.Map:
			row.Shape, t = "map", t.Elem()
		}
	}
	if row.Shape != "" && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var err error
	if row.Type, row.Enum, err = r.typeOf(t); err != nil {
		return nil, false, err
	}
	// A struct is written even when empty, unless omitzero says otherwise.
	if row.Shape == "" && !row.Pointer && t.Kind() == reflect.Struct {
		row.Always = !strings.Contains(options, "omitzero")
	}
	row.PatchStrategy, row.PatchMergeKey = f.Tag.Get("patchStrategy"), f.Tag.Get("patchMergeKey")
	describe(&row, schema)
	return []FieldRow{row}, true, nil
}

// inlined says how an embedded struct is seen: TypeMeta as two fields, others as a message whose fields JSON hoists.
func (r *reader) inlined(f reflect.StructField, row FieldRow, schema Schema) ([]FieldRow, bool, error) {
	if f.Type == reflect.TypeFor[metav1.TypeMeta]() {
		return nil, false, nil
	}
	key, err := r.key(f.Type)
	if err != nil {
		return nil, false, err
	}
	if _, err := r.add(f.Type, schema); err != nil {
		return nil, false, err
	}
	row.Name, row.Type, row.Inline = strings.ToLower(f.Name[:1])+f.Name[1:], key, true
	return []FieldRow{row}, true, nil
}

func (r *reader) typeOf(t reflect.Type) (string, []string, error) {
	if name, ok := scalars[t]; ok {
		return name, nil, nil
	}
	switch t.Kind() {
	case reflect.String:
		enum, err := r.enum(t)
		return "string", enum, err
	case reflect.Bool:
		return "bool", nil, nil
	case reflect.Int32:
		return "int32", nil, nil
	case reflect.Int64, reflect.Int:
		return "int64", nil, nil
	case reflect.Float64:
		return "double", nil, nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes", nil, nil
		}
		if t.Elem().Kind() == reflect.String && isMessage(t) {
			return "strings", nil, nil
		}
	case reflect.Interface:
		return "JSON", nil, nil
	case reflect.Struct:
		key, err := r.key(t)
		if err != nil {
			return "", nil, err
		}
		_, err = r.add(t, Schema{})
		return key, nil, err
	}
	return "", nil, fmt.Errorf("cannot describe Go type %s", t)
}

func (r *reader) enum(t reflect.Type) ([]string, error) {
	path := t.PkgPath()
	if path == "" || !strings.HasPrefix(path, "k8s.io/") {
		return nil, nil
	}
	if r.enums[path] == nil {
		dir, err := sourceFolder(path)
		if err != nil {
			return nil, err
		}
		if r.enums[path], err = readEnums(dir); err != nil {
			return nil, err
		}
	}
	return r.enums[path][t.Name()], nil
}

// describe adds what the OpenAPI schema knows about the field.
func describe(row *FieldRow, schema Schema) {
	for _, name := range schema.Required {
		row.Required = row.Required || name == row.Name
	}
	property, ok := schema.Properties[row.Name]
	if !ok {
		return
	}
	row.ListType, row.ListMapKeys = property.ListType, property.ListMapKeys
	row.MapType = property.MapType
	if row.Type == "string" {
		row.Format = property.Format
	}
	switch text := string(bytes.TrimSpace(property.Default)); text {
	case "", "{}", "null":
	case `""`, "0", "false":
		// Where zero is written anyway, it being the default says nothing.
		if !row.Always {
			row.Default = property.Default
		}
	default:
		row.Default = property.Default
	}
}

// isMessage says that a named slice is a message of its own in protobuf, with its elements in field 1.
func isMessage(t reflect.Type) bool {
	_, ok := reflect.PointerTo(t).MethodByName("MarshalToSizedBuffer")
	return t.Name() != "" && ok
}

func protobufNumber(f reflect.StructField) int {
	parts := strings.Split(f.Tag.Get("protobuf"), ",")
	if len(parts) < 2 {
		return 0
	}
	number, _ := strconv.Atoi(parts[1])
	return number
}
