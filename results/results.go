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
	"github.com/ringqueue/ringqueue/ledger"
)

// Format is how results are written.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	JSON Format = "json" // one array of objects
)

// Options say what to write.
type Options struct {
	Format   Format
	Attempts bool // one row per attempt instead of per contact
}

// The contract's columns, before the list's own.
var (
	contactColumns = []string{
		"contact_id", "row", "number", "name", "outcome", "attempts", "last_attempt_at", "line", "duration_s", "ringout_id",
	}
	attemptColumns = []string{"attempt", "charged", "detail"}
)

// Write writes the results of a campaign; an unknown one is ledger.ErrNoCampaign.
func Write(ctx context.Context, l *ledger.Ledger, name string, w io.Writer, o Options) error {
	if _, err := l.Campaign(ctx, name); err != nil {
		return err
	}
	headers, err := l.Headers(ctx, name)
	if err != nil {
		return err
	}
	columns := slices.Clone(contactColumns)
	if o.Attempts {
		columns = append(columns, attemptColumns...)
	}
	lists, columns := placeOwn(columns, headers)
	buffered := bufio.NewWriter(w)
	out := newEncoder(o.Format, buffered, columns)
	if err := l.Each(ctx, name, func(r ledger.Record) error {
		if !o.Attempts {
			a := last(r.Attempts)
			return out.row(row(columns, lists, r, a, r.Outcome, len(r.Attempts)))
		}
		for i, a := range r.Attempts {
			cells := row(columns, lists, r, a, a.Outcome, i+1)
			at := len(contactColumns)
			cells[at], cells[at+1], cells[at+2] = a.N, a.Charged, a.Detail
			if err := out.row(cells); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return errors.Join(out.close(), buffered.Flush())
}

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
	close() error
}

func newEncoder(f Format, w *bufio.Writer, columns []string) encoder {
	if f == JSON {
		return &jsonEncoder{w: w, columns: columns}
	}
	return newCSV(w, columns)
}

type csvEncoder struct {
	w   *csv.Writer
	err error
}

func newCSV(w io.Writer, columns []string) *csvEncoder {
	e := &csvEncoder{w: csv.NewWriter(w)}
	e.err = e.w.Write(columns)
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
			texts[i] = c
		case int:
			texts[i] = strconv.Itoa(c)
		case bool:
			texts[i] = strconv.FormatBool(c)
		}
	}
	return e.w.Write(texts)
}

func (e *csvEncoder) close() error {
	e.w.Flush()
	return errors.Join(e.err, e.w.Error())
}

// jsonEncoder writes objects whose keys are in the columns' order.
type jsonEncoder struct {
	w       *bufio.Writer
	columns []string
	rows    int
}

func (e *jsonEncoder) row(cells []any) error {
	var b bytes.Buffer
	if e.rows == 0 {
		b.WriteString("[\n")
	} else {
		b.WriteString(",\n")
	}
	e.rows++
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

func (e *jsonEncoder) close() error {
	text := "\n]\n"
	if e.rows == 0 {
		text = "[]\n"
	}
	_, err := e.w.WriteString(text)
	return err
}
