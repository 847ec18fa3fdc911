package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

// Style is the charts' style sheet.
//
//go:embed style.css
var Style string

var (
	//go:embed page.css
	pageStyle string
	//go:embed page.html
	pageSource string

	page = template.Must(template.New("report").Funcs(template.FuncMap{"inc": func(n int) int { return n + 1 }}).Parse(pageSource))
)

// HTML writes a report as one page that needs nothing else: no network, no script.
func (r Report) HTML(w io.Writer) error {
	err := page.Execute(w, struct {
		Report
		Style template.CSS
	}{r, template.CSS(Style + pageStyle)}) //nolint:gosec // our own
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
