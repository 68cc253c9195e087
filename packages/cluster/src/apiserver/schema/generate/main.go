// Writes ../gen/types.ts: the field names, protobuf numbers, types and list semantics of the built-in kinds, read by
// reflection from the public Go types. Run by hand when the supported Kubernetes version changes:
//
//	cd packages/cluster/src/apiserver/schema/generate && go run . > ../gen/types.ts
//
// One line per type: fields separated by spaces, each `jsonName:protobufNumber:type`. A type is a scalar, `[]T`, `{}T` (map) or
// the name of another line. After the type: `?` optional (omitempty), `=a,b` list-map keys, `=*` set, `~x` strategic merge key when the list-map
// key differs or is missing, `~*` primitive merge, `^` retainKeys, `%` atomic. The name `-` is an inlined struct.
package main

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	smd "sigs.k8s.io/structured-merge-diff/v4/schema"
)

var kinds = map[string]string{
	"v1": "Namespace Pod Service Endpoints ConfigMap Secret ServiceAccount Node Event PersistentVolumeClaim PersistentVolume LimitRange ResourceQuota " +
		"ReplicationController Binding PodTemplate",
	"apps/v1":                      "Deployment ReplicaSet StatefulSet DaemonSet ControllerRevision",
	"batch/v1":                     "Job CronJob",
	"discovery.k8s.io/v1":          "EndpointSlice",
	"coordination.k8s.io/v1":       "Lease",
	"networking.k8s.io/v1":         "Ingress IngressClass NetworkPolicy",
	"policy/v1":                    "PodDisruptionBudget Eviction",
	"autoscaling/v1":               "Scale HorizontalPodAutoscaler",
	"autoscaling/v2":               "HorizontalPodAutoscaler",
	"admissionregistration.k8s.io/v1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
	"rbac.authorization.k8s.io/v1": "Role RoleBinding ClusterRole ClusterRoleBinding",
	"scheduling.k8s.io/v1":         "PriorityClass",
	"storage.k8s.io/v1":            "StorageClass",
	"events.k8s.io/v1":             "Event",
	"authentication.k8s.io/v1":     "TokenReview TokenRequest SelfSubjectReview",
	"authorization.k8s.io/v1":      "SubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview LocalSubjectAccessReview",
	"apiextensions.k8s.io/v1":      "CustomResourceDefinition",
}

var lines = map[string]string{}
var smdTypes = map[string]smd.TypeDef{}

func smdName(t reflect.Type) string {
	path := t.PkgPath()
	switch {
	case strings.HasPrefix(path, "k8s.io/apimachinery/pkg"):
		return "io.k8s.apimachinery.pkg" + strings.ReplaceAll(strings.TrimPrefix(path, "k8s.io/apimachinery/pkg"), "/", ".") + "." + t.Name()
	case strings.HasPrefix(path, "k8s.io/apiextensions-apiserver/pkg"):
		return "io.k8s.apiextensions-apiserver.pkg" + strings.ReplaceAll(strings.TrimPrefix(path, "k8s.io/apiextensions-apiserver/pkg"), "/", ".") + "." + t.Name()
	default:
		return "io.k8s.api" + strings.ReplaceAll(strings.TrimPrefix(path, "k8s.io/api"), "/", ".") + "." + t.Name()
	}
}

func shortName(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	return strings.Join(parts[len(parts)-2:], ".") + "." + t.Name()
}

func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return typeName(t.Elem())
	}
	switch t.PkgPath() + "." + t.Name() {
	case "k8s.io/apimachinery/pkg/api/resource.Quantity":
		return "quantity"
	case "k8s.io/apimachinery/pkg/util/intstr.IntOrString":
		return "intOrString"
	case "k8s.io/apimachinery/pkg/apis/meta/v1.Time":
		return "time"
	case "k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":
		return "microTime"
	case "k8s.io/apimachinery/pkg/apis/meta/v1.Duration":
		return "duration"
	case "k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1", "k8s.io/apimachinery/pkg/runtime.RawExtension",
		"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON":
		return "raw"
	case "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaProps",
		"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool",
		"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray":
		return "jsonSchema"
	case "k8s.io/api/authentication/v1.ExtraValue", "k8s.io/api/authorization/v1.ExtraValue":
		return "extraValue"
	case "k8s.io/api/core/v1.Toleration":
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int32:
		return "int32"
	case reflect.Int64, reflect.Int:
		return "int64"
	case reflect.Float64, reflect.Float32:
		return "number"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + typeName(t.Elem())
	case reflect.Map:
		return "{}" + typeName(t.Elem())
	case reflect.Struct:
		visit(t)
		return shortName(t)
	}
	panic("type " + t.String())
}

func fieldRelationship(owner, field string) string {
	def, ok := smdTypes[owner]
	if !ok || def.Map == nil {
		return ""
	}
	for _, f := range def.Map.Fields {
		if f.Name != field {
			continue
		}
		if f.Type.Inlined.List != nil {
			l := f.Type.Inlined.List
			if l.ElementRelationship == smd.Associative && len(l.Keys) > 0 {
				return "=" + strings.Join(l.Keys, ",")
			}
			if l.ElementRelationship == smd.Associative {
				return "=*"
			}
			return ""
		}
		if f.Type.ElementRelationship != nil && *f.Type.ElementRelationship == smd.Atomic {
			return "%"
		}
		if f.Type.Inlined.Map != nil && f.Type.Inlined.Map.ElementRelationship == smd.Atomic {
			return "%"
		}
		if f.Type.NamedType != nil {
			if named := smdTypes[*f.Type.NamedType]; named.Map != nil && named.Map.ElementRelationship == smd.Atomic && len(named.Map.Fields) > 0 {
				return "%"
			}
		}
	}
	return ""
}

func visit(t reflect.Type) {
	name := shortName(t)
	if _, seen := lines[name]; seen {
		return
	}
	lines[name] = ""
	var out []string
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("json"), ",")
		if tag[0] == "-" {
			continue
		}
		number := "0"
		if pb := strings.Split(f.Tag.Get("protobuf"), ","); len(pb) > 1 {
			number = pb[1]
		}
		inline := strings.Contains(f.Tag.Get("json"), ",inline")
		if inline && f.Type.Name() == "TypeMeta" {
			out = append(out, "kind:0:string?", "apiVersion:0:string?")
			continue
		}
		text := tag[0]
		if inline {
			text = "-"
		}
		ft := typeName(f.Type)
		text += ":" + number + ":" + ft
		if strings.Contains(f.Tag.Get("json"), "omitempty") {
			text += "?"
		}
		if !inline {
			rel := fieldRelationship(smdName(t), tag[0])
			text += rel
			strategy, key := f.Tag.Get("patchStrategy"), f.Tag.Get("patchMergeKey")
			if strings.Contains(strategy, "merge") {
				if key == "" {
					key = "*"
				}
				if rel != "="+key {
					text += "~" + key
				}
			}
			if strings.Contains(strategy, "retainKeys") {
				text += "^"
			}
		}
		out = append(out, text)
	}
	lines[name] = strings.Join(out, " ")
}

func main() {
	_ = apiext.AddToScheme(scheme.Scheme)
	converter := applyconfigurations.NewTypeConverter(scheme.Scheme)
	typed, err := converter.ObjectToTyped(&corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}})
	if err != nil {
		panic(err)
	}
	for _, def := range typed.Schema().Types {
		smdTypes[def.Name] = def
	}
	roots := map[string]string{}
	for gv, names := range kinds {
		parsed, _ := schema.ParseGroupVersion(gv)
		for _, kind := range strings.Fields(names) {
			object, err := scheme.Scheme.New(parsed.WithKind(kind))
			if err != nil {
				panic(err)
			}
			t := reflect.TypeOf(object).Elem()
			visit(t)
			roots[gv+"/"+kind] = shortName(t)
		}
	}
	visit(reflect.TypeOf(metav1.DeleteOptions{}))
	roots["v1/DeleteOptions"] = shortName(reflect.TypeOf(metav1.DeleteOptions{}))
	visit(reflect.TypeOf(metav1.LabelSelector{}))
	var _ runtime.Object
	fmt.Println("// Generated by ../generate/main.go from the public Kubernetes Go types, v1.32. Do not edit.")
	fmt.Println()
	print("ROOT_TYPES", "Type of each root kind, by apiVersion/kind.", roots)
	print("TYPE_LINES", "Fields of each type; the notation is explained in ../generate/main.go.", lines)
}

func print(name, doc string, table map[string]string) {
	keys := make([]string, 0, len(table))
	for k := range table {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	fmt.Printf("/** %s */\nexport const %s: Readonly<Record<string, string>> = {\n", doc, name)
	for _, k := range keys {
		fmt.Printf("  '%s': '%s',\n", k, table[k])
	}
	fmt.Println("};")
}
