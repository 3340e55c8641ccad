package api

import (
	"html/template"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"encaisse/access"
	"encaisse/base/i18n"
)

// What the documentation page shows, made from the document alone.
type (
	docsView struct {
		Title, Version, Software, Text, Style string
		Chapters                              []chapterView
		General                               []problemView
		Types                                 []typeView
	}
	chapterView struct {
		Name, Anchor, Text string
		Operations         []operationView
	}
	operationView struct {
		ID, Method, Path, Summary, Text string
		Access, Reason                  string
		Roles                           []string
		Parameters                      []fieldView
		Body                            *contentView
		Answers                         []answerView
		Problems                        []problemView
		Curl                            string
	}
	contentView struct{ Kind, Type, Example string }
	answerView  struct {
		Status, Text, Name string
		Content            *contentView
	}
	problemView struct{ Status, Code, Text string }
	typeView    struct {
		Name   string
		Fields []fieldView
	}
	fieldView struct {
		Name, In, Text string
		Shape          shapeView
		Required       bool
	}
	shapeView struct {
		Words string // "string", "list of"
		Type  string // one of the types of the page, or empty
		More  string // limits and choices
	}
)

// read makes the view.
func (a *API) read() docsView {
	doc := a.OpenAPI()
	v := docsView{
		Title: doc.Info.Title, Version: doc.Info.Version, Software: a.doors.Software, Text: doc.Info.Description, Style: docsPath + "/" + styleName,
	}
	operations := operationsOf(doc)
	for _, t := range doc.Tags {
		c := chapterView{Name: t.Name, Text: t.Description, Anchor: anchor(t.Name)}
		for _, id := range a.order {
			if op := operations[id]; slices.Contains(op.Tags, t.Name) {
				c.Operations = append(c.Operations, a.readOperation(op))
			}
		}
		v.Chapters = append(v.Chapters, c)
	}
	general := generalCodes()
	for _, status := range slices.Sorted(maps.Keys(general)) {
		v.General = append(v.General, a.readProblems(status, general[status])...)
	}
	for _, name := range slices.Sorted(maps.Keys(a.registry.Map())) {
		v.Types = append(v.Types, typeView{Name: name, Fields: a.readFields(name)})
	}
	return v
}

// operationsOf finds the operations of the document by their ids.
func operationsOf(doc *huma.OpenAPI) map[string]*huma.Operation {
	found := make(map[string]*huma.Operation)
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if op != nil {
				found[op.OperationID] = op
			}
		}
	}
	return found
}

func (a *API) readOperation(op *huma.Operation) operationView {
	v := operationView{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Text: op.Description}
	v.Access, _ = op.Extensions[accessKey].(string)
	v.Reason, _ = op.Extensions[reasonKey].(string)
	for _, role := range access.Table()[access.Permission(v.Access)] {
		v.Roles = append(v.Roles, string(role))
	}
	for _, p := range op.Parameters {
		v.Parameters = append(v.Parameters, fieldView{Name: p.Name, In: p.In, Text: p.Description, Shape: shapeOf(p.Schema), Required: p.Required})
	}
	if op.RequestBody != nil {
		v.Body = a.readContent(op.RequestBody.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[status]
		if codes, refused := r.Extensions[codesKey].([]string); refused {
			v.Problems = append(v.Problems, a.readProblems(status, codes)...)
		} else if status != "default" {
			answer := answerView{Status: status, Name: statusName(status), Text: r.Description}
			if len(v.Answers) == 0 { // another success has the same content
				answer.Content = a.readContent(r.Content)
			}
			v.Answers = append(v.Answers, answer)
		}
	}
	v.Curl = a.curl(op, v.Body)
	return v
}

func statusName(status string) string {
	code := 0
	for _, c := range status {
		code = code*10 + int(c-'0')
	}
	return http.StatusText(code)
}

// readContent shows the first of the media types.
func (a *API) readContent(content map[string]*huma.MediaType) *contentView {
	kinds := slices.Sorted(maps.Keys(content))
	if len(kinds) == 0 {
		return nil
	}
	kind := kinds[len(kinds)-1] // text/csv rather than application/octet-stream
	media := content[kind]
	v := &contentView{Kind: kind, Type: strings.TrimPrefix(media.Schema.Ref, refPrefix)}
	switch example := media.Example.(type) {
	case nil:
		v.Example = a.example(media.Schema)
	case string:
		v.Example = example
	default:
		v.Example = indented(example)
	}
	return v
}

func (a *API) readProblems(status string, codes []string) (list []problemView) {
	for _, code := range codes {
		list = append(list, problemView{Status: status, Code: code, Text: a.doors.Catalogue.Text(i18n.English, "problem."+code, nil)})
	}
	return list
}

// readFields lists the fields of a type in the order they are declared.
func (a *API) readFields(name string) (list []fieldView) {
	s := a.registry.SchemaFromRef(refPrefix + name)
	for _, property := range a.properties(name) {
		p := s.Properties[property]
		list = append(list, fieldView{
			Name: property, Text: p.Description, Shape: shapeOf(p), Required: slices.Contains(s.Required, property),
		})
	}
	return list
}

// shapeOf says in words what a value looks like.
func shapeOf(s *huma.Schema) shapeView {
	if s.Ref != "" {
		return shapeView{Type: strings.TrimPrefix(s.Ref, refPrefix)}
	}
	if s.Type == huma.TypeArray {
		v := shapeOf(s.Items)
		v.Words = strings.TrimSpace("list of " + v.Words)
		return v
	}
	v := shapeView{Words: s.Type}
	switch {
	case s.Type == "":
		v.Words = "object"
	case strings.HasSuffix(s.Pattern, idPattern):
		v.Words = "identifier " + strings.TrimSuffix(strings.TrimPrefix(s.Pattern, patternMark), idPattern) + "_…"
	case s.Format == "date-time", s.Format == "date", s.Format == "email":
		v.Words = s.Format
	}
	if s.Nullable {
		v.Words += " or null"
	}
	v.More = limitsOf(s)
	return v
}

// anchor is a name as a fragment of a URL.
func anchor(name string) string {
	return strings.Trim(notInAnchor.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

var (
	notInAnchor = regexp.MustCompile(`[^a-z0-9]+`)
	bold        = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	code        = regexp.MustCompile("`([^`]+)`")
)

// words writes the little Markdown our descriptions have as HTML.
func words(text string) template.HTML {
	safe := template.HTMLEscapeString(text)
	safe = code.ReplaceAllString(safe, "<code>$1</code>")
	return template.HTML(bold.ReplaceAllString(safe, "<strong>$1</strong>"))
}

func paragraphs(text string) []string { return strings.Split(text, "\n\n") }
