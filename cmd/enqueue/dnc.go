package main

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/contactlist"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

func newDNC() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dnc",
		Short: "Keep the do-not-call list",
		Long: "Keep the do-not-call list. It holds for all campaigns and is looked at again right before each call, so a number\n" +
			"added now is not dialled from now on.",
		RunE: cli.Group,
	}
	cmd.AddCommand(newDNCAdd(), newDNCRemove(), newDNCImport(), newDNCList())
	return cmd
}

// onLedger opens the ledger for a command and closes it after. Wishes whose time is over end first.
func onLedger(run func(cmd *cobra.Command, l *ledger.Ledger, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		rdb, err := cli.Redis(cmd.Context())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rdb.Close()) }()
		l := ledger.New(rdb)
		if _, err := l.DNCEnd(cmd.Context()); err != nil {
			return err
		}
		return run(cmd, l, args)
	}
}

// wish is what the flags say of numbers that are not to be called.
type wish struct{ reason, source, expires string }

func (w *wish) flags(cmd *cobra.Command, source string) {
	cmd.Flags().StringVar(&w.reason, "reason", "", "why, for those who read the list")
	cmd.Flags().StringVar(&w.source, "source", "", "who or what said so"+source)
	cmd.Flags().StringVar(&w.expires, "expires", "", "until when: a date such as 2027-01-31, or a time from now such as 90d (default: for ever)")
}

// entry is an entry without its number.
func (w wish) entry(now time.Time) (ledger.DNCEntry, error) {
	e := ledger.DNCEntry{Reason: w.reason, Source: w.source}
	if w.expires == "" {
		return e, nil
	}
	at, ok := instantOf(w.expires)
	if d, err := campaign.ParseDuration(w.expires); !ok && err == nil {
		at, ok = now.Add(d), true
	}
	if !ok || !at.After(now) {
		return e, cli.Usage(fmt.Errorf("--expires %q: takes a time to come: a date such as 2027-01-31, or a time from now such as 90d", w.expires))
	}
	e.Expires = at
	return e, nil
}

// instantOf reads a date, which lasts to its end in UTC, or an instant.
func instantOf(text string) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, true
	}
	at, err := time.Parse(time.DateOnly, text)
	return at.AddDate(0, 0, 1), err == nil
}

func newDNCAdd() *cobra.Command {
	var (
		region string
		w      wish
	)
	cmd := &cobra.Command{
		Use: "add NUMBER...", Short: "Never call these numbers", Args: cobra.MinimumNArgs(1),
		Example: "  enqueue dnc add \"+16505550123\" --reason \"asked on the phone\" --source support",
		RunE: func(cmd *cobra.Command, args []string) error {
			numbers, err := parseNumbers(args, region)
			if err != nil {
				return err
			}
			entry, err := w.entry(time.Now())
			if err != nil {
				return err
			}
			return onLedger(func(cmd *cobra.Command, l *ledger.Ledger, _ []string) error {
				entries := make([]ledger.DNCEntry, len(numbers))
				for i, n := range numbers {
					entries[i] = entry
					entries[i].Number = n
				}
				n, err := l.DNCPut(cmd.Context(), entries...)
				fmt.Fprintf(cmd.ErrOrStderr(), "%d added, %d were on the list already\n", n, len(numbers)-n)
				return err
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&region, "region", "US", "country of numbers written without +")
	w.flags(cmd, "")
	return cmd
}

func newDNCRemove() *cobra.Command {
	var region string
	cmd := &cobra.Command{
		Use: "remove NUMBER...", Short: "Allow these numbers again", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			numbers, err := parseNumbers(args, region)
			if err != nil {
				return err
			}
			return onLedger(func(cmd *cobra.Command, l *ledger.Ledger, _ []string) error {
				n, err := l.DNCRemove(cmd.Context(), numbers...)
				fmt.Fprintf(cmd.ErrOrStderr(), "%d removed, %d were not on the list\n", n, len(numbers)-n)
				return err
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&region, "region", "US", "country of numbers written without +")
	return cmd
}

func parseNumbers(args []string, region string) ([]string, error) {
	numbers := make([]string, 0, len(args))
	for i, a := range args {
		n, err := contactlist.Number(a, region)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("number %d of %d: %w; nothing was changed", i+1, len(args), err))
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

func newDNCList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "Print the list as CSV, which import reads", Args: cobra.NoArgs,
		RunE: onLedger(func(cmd *cobra.Command, l *ledger.Ledger, _ []string) error {
			if asJSON {
				entries := []ledger.DNCEntry{}
				if err := l.DNCEach(cmd.Context(), func(e ledger.DNCEntry) error { entries = append(entries, e); return nil }); err != nil {
					return err
				}
				return cli.JSON(cmd.OutOrStdout(), entries)
			}
			w := csv.NewWriter(cmd.OutOrStdout())
			at := func(t time.Time) string {
				if t.IsZero() {
					return ""
				}
				return t.UTC().Format(time.RFC3339)
			}
			if err := w.Write(dncColumns); err != nil {
				return fmt.Errorf("write the list: %w", err)
			}
			err := l.DNCEach(cmd.Context(), func(e ledger.DNCEntry) error {
				return w.Write([]string{e.Number, cli.PlainText(e.Reason), cli.PlainText(e.Source), at(e.AddedAt), at(e.Expires)})
			})
			w.Flush()
			return errors.Join(err, w.Error())
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// dncColumns is the header of what `dnc list` prints.
var dncColumns = []string{"number", "reason", "source", "added_at", "expires_at"}

type dncImport struct {
	region, numbers, encoding, sheet string
	columns                          []string
	wish
	json bool
}

func newDNCImport() *cobra.Command {
	var f dncImport
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Add all numbers of a list: CSV or XLSX as for calls, one number a line, or the US national file",
		Long: "Add all numbers of a list: CSV or XLSX as for calls, one number a line, the US national file (area code and number in\n" +
			"two columns), or what `dnc list` has printed. All phones of a row are added. What cannot be read is said line by\n" +
			"line, and is not on the list: the exit status is 1 then, or 2 if nothing could be read.",
		Args:    cobra.ExactArgs(1),
		Example: "  enqueue dnc import opted-out.csv --region DE --source crm\n  enqueue dnc import national.txt --expires 31d",
		PreRunE: func(_ *cobra.Command, args []string) error { return readable("do-not-call list", args[0]) },
		RunE: func(cmd *cobra.Command, args []string) error {
			entry, err := f.entry(time.Now())
			if err != nil {
				return err
			}
			list, err := f.open(args[0])
			if err != nil {
				return err
			}
			defer list.close()
			return onLedger(func(cmd *cobra.Command, l *ledger.Ledger, _ []string) error {
				return f.run(cmd, l, list, entry)
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&f.region, "region", "", "country of numbers written without +, such as US")
	cmd.Flags().StringArrayVar(&f.columns, "column", nil, "which column has the numbers: phone=HEADER (may be repeated)")
	cmd.Flags().StringVar(&f.numbers, "numbers", "", "how digits without + are meant that can be read both ways: national or international")
	cmd.Flags().StringVar(&f.encoding, "encoding", "", "the text's encoding, such as windows-1250 (default: found out)")
	cmd.Flags().StringVar(&f.sheet, "sheet", "", "sheet of an Excel workbook (default: the only one with rows)")
	f.flags(cmd, " (default: the file's name)")
	cmd.Flags().BoolVar(&f.json, "json", false, "print what was added as JSON")
	return cmd
}

// dncList is a list of numbers that are not to be called.
type dncList struct {
	*contactlist.Reader
	name  string
	file  *os.File
	own   map[string]int // columns of what `dnc list` has printed
	asked bool           // the country of numbers without + is known
}

func (d *dncList) close() {
	_ = d.Close() // only read
	_ = d.file.Close()
}

func (f dncImport) open(name string) (*dncList, error) {
	columns, err := parseColumns(f.columns)
	if err != nil {
		return nil, err
	}
	h, err := openFile("do-not-call list", name)
	if err != nil {
		return nil, err
	}
	var in io.Reader = h
	isNational := false
	if info, err := h.Stat(); err == nil && info.Mode().IsRegular() && len(columns) == 0 && f.sheet == "" && f.encoding == "" &&
		(f.region == "" || strings.EqualFold(f.region, "US")) {
		if in, isNational = national(bufio.NewReaderSize(h, 64<<10)); !isNational {
			if _, err := h.Seek(0, io.SeekStart); err != nil {
				return nil, errors.Join(cli.Usage(fmt.Errorf("do-not-call list: %w", err)), h.Close())
			}
			in = h
		}
	}
	list, err := contactlist.Open(in, contactlist.Options{
		Region: f.region, Columns: columns, Numbers: f.numbers, Encoding: f.encoding, Sheet: f.sheet, DoNotCall: true, Name: name,
		IDKey: []byte("ids are not used here"),
	})
	if err != nil {
		return nil, errors.Join(cli.Usage(err), h.Close())
	}
	d := &dncList{Reader: list, name: name, file: h, asked: f.region != "" || isNational}
	header := list.Header()
	if len(header) >= len(dncColumns) && slices.Equal(header[:len(dncColumns)], dncColumns) {
		d.own = map[string]int{}
		for i, column := range dncColumns {
			d.own[column] = i
		}
	}
	d.asked = d.asked || slices.ContainsFunc(list.Mapping(), func(m contactlist.Mapped) bool { return m.Role == contactlist.Country })
	return d, nil
}

var withPlus = regexp.MustCompile(`^[^0-9A-Za-z]*(\+|00)`)

// country refuses a number without + if nobody has said whose it is.
func (d *dncList) country(line int, cells []string) error {
	if d.asked {
		return nil
	}
	for _, m := range d.Mapping() {
		if m.Role != contactlist.Phone || m.Index >= len(cells) {
			continue
		}
		if cell := strings.TrimSpace(cells[m.Index]); cell != "" && !withPlus.MatchString(cell) {
			return cli.Usage(fmt.Errorf("%s: line %d: %s is written without + and country code: say of which country such numbers are, for example with --region US",
				d.name, line, m.Header))
		}
	}
	return nil
}

// entry fills in what a list that `dnc list` has printed says of a number.
func (d *dncList) entry(e ledger.DNCEntry, cells []string) ledger.DNCEntry {
	if d.own == nil || len(cells) < len(dncColumns) {
		return e
	}
	e.Reason = cmp.Or(e.Reason, cells[d.own["reason"]])
	e.Source = cmp.Or(e.Source, cells[d.own["source"]])
	if at, err := time.Parse(time.RFC3339, cells[d.own["added_at"]]); err == nil {
		e.AddedAt = at
	}
	if at, err := time.Parse(time.RFC3339, cells[d.own["expires_at"]]); err == nil {
		e.Expires = at
	}
	return e
}

// unread is a part of a list that is not on the do-not-call list.
type unread struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// run adds every number of a list. What cannot be read is said after the others have been added: nobody who asked not to be
// called is lost in silence.
func (f dncImport) run(cmd *cobra.Command, l *ledger.Ledger, list *dncList, entry ledger.DNCEntry) error {
	if entry.Source == "" && list.own == nil {
		entry.Source = list.name
	}
	var (
		added, total int
		bad          = []unread{}
		batch        []ledger.DNCEntry
	)
	flush := func() error {
		n, err := l.DNCPut(cmd.Context(), batch...)
		added += n
		batch = batch[:0]
		return err
	}
	for {
		c, err := list.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if row, ok := errors.AsType[*contactlist.RejectedRow](err); ok {
			if err := list.country(row.Line, row.Record); err != nil && total == 0 {
				return err
			}
			bad = append(bad, unread{row.Line, row.Reason})
			continue
		}
		if err != nil {
			return err
		}
		if err := list.country(c.Row, c.Values); err != nil {
			if total > 0 {
				bad = append(bad, unread{c.Row, "written without + and country code: say of which country with --region"})
				continue
			}
			return err
		}
		if why := list.Unread(); why != "" {
			bad = append(bad, unread{c.Row, why})
		}
		total += len(c.Numbers)
		for _, n := range c.Numbers {
			e := list.entry(entry, c.Values)
			e.Number = n
			batch = append(batch, e)
		}
		if len(batch) >= 1000 {
			if err := flush(); err != nil {
				return fmt.Errorf("%w; %d were added before that: run the same command again to go on", err, added)
			}
		}
	}
	if err := flush(); err != nil {
		return fmt.Errorf("%w; %d were added before that: run the same command again to go on", err, added)
	}
	if f.json {
		if err := cli.JSON(cmd.OutOrStdout(), map[string]any{"added": added, "known": total - added, "unread": bad}); err != nil {
			return err
		}
	} else {
		w := cli.Plain(cmd.ErrOrStderr())
		for _, b := range bad {
			fmt.Fprintf(w, "line %d: %s\n", b.Line, b.Reason)
		}
		fmt.Fprintf(w, "%d added, %d were on the list already\n", added, total-added)
	}
	switch {
	case len(bad) > 0 && total == 0:
		return cli.Usage(fmt.Errorf("%s: nothing of it could be read as a number, and NOTHING of it is on the list", list.name))
	case len(bad) > 0:
		return fmt.Errorf("%s: %d lines have numbers that could not be read and are NOT on the list, the first is line %d", list.name, len(bad), bad[0].Line)
	}
	return nil
}
