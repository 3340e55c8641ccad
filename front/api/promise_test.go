package api_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// promised holds every problem that any test gets against the document: its code is
// listed for the operation and its status, or among those of all operations.
func (c client) promised(r *http.Request, a answered) {
	c.t.Helper()
	code, refused := a.json["code"].(string)
	if !refused || a.status < 400 {
		return
	}
	general, _ := c.api.OpenAPI().Extensions["x-general-codes"].(map[string][]string)
	status := strconv.Itoa(a.status)
	op := operationOf(c.api.OpenAPI(), r.Method, r.URL.Path)
	for _, code := range append(faultCodes(a), code) {
		if slices.Contains(general[status], code) {
			continue
		}
		if op == nil {
			c.t.Errorf("%s: %s %s is no operation's", a.asked, status, code)
			continue
		}
		listed, _ := op.Responses[status]
		if listed == nil || !slices.Contains(listed.Extensions["x-codes"].([]string), code) {
			c.t.Errorf("%s: %s does not promise %s %s", a.asked, op.OperationID, status, code)
		}
	}
}

func faultCodes(a answered) (codes []string) {
	list, _ := a.json["errors"].([]any)
	for _, e := range list {
		codes = append(codes, e.(object)["code"].(string))
	}
	return codes
}

// operationOf finds the operation a path belongs to.
func operationOf(doc *huma.OpenAPI, method, path string) *huma.Operation {
	var found *huma.Operation
	eachOperation(doc, func(pattern string, op *huma.Operation) {
		if op.Method != method || !fits(pattern, path) {
			return
		}
		if found == nil || strings.Count(pattern, "{") < strings.Count(found.Path, "{") {
			found = op
		}
	})
	return found
}

func fits(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != have[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

// eachOperation walks the document.
func eachOperation(doc *huma.OpenAPI, visit func(path string, op *huma.Operation)) {
	for path, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete, item.Head, item.Options, item.Trace} {
			if op != nil {
				visit(path, op)
			}
		}
	}
}
