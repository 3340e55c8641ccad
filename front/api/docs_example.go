package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const (
	exampleTime = "2026-11-22T09:41:07.250Z"
	exampleDate = "2026-11-22"
)

// example makes an example of a schema from those of its parts, its fields in the
// order they are declared.
func (a *API) example(s *huma.Schema) string {
	var out strings.Builder
	a.writeExample(&out, s, "")
	return out.String()
}

func (a *API) writeExample(out *strings.Builder, s *huma.Schema, indent string) {
	switch name, isRef := strings.CutPrefix(s.Ref, refPrefix); {
	case isRef:
		a.writeObject(out, name, indent)
	case s.Type == huma.TypeArray:
		out.WriteString("[\n" + indent + "  ")
		a.writeExample(out, s.Items, indent+"  ")
		out.WriteString("\n" + indent + "]")
	default:
		out.WriteString(scalarExample(s))
	}
}

func (a *API) writeObject(out *strings.Builder, name, indent string) {
	s := a.registry.SchemaFromRef(refPrefix + name)
	out.WriteString("{")
	for i, property := range a.properties(name) {
		if i > 0 {
			out.WriteString(",")
		}
		fmt.Fprintf(out, "\n%s  %q: ", indent, property)
		a.writeExample(out, s.Properties[property], indent+"  ")
	}
	out.WriteString("\n" + indent + "}")
}

func scalarExample(s *huma.Schema) string {
	switch {
	case len(s.Examples) > 0:
		return indented(s.Examples[0])
	case len(s.Enum) > 0:
		return indented(s.Enum[0])
	case s.Nullable:
		return "null"
	case s.Format == "date-time":
		return strconv.Quote(exampleTime)
	case s.Format == "date":
		return strconv.Quote(exampleDate)
	}
	switch s.Type {
	case huma.TypeInteger:
		return "0"
	case huma.TypeBoolean:
		return "false"
	case huma.TypeString:
		return `"…"`
	}
	return "{}"
}

// properties lists the fields of a type in the order they are declared.
func (a *API) properties(name string) []string {
	s := a.registry.SchemaFromRef(refPrefix + name)
	order := declared(a.registry.TypeFromRef(refPrefix + name))
	return slices.SortedFunc(maps.Keys(s.Properties), func(x, y string) int {
		return slices.Index(order, x) - slices.Index(order, y)
	})
}

func declared(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			names = append(names, declared(f.Type)...)
			continue
		}
		names = append(names, jsonName(f))
	}
	return names
}

func indented(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("api: an example does not marshal: %v", err))
	}
	return string(text)
}

// limitsOf says what a value may be.
func limitsOf(s *huma.Schema) string {
	var parts []string
	if len(s.Enum) > 0 {
		choices := make([]string, len(s.Enum))
		for i, one := range s.Enum {
			choices[i] = fmt.Sprint(one)
		}
		parts = append(parts, strings.Join(choices, " | "))
	}
	if s.Minimum != nil {
		parts = append(parts, fmt.Sprintf("≥ %.0f", *s.Minimum))
	}
	if s.Maximum != nil {
		parts = append(parts, fmt.Sprintf("≤ %.0f", *s.Maximum))
	}
	if s.MaxLength != nil {
		parts = append(parts, fmt.Sprintf("at most %d characters", *s.MaxLength))
	}
	if s.Default != nil {
		parts = append(parts, fmt.Sprintf("default %v", s.Default))
	}
	return strings.Join(parts, " · ")
}

// curl is a line that calls an operation with its example.
func (a *API) curl(op *huma.Operation, body *contentView) string {
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" && len(p.Schema.Examples) > 0 {
			path = strings.Replace(path, "{"+p.Name+"}", fmt.Sprint(p.Schema.Examples[0]), 1)
		}
	}
	line := "curl"
	if op.Method != "GET" {
		line += " -X " + op.Method
	}
	line += ` "$ENCAISSE` + path + `"`
	if len(op.Security) > 0 {
		line += " \\\n  -H \"Authorization: Bearer $ENCAISSE_KEY\""
	}
	if body != nil {
		line += " \\\n  -H \"Content-Type: " + body.Kind + "\" \\\n  --data-binary '" + strings.ReplaceAll(body.Example, "'", `'\''`) + "'"
	}
	return line
}
