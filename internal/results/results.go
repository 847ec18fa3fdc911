// Package results writes a campaign's results, one row per contact or per attempt, a page of contacts at a time.
package results

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// Format is how results are written.
type Format string

// The formats.
const (
	CSV   Format = "csv"
	JSON  Format = "json"  // one array of objects
	Lines Format = "jsonl" // one object per line
)

// Formats lists all formats.
func Formats() []Format { return []Format{CSV, JSON, Lines} }

// Options say what to write.
type Options struct {
	Format   Format
	Attempts bool               // one row per attempt instead of per contact
	Outcomes []campaign.Outcome // only rows with one of these; none: all
	Masked   bool               // numbers without all but their last digits, and no columns of the list
	Since    time.Time          // only rows whose (last) attempt ended then or later; zero: all
}

// wants says whether a row is wanted that has this outcome and whose attempt ended at this instant, zero for none.
func (o Options) wants(outcome campaign.Outcome, ended time.Time) bool {
	return (len(o.Outcomes) == 0 || slices.Contains(o.Outcomes, outcome)) && (o.Since.IsZero() || !ended.Before(o.Since) && !ended.IsZero())
}

// The contract's columns, before the list's own.
var (
	contactColumns = []string{
		"contact_id", "row", "number", "name", "outcome", "attempts", "last_attempt_at", "line", "duration_s", "ringout_id",
	}
	attemptColumns = []string{"attempt", "charged", "detail"}
)

// Write writes the results of a campaign, in the order of their import; an unknown one is ledger.ErrNoCampaign.
func Write(ctx context.Context, l *ledger.Ledger, name string, w io.Writer, o Options) error {
	out, err := newWriter(ctx, l, name, w, o)
	if err != nil {
		return err
	}
	if err := l.Each(ctx, name, out.contact); err != nil {
		return err
	}
	return out.close()
}

// writer writes rows of one campaign.
type writer struct {
	Options
	columns  []string
	lists    [][]int
	buffered *bufio.Writer
	encoder  encoder
}

func newWriter(ctx context.Context, l *ledger.Ledger, name string, w io.Writer, o Options) (*writer, error) {
	if _, err := l.Campaign(ctx, name); err != nil {
		return nil, err
	}
	headers, err := l.Headers(ctx, name)
	if err != nil {
		return nil, err
	}
	if o.Masked {
		headers = nil
	}
	columns := slices.Clone(contactColumns)
	if o.Attempts {
		columns = append(columns, attemptColumns...)
	}
	out := &writer{Options: o, buffered: bufio.NewWriter(w)}
	out.lists, out.columns = placeOwn(columns, headers)
	out.encoder = newEncoder(o.Format, out.buffered, out.columns)
	return out, nil
}

// contact writes the rows of a contact.
func (w *writer) contact(r ledger.Record) error {
	if !w.Attempts {
		a := last(r.Attempts)
		if !w.wants(r.Outcome, a.EndedAt) {
			return nil
		}
		return w.encoder.row(w.masked(row(w.columns, w.lists, r, a, r.Outcome, len(r.Attempts))))
	}
	for i := range r.Attempts {
		if err := w.attempt(r, i); err != nil {
			return err
		}
	}
	return nil
}

// attempt writes the row of one of a contact's attempts, counted from 0.
func (w *writer) attempt(r ledger.Record, i int) error {
	a := r.Attempts[i]
	if !w.wants(a.Outcome, a.EndedAt) {
		return nil
	}
	cells := row(w.columns, w.lists, r, a, a.Outcome, i+1)
	at := len(contactColumns)
	cells[at], cells[at+1], cells[at+2] = a.N, a.Charged, a.Detail
	return w.encoder.row(w.masked(cells))
}

// masked hides a row's number where it is to be hidden.
func (w *writer) masked(cells []any) []any {
	const number = 2 // its column
	if text, ok := cells[number].(string); ok && w.Masked {
		cells[number] = campaign.Mask(text)
	}
	return cells
}

// flush lets a reader see what was written.
func (w *writer) flush() error { return errors.Join(w.encoder.flush(), w.buffered.Flush()) }

func (w *writer) close() error { return errors.Join(w.encoder.close(), w.buffered.Flush()) }

// placeOwn says where each cell of each imported list goes: after our columns, lists with equal headers side by side. A
// header that is one of ours gets "list_" in front, and one that a list has twice gets "_2" behind it the second time:
// every column has a name of its own, since an object in JSON has one value a key.
func placeOwn(columns []string, headers [][]string) (lists [][]int, all []string) {
	at := make(map[string]int, len(columns))
	for i, c := range columns {
		at[c] = i
	}
	ours := len(columns)
	all = columns
	for _, header := range headers {
		places := make([]int, len(header))
		used := map[string]bool{}
		for i, h := range header {
			if place, ok := at[h]; ok && place < ours {
				h = "list_" + h
			}
			name := h
			for n := 2; used[name]; n++ {
				name = h + "_" + strconv.Itoa(n)
			}
			used[name] = true
			if _, ok := at[name]; !ok {
				at[name] = len(all)
				all = append(all, name)
			}
			places[i] = at[name]
		}
		lists = append(lists, places)
	}
	return lists, all
}

func row(columns []string, lists [][]int, r ledger.Record, a campaign.Attempt, outcome campaign.Outcome, attempts int) []any {
	cells := make([]any, len(columns))
	for i := range cells {
		cells[i] = ""
	}
	at := ""
	if !a.ClaimedAt.IsZero() {
		at = a.ClaimedAt.UTC().Format(time.RFC3339)
	}
	copy(cells, []any{
		r.Contact.ID, r.Contact.Row, r.Contact.Number(), r.Contact.Name, string(outcome), attempts, at, a.Line,
		int(a.Duration().Round(time.Second) / time.Second), a.RingOutID,
	})
	if r.Contact.List < len(lists) {
		places := lists[r.Contact.List]
		for i, value := range r.Contact.Values {
			if i < len(places) {
				cells[places[i]] = value
			}
		}
	}
	return cells
}

func last(attempts []campaign.Attempt) campaign.Attempt {
	if len(attempts) == 0 {
		return campaign.Attempt{}
	}
	return attempts[len(attempts)-1]
}

type encoder interface {
	row(cells []any) error
	flush() error
	close() error
}

func newEncoder(f Format, w *bufio.Writer, columns []string) encoder {
	switch f {
	case JSON:
		return &jsonEncoder{w: w, columns: columns, begin: "[\n", between: ",\n", end: "\n]\n", none: "[]\n"}
	case Lines:
		return &jsonEncoder{w: w, columns: columns, between: "\n", end: "\n"}
	}
	return newCSV(w, columns)
}

type csvEncoder struct {
	w   *csv.Writer
	err error
}

func newCSV(w io.Writer, columns []string) *csvEncoder {
	e := &csvEncoder{w: csv.NewWriter(w)}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = noFormula(c)
	}
	e.err = e.w.Write(names)
	return e
}

func (e *csvEncoder) row(cells []any) error {
	if e.err != nil {
		return e.err
	}
	texts := make([]string, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case string:
			texts[i] = noFormula(c)
		case int:
			texts[i] = strconv.Itoa(c)
		case bool:
			texts[i] = strconv.FormatBool(c)
		}
	}
	return e.w.Write(texts)
}

func (e *csvEncoder) flush() error {
	e.w.Flush()
	return errors.Join(e.err, e.w.Error())
}

func (e *csvEncoder) close() error { return e.flush() }

// jsonEncoder writes objects whose keys are in the columns' order.
type jsonEncoder struct {
	w       *bufio.Writer
	columns []string
	rows    int
	flushed bool // the last line is complete

	begin, between, end, none string // what stands around the objects, and in place of them
}

func (e *jsonEncoder) row(cells []any) error {
	var b bytes.Buffer
	if e.rows == 0 {
		b.WriteString(e.begin)
	} else if !e.flushed {
		b.WriteString(e.between)
	}
	e.rows++
	e.flushed = false
	b.WriteByte('{')
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // an ampersand in a name is no HTML
	put := func(v any) error {
		err := enc.Encode(v)
		b.Truncate(b.Len() - 1) // the encoder's line end
		return err
	}
	for i, c := range cells {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := put(e.columns[i]); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
		b.WriteString(": ")
		if err := put(c); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	b.WriteByte('}')
	_, err := e.w.Write(b.Bytes())
	return err
}

// flush ends a line of JSON Lines; an array cannot be read before its end.
func (e *jsonEncoder) flush() error {
	if e.rows == 0 || e.flushed || e.begin != "" {
		return nil
	}
	e.flushed = true
	_, err := e.w.WriteString(e.end)
	return err
}

func (e *jsonEncoder) close() error {
	text := e.end
	switch {
	case e.rows == 0:
		text = e.none
	case e.flushed:
		return nil
	}
	_, err := e.w.WriteString(text)
	return err
}
