// Package yamlfile reads YAML files strictly: what is wrong is said with file, line and field, and with what the field takes.
package yamlfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/ringqueue/ringqueue/campaign"
)

const (
	// MaxFileBytes bounds a YAML file.
	MaxFileBytes = 64 << 10
	maxDepth     = 64 // of brackets: the parser recurses, and takes a time that grows with the square
	maxProblems  = 10
	maxQuoted    = 40 // characters of a bad value that an error repeats
)

// Problem is one thing that is wrong with a YAML file.
type Problem struct {
	File  string
	Line  int    // from 1; 0: the file as a whole
	Field string // such as retry.busy; empty: the file as a whole
	Text  string // what is wrong, and what the field takes
}

// Error is one line: file, line, field, and what is wrong.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is everything that is wrong with a YAML file, in the file's order. A command that gets it
// ends with the status for wrong arguments, files and settings.
type Problems []Problem

// Error is one line for each problem, ten lines at most.
func (p Problems) Error() string {
	lines := make([]string, 0, maxProblems)
	for i, problem := range p {
		if i == maxProblems-1 && len(p) > maxProblems {
			lines = append(lines, fmt.Sprintf("%s: and %d more", problem.File, len(p)-i))
			break
		}
		lines = append(lines, problem.Error())
	}
	return strings.Join(lines, "\n")
}

// ReadYAML reads a YAML file strictly: one document, a mapping, with nothing in it that read does not
// take. It hands the top of the document to read, which takes the values and reports what it does not
// like by Fail. The file's name is for messages only. The error, if any, is of type Problems.
func ReadYAML(file string, src []byte, read func(top Node)) error {
	f := &yamlFile{name: file}
	if body, ok := f.parse(src); ok {
		read(Node{file: f, line: 1, value: body})
	}
	if len(f.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(f.problems, func(a, b Problem) int { return a.Line - b.Line })
	return f.problems
}

// yamlFile collects what is wrong with one file.
type yamlFile struct {
	name     string
	problems Problems
}

func (f *yamlFile) fail(line int, field, text string) {
	f.problems = append(f.problems, Problem{File: f.name, Line: line, Field: field, Text: text})
}

// parse is the body of the file's only document; nil where the file is empty.
func (f *yamlFile) parse(src []byte) (body ast.Node, ok bool) {
	if len(src) > MaxFileBytes {
		f.fail(0, "", fmt.Sprintf("larger than %d KiB", MaxFileBytes>>10))
		return nil, false
	}
	// A file that the parser chokes on is the file's fault as far as its author is concerned.
	defer func() {
		if recover() != nil {
			f.fail(0, "", "not valid YAML")
			body, ok = nil, false
		}
	}()
	text := strings.ToValidUTF8(strings.TrimPrefix(string(src), "\ufeff"), "\ufffd")
	if line := tooDeep(text); line > 0 {
		f.fail(line, "", fmt.Sprintf("not valid YAML: more than %d open brackets", maxDepth))
		return nil, false
	}
	parsed, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey()) // Each reports them
	if err != nil {
		f.syntax(err)
		return nil, false
	}
	for _, doc := range parsed.Docs {
		switch doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
			continue
		case *ast.DirectiveNode:
			f.fail(nodeLine(doc.Body, 1), "", "takes no YAML directive (a line that begins with %)")
			return nil, false
		}
		if body != nil {
			f.fail(nodeLine(doc.Body, 1), "", "takes one YAML document, found another after ---")
			return nil, false
		}
		body = doc.Body
	}
	return body, true
}

// syntax reports what the parser says.
func (f *yamlFile) syntax(err error) {
	line, message := 0, ""
	if at, ok := errors.AsType[yaml.Error](err); ok {
		message = oneLine(at.GetMessage())
		if token := at.GetToken(); token != nil && token.Position != nil {
			line = token.Position.Line
		}
	}
	switch {
	case strings.Contains(message, `character ' '`):
		f.fail(line, "", "not valid YAML: takes spaces, not tabs, at the beginning of a line")
	case message == "":
		f.fail(line, "", "not valid YAML")
	default:
		f.fail(line, "", "not valid YAML: "+message)
	}
}

// tooDeep is the line on which more brackets are open than any file needs, or 0.
func tooDeep(text string) int {
	depth, line := 0, 0
	for s := range strings.Lines(text) {
		line++
		if strings.HasPrefix(strings.TrimSpace(s), "#") {
			continue
		}
		for i := range len(s) {
			switch s[i] {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			if depth > maxDepth {
				return line
			}
		}
	}
	return 0
}

// nodeLine is the line on which a node begins.
func nodeLine(n ast.Node, otherwise int) int {
	if n == nil {
		return otherwise
	}
	// A mapping's own token is the colon of its first entry.
	if token := n.GetToken(); token != nil && token.Position != nil {
		return token.Position.Line
	}
	return otherwise
}

// Node is one value in a YAML file that is read by [ReadYAML].
type Node struct {
	file  *yamlFile
	path  string
	line  int
	value ast.Node
}

// Fail reports that the value is wrong. The text says what is wrong and what the field takes.
func (n Node) Fail(format string, args ...any) {
	n.file.fail(n.line, n.path, fmt.Sprintf(format, args...))
}

// Missing reports that a field which must be there is not.
func (n Node) Missing(field, takes string) {
	n.file.fail(n.line, join(n.path, field), "missing; takes "+takes)
}

// FailFor reports a problem of a field, at the line of this one.
func (n Node) FailFor(field, text string) { n.file.fail(n.line, field, text) }

// Scalar is the text of a value that is neither a list nor a mapping.
func (n Node) Scalar() (string, bool) { return scalar(n.value) }

// Empty says whether the field has no value.
func (n Node) Empty() bool { return n.value == nil }

// Problems counts what was found wrong with the file so far.
func (n Node) Problems() int { return len(n.file.problems) }

// Each hands every entry of a mapping to take, in the file's order. It reports whether the value is a
// mapping; if not, the problem is reported with what the field takes. An empty file is an empty mapping.
func (n Node) Each(takes string, take func(key string, value Node)) bool {
	if n.value == nil {
		return true
	}
	mapping, ok := n.value.(*ast.MappingNode)
	if !ok {
		n.Fail("is %s; takes %s", kind(n.value), takes)
		return false
	}
	first := make(map[string]int, len(mapping.Values)) // field → its line
	for _, entry := range mapping.Values {
		key, ok := scalar(entry.Key)
		line := nodeLine(entry.Key, n.line)
		if !ok {
			n.file.fail(line, n.path, "takes plain words as field names, no anchors, aliases, merges or tags")
			continue
		}
		value := Node{file: n.file, path: join(n.path, safe(key)), line: line, value: entry.Value}
		if at, twice := first[key]; twice {
			value.Fail("is given twice, first on line %d", at)
			continue
		}
		first[key] = line
		take(key, value)
	}
	return true
}

// Fields hands every entry of a mapping to the function of its name. A name that is not there is
// reported as unknown, with the Nearest one that is; one that is listed as later, as not supported yet.
// Like Each it reports whether the value is a mapping.
func (n Node) Fields(known map[string]func(Node), later ...string) bool {
	names := slices.Sorted(maps.Keys(known))
	return n.Each("fields: "+strings.Join(names, ", "), func(key string, value Node) {
		read, ok := known[key]
		switch {
		case ok:
			read(value)
		case slices.Contains(later, key):
			value.Fail("is not supported yet")
		default:
			value.Unknown(names...)
		}
	})
}

// Unknown reports that the value's own name is not one that is known here.
func (n Node) Unknown(known ...string) {
	key := n.path[strings.LastIndexByte(n.path, '.')+1:]
	if near := Nearest(key, known); near != "" {
		n.Fail("unknown field; did you mean %s?", near)
		return
	}
	n.Fail("unknown field; takes %s", strings.Join(known, ", "))
}

// List is the elements of a sequence; a single plain value counts as a sequence of one. The second
// result is false where the value is something else, which is reported.
func (n Node) List(takes string) ([]Node, bool) {
	sequence, ok := n.value.(*ast.SequenceNode)
	if !ok {
		if _, plain := scalar(n.value); plain {
			return []Node{n}, true
		}
		n.Fail("is %s; takes %s", kind(n.value), takes)
		return nil, false
	}
	nodes := make([]Node, 0, len(sequence.Values))
	for i, value := range sequence.Values {
		nodes = append(nodes, Node{
			file: n.file, path: n.path + "[" + strconv.Itoa(i+1) + "]", line: nodeLine(value, n.line), value: value,
		})
	}
	return nodes, true
}

// Text is a plain value as it is written in the file, quotes aside. The second result is false where
// there is none, which is reported.
func (n Node) Text(takes string) (string, bool) {
	text, ok := scalar(n.value)
	if !ok || text == "" {
		n.Fail("is %s; takes %s", kind(n.value), takes)
		return "", false
	}
	return text, true
}

// Bool is true or false. The second result is false where it is neither, which is reported.
func (n Node) Bool() (value, ok bool) {
	b, ok := n.value.(*ast.BoolNode)
	if !ok {
		n.Bad("true or false")
		return false, false
	}
	return b.Value, true
}

// Int is a whole number between low and high. The second result is false where it is not, which is
// reported.
func (n Node) Int(low, high int) (int, bool) {
	takes := fmt.Sprintf("a whole number from %d to %d", low, high)
	text, ok := n.Text(takes)
	if !ok {
		return 0, false
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < low || v > high {
		n.Bad(takes)
		return 0, false
	}
	return v, true
}

// Duration is a duration between low and high, as [ParseDuration] reads it. The second result is false
// where it is not, which is reported.
func (n Node) Duration(low, high time.Duration) (time.Duration, bool) {
	return n.DurationOr(low, high, "")
}

// DurationOr is Duration for a field that takes something else, too, which or says.
func (n Node) DurationOr(low, high time.Duration, or string) (time.Duration, bool) {
	takes := fmt.Sprintf("a duration from %s to %s, such as 20s, 15m, 4h or 2d%s", campaign.FormatDuration(low), campaign.FormatDuration(high), or)
	text, ok := n.Text(takes)
	if !ok {
		return 0, false
	}
	d, err := campaign.ParseDuration(text)
	if err != nil || d < low || d > high {
		n.Bad(takes)
		return 0, false
	}
	return d, true
}

// Bad reports a value that is not what the field takes.
func (n Node) Bad(takes string) {
	if text, ok := scalar(n.value); ok && text != "" {
		n.Fail("is %s; takes %s", Quote(text), takes)
		return
	}
	n.Fail("is %s; takes %s", kind(n.value), takes)
}

// Quote is a value as an error may repeat it: on one line, bounded, and with all but the last four
// digits of anything that looks like a phone number hidden.
func Quote(text string) string {
	digits := 0
	for _, r := range text {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	// A time or a date has digits too, but letters or colons between them.
	if digits >= 7 && strings.Trim(text, "0123456789+-. ()/") == "" && !isDate(text) {
		return strconv.Quote(campaign.Mask(text))
	}
	runes := []rune(text)
	if len(runes) > maxQuoted {
		return strconv.Quote(string(runes[:maxQuoted]) + "…")
	}
	return strconv.Quote(text)
}

// isDate reports whether a text begins as a date does: 2026-12-25.
func isDate(text string) bool {
	return len(text) == len(time.DateOnly) && text[4] == '-' && text[7] == '-'
}

// scalar is the text of a plain value; false for anything else.
func scalar(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		if v.Value == nil {
			return "", false
		}
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return v.GetToken().Value, true
	}
	return "", false
}

// kind names what a value is, for an error.
func kind(n ast.Node) string {
	if text, ok := scalar(n); ok && text == "" {
		return "empty"
	}
	switch n.(type) {
	case nil, *ast.NullNode:
		return "empty"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias"
	case *ast.TagNode:
		return "a tag"
	}
	return "a plain value"
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

// safe is a field's name as an error may repeat it.
func safe(key string) string {
	quoted := Quote(key)
	if plain := quoted[1 : len(quoted)-1]; plain == key && key != "" {
		return key
	}
	return quoted
}

// oneLine keeps a parser's message on one line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Nearest is the known name that a wrong one was probably meant to be, or "".
func Nearest(name string, known []string) string {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	best, least := "", max(2, len(name)/3)+1
	for _, k := range known {
		d := distance(name, k)
		if len(name) > 2 && strings.HasPrefix(k, name) {
			d = min(d, 1) // cut off, such as jwt for jwt_env
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is how many characters must be added, removed, changed or swapped with their neighbour to
// turn a into b.
func distance(a, b string) int {
	if len(a) > 2*maxQuoted {
		return len(a)
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
