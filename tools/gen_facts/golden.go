package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Vector is an object as Go encodes it, once as protobuf with the envelope (base64) and once as JSON.
type Vector struct {
	Name     string          `json:"name"`
	Protobuf string          `json:"protobuf"`
	JSON     json.RawMessage `json:"json"`
}

// published are the kinds whose complete example, every field set, is taken from the module k8s.io/api.
var published = []string{
	"core.v1.Pod", "core.v1.Service", "core.v1.Event", "core.v1.Node", "core.v1.ConfigMap", "core.v1.Secret", "core.v1.Endpoints",
	"core.v1.Namespace", "core.v1.ServiceAccount", "core.v1.PersistentVolumeClaim", "apps.v1.Deployment", "apps.v1.ControllerRevision",
	"events.k8s.io.v1.Event", "coordination.k8s.io.v1.Lease", "rbac.authorization.k8s.io.v1.ClusterRole",
	"discovery.k8s.io.v1.EndpointSlice", "networking.k8s.io.v1.NetworkPolicy", "autoscaling.v2.HorizontalPodAutoscaler",
	"policy.v1.PodDisruptionBudget", "policy.v1.Eviction", "authorization.k8s.io.v1.SubjectAccessReview",
	"authentication.k8s.io.v1.TokenRequest", "admission.k8s.io.v1.AdmissionReview", "autoscaling.v1.Scale",
}

func goldenVectors() ([]Vector, error) {
	var vectors []Vector
	dir, err := sourceFolder("k8s.io/api/testdata")
	if err != nil {
		return nil, err
	}
	for _, name := range published {
		text, err := os.ReadFile(dir + "/HEAD/" + name + ".json")
		if err != nil {
			return nil, err
		}
		encoded, err := os.ReadFile(dir + "/HEAD/" + name + ".pb")
		if err != nil {
			return nil, err
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		vectors = append(vectors, Vector{name, base64.StdEncoding.EncodeToString(encoded), compact.Bytes()})
	}
	for _, object := range handmade() {
		var encoded bytes.Buffer
		if err := protobuf.NewSerializer(nil, nil).Encode(object, &encoded); err != nil {
			return nil, err
		}
		text, err := json.Marshal(object)
		if err != nil {
			return nil, err
		}
		kind := strings.ReplaceAll(fmt.Sprintf("%T", object), "*", "")
		vectors = append(vectors, Vector{kind, base64.StdEncoding.EncodeToString(encoded.Bytes()), text})
	}
	return vectors, nil
}

// handmade are objects that say little, where zero and absent must be told apart, and those with unions.
func handmade() []runtime.Object {
	zero, zero64, no := int32(0), int64(0), false
	raw := func(text string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(text)} }
	return []runtime.Object{
		&corev1.Pod{
			TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
			ObjectMeta: metav1.ObjectMeta{Name: "zeros", Labels: map[string]string{"empty": ""}},
			Spec: corev1.PodSpec{
				TerminationGracePeriodSeconds: &zero64, EnableServiceLinks: &no, AutomountServiceAccountToken: &no,
				Tolerations: []corev1.Toleration{{Key: "a", TolerationSeconds: &zero64}},
				Containers: []corev1.Container{{
					Name: "c", Args: []string{"", "-x"}, SecurityContext: &corev1.SecurityContext{RunAsUser: &zero64},
					Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("0"), "memory": resource.MustParse("1536Mi")}},
					LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
						HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("http")}}},
					Env: []corev1.EnvVar{{Name: "E", ValueFrom: &corev1.EnvVarSource{
						ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.cpu"}}}},
				}},
				Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			},
			Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
				Name: "c", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: -1}}}}},
		},
		&appsv1.Deployment{
			TypeMeta: metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"},
			Spec: appsv1.DeploymentSpec{Replicas: &zero, Selector: &metav1.LabelSelector{}, Template: corev1.PodTemplateSpec{
				Spec: corev1.PodSpec{Containers: []corev1.Container{}}}},
		},
		&metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Message: "größer", Reason: "Conflict", Code: 409,
			Details: &metav1.StatusDetails{Name: "a", Kind: "pods", Causes: []metav1.StatusCause{{Type: "x", Field: "spec"}}},
		},
		&apiextensionsv1.CustomResourceDefinition{
			TypeMeta: metav1.TypeMeta{Kind: "CustomResourceDefinition", APIVersion: "apiextensions.k8s.io/v1"},
			Spec: apiextensionsv1.CustomResourceDefinitionSpec{
				Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: "Widget"},
				Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1", Schema: &apiextensionsv1.CustomResourceValidation{
					OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
						Default: raw(`{"a":[1,null]}`), Enum: []apiextensionsv1.JSON{*raw("null"), *raw(`"x"`), *raw("2.5")}, Minimum: new(float64),
						Items:                &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{Type: "string"}},
						AdditionalItems:      &apiextensionsv1.JSONSchemaPropsOrBool{Allows: false},
						AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: &apiextensionsv1.JSONSchemaProps{Type: "integer"}},
						Dependencies:         apiextensionsv1.JSONSchemaDependencies{"a": {Property: []string{"b", "c"}}},
					},
				}}},
			},
		},
	}
}
