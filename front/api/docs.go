package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"sync"
)

//go:embed docs.html
var docsTemplate string

//go:embed docs.css
var docsStyle []byte

const (
	htmlType = "text/html; charset=utf-8"
	cssType  = "text/css; charset=utf-8"
	jsonSpec = "application/openapi+json"
	yamlSpec = "application/openapi+yaml"

	// docsPolicy lets the page have its own style sheet and nothing else: no script,
	// nothing from elsewhere.
	docsPolicy = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

	keepFor = "public, max-age=300"
)

// undescribed are the routes that are no operations of the document. They are open:
// a description of the API tells nothing about anybody.
func (a *API) undescribed() map[string]func() (page, error) {
	return map[string]func() (page, error){
		openAPIPath + ".json": func() (page, error) {
			text, err := json.Marshal(a.OpenAPI())
			return page{jsonSpec, text}, err
		},
		openAPIPath + ".yaml": func() (page, error) {
			text, err := a.OpenAPI().YAML()
			return page{yamlSpec, text}, err
		},
		docsPath: func() (page, error) {
			text, err := a.renderDocs()
			return page{htmlType, text}, err
		},
		docsPath + "/" + styleName: func() (page, error) { return page{cssType, docsStyle}, nil },
	}
}

// page is something that is made once and then only served.
type page struct {
	kind string
	text []byte
}

// documents serves what describes the API. Each page is made when first asked for.
func (a *API) documents() {
	for path, make := range a.undescribed() {
		once := sync.OnceValues(make)
		a.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			p, err := once()
			if err != nil {
				a.frame.WriteProblem(w, r, err)
				return
			}
			h := w.Header()
			h.Set("Content-Type", p.kind)
			h.Set("Cache-Control", keepFor)
			if p.kind == htmlType {
				h.Set("Content-Security-Policy", docsPolicy)
			}
			_, _ = w.Write(p.text) // the client is gone: nobody to tell
		})
	}
}

func (a *API) renderDocs() ([]byte, error) {
	t, err := template.New("docs").Funcs(template.FuncMap{"words": words, "paragraphs": paragraphs}).Parse(docsTemplate)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, a.read()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
