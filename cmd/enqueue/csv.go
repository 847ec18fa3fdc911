package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/campaign/campaignfile"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/contactlist"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/tasks"
)

type csvFlags struct {
	campaign, rejects    string
	numbers, encoding    string
	sheet                string
	columns              []string
	known                string
	dryRun, update, json bool
	reopen, remove       bool
}

func newCSV() *cobra.Command {
	var f csvFlags
	cmd := &cobra.Command{
		Use:   "csv FILE...",
		Short: "Import call lists into a campaign",
		Long: "Import call lists into a campaign, which is created if it is not there. Rows that cannot be called land in the\n" +
			"rejects file with line number and reason; the rest goes on. Importing the same list again calls nobody twice,\n" +
			"and goes on where an interrupted import stopped. FILE may be - for standard input.\n\n" +
			"A list that lives is imported with --known update: contacts are found by their id, and what has changed about them is\n" +
			"taken over. Attempts stay; a new number is looked up in the do-not-call list; who is being called changes after that.\n" +
			"Who is done stays done unless --reopen is given, and with it if the row is as it was.",
		Example: "  enqueue csv contacts.csv --campaign renewals.yaml --dry-run\n  enqueue csv contacts.csv --campaign renewals.yaml\n" +
			"  enqueue csv export.csv --campaign renewals.yaml --column phone=Mobile\n" +
			"  enqueue csv today.csv --campaign renewals.yaml --known update --remove-missing --dry-run",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return importLists(cmd, args, f) },
	}
	cmd.Flags().StringVar(&f.campaign, "campaign", "", "campaign file (YAML)")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "import nothing, show what would be imported")
	cmd.Flags().StringVar(&f.rejects, "rejects", "", "file for rejected rows (default FILE.rejects.csv)")
	cmd.Flags().StringArrayVar(&f.columns, "column", nil, "which column is what: phone=HEADER, name=, id=, timezone=, country=, dnc=, ignore= (may be repeated)")
	cmd.Flags().StringVar(&f.numbers, "numbers", "", "how digits without + are meant that can be read both ways: national or international")
	cmd.Flags().StringVar(&f.encoding, "encoding", "", "the text's encoding, such as windows-1250 (default: found out)")
	cmd.Flags().StringVar(&f.sheet, "sheet", "", "sheet of an Excel workbook (default: the only one with rows)")
	cmd.Flags().StringVar(&f.known, "known", "skip", "contacts that are in the campaign already: skip them, or update what the list has changed")
	cmd.Flags().BoolVar(&f.remove, "remove-missing", false, "no longer call contacts of the campaign that are in none of these lists")
	cmd.Flags().BoolVar(&f.reopen, "reopen", false, "with --known update: call those again that are done and whose row has changed")
	cli.CompleteFlag(cmd, "known", "skip", "update")
	cmd.Flags().BoolVar(&f.update, "update", false, "replace the rules of a campaign that exists with other ones")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the summary as JSON")
	must(cmd.MarkFlagRequired("campaign"))
	return cmd
}

// options is how a list is to be read.
func (f csvFlags) options(region string, columns map[string]string, name string) contactlist.Options {
	return contactlist.Options{Region: region, Columns: columns, Numbers: f.numbers, Encoding: f.encoding, Sheet: f.sheet, Name: name}
}

// must is for calls that can only fail by a mistake in this program.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// summary is what --json prints.
type summary struct {
	Campaign string `json:"campaign"`
	DryRun   bool   `json:"dry_run"`
	Rows     int    `json:"rows"`
	tasks.Tally
	Rejected int                     `json:"rejected"`
	HashedID int                     `json:"hashed_id"` // of those read: the id is a hash of the number, since the row's own one cannot be used
	HeldBy   map[campaign.Reason]int `json:"held_by,omitempty"`
	Files    []fileSummary           `json:"files"`
}

type fileSummary struct {
	File    string            `json:"file"`
	Mapping map[string]string `json:"mapping"`
	Sample  []sampleContact   `json:"sample,omitempty"`
	Notes   []string          `json:"notes,omitempty"` // what was left out, and what to know
	Rejects string            `json:"rejects_file,omitempty"`
	Stale   bool              `json:"rejects_removed,omitempty"` // the file of an earlier import, which had rejects
}

type sampleContact struct {
	Row    int    `json:"row"`
	Name   string `json:"name"`
	Number string `json:"number"`
	Zone   string `json:"timezone"`
}

func readRules(file string) (campaign.Rules, error) {
	src, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return campaign.Rules{}, cli.Usage(fmt.Errorf("campaign file: %w", err))
	}
	rules, err := campaignfile.Parse(file, src)
	return rules, cli.Usage(err)
}

func importLists(cmd *cobra.Command, files []string, f csvFlags) (err error) {
	ctx := cmd.Context()
	rules, err := readRules(f.campaign)
	if err != nil {
		return err
	}
	if err := rules.CheckAt(time.Now()); err != nil {
		return cli.Usage(fmt.Errorf("%s: %w", f.campaign, err))
	}
	columns, err := parseColumns(f.columns)
	if err != nil {
		return err
	}
	if err := f.checkKnown(); err != nil {
		return err
	}
	if f.rejects != "" && len(files) > 1 {
		return cli.Usage(errors.New("--rejects takes one call list at a time; without it each list has a rejects file of its own"))
	}
	// Everything that can be wrong with arguments and files is said before anything is stored.
	for _, file := range files {
		if file == "-" {
			continue
		}
		if err := checkList(file, f.options(rules.Region, columns, file)); err != nil {
			return err
		}
	}
	rejects, err := f.rejectsFiles(files, rules.Name)
	if err != nil {
		return err
	}
	rdb, err := cli.Redis(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	led := ledger.New(rdb)
	producer := tasks.NewProducer(rdb)
	idKey, err := led.IDKey(ctx)
	if err != nil {
		return err
	}

	im := &importer{
		cmd: cmd, flags: f, rules: rules, ledger: led, producer: producer,
		options: f.options(rules.Region, columns, ""),
		summary: summary{Campaign: rules.Name, DryRun: f.dryRun, Files: []fileSummary{}},
		log:     zerolog.New(zerolog.ConsoleWriter{Out: cmd.ErrOrStderr(), NoColor: true, TimeFormat: time.TimeOnly}).With().Timestamp().Logger(),
	}
	im.options.IDKey = idKey
	im.again = tasks.Again{Update: f.known == knownUpdate, Reopen: f.reopen, SharedIDs: true}
	if f.remove {
		im.again.Listed = tasks.NewListed()
	}
	for i, file := range files {
		if err = im.file(ctx, file, rejects[i]); err != nil {
			break
		}
	}
	if err == nil && f.remove {
		err = im.removeMissing(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		if im.created {
			return fmt.Errorf("%w; %d contacts were imported before that and will be called: run the same command again to go on",
				cli.Explain(err), im.summary.Added+im.summary.Reopened)
		}
		return err
	}
	if f.json {
		return cli.JSON(cmd.OutOrStdout(), im.summary)
	}
	im.print(cmd.ErrOrStderr())
	if lines, err := line.List(ctx, rdb); err == nil && im.created &&
		!slices.ContainsFunc(lines, func(l line.Info) bool { return l.Team == rules.Team }) {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: no worker has published a line of team %q yet; the campaign waits for one\n", rules.Team)
	}
	return nil
}

// readable opens a file for a look at whether it can be read; what says what it is for people.
func readable(what, file string) error {
	h, err := openFile(what, file)
	if err != nil {
		return err
	}
	return h.Close()
}

func openFile(what, file string) (*os.File, error) {
	h, err := os.Open(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("%s: %w", what, err))
	}
	info, err := h.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder; give a file in it", file)
	}
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("%s: %w", what, errors.Join(err, h.Close())))
	}
	return h, nil
}

// checkList looks at the beginning of a list. A pipe can be read only once and is left alone.
func checkList(file string, o contactlist.Options) (err error) {
	h, err := openFile("call list", file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if info, err := h.Stat(); err != nil || !info.Mode().IsRegular() {
		return cli.Usage(err)
	}
	o.IDKey = []byte("ids are not used here")
	list, err := contactlist.Open(h, o)
	if err != nil {
		return cli.Usage(err)
	}
	return list.Close()
}

func parseColumns(list []string) (map[string]string, error) {
	columns := map[string]string{}
	for _, c := range list {
		role, header, ok := strings.Cut(c, "=")
		if !ok || role == "" || header == "" {
			return nil, cli.Usage(fmt.Errorf("--column %q: it takes ROLE=HEADER, for example phone=Mobile", c))
		}
		if before := columns[role]; before != "" {
			header = before + "\n" + header // several columns of one role, in this order
		}
		columns[role] = header
	}
	return columns, nil
}

type importer struct {
	cmd      *cobra.Command
	flags    csvFlags
	rules    campaign.Rules
	ledger   *ledger.Ledger
	producer *tasks.Producer
	options  contactlist.Options
	again    tasks.Again
	created  bool
	summary  summary
	log      zerolog.Logger
}

func (im *importer) file(ctx context.Context, name, rejects string) (err error) {
	var (
		in   = im.cmd.InOrStdin()
		size int64
	)
	if name != "-" {
		h, err := openFile("call list", name)
		if err != nil {
			return err
		}
		defer h.Close() //nolint:errcheck // only read
		if info, err := h.Stat(); err == nil {
			size = info.Size()
		}
		in = h
	}
	o := im.options
	o.Name = name
	list, err := contactlist.Open(in, o)
	if err != nil {
		return cli.Usage(err)
	}
	defer list.Close() //nolint:errcheck // only read
	fs := fileSummary{File: name, Mapping: map[string]string{}}
	for _, m := range list.Mapping() {
		key := string(m.Role)
		if have := fs.Mapping[key]; have != "" {
			fs.Mapping[key] = have + ", " + m.Header
		} else {
			fs.Mapping[key] = m.Header
		}
	}
	src := newSource(im, list, &fs)
	before := im.summary.Rows
	if rejects != "" {
		src.rejects = contactlist.NewRejectsWriter(rejects, list)
	}
	// Of a list without a single contact nothing is stored, not even the campaign.
	switch more, peekErr := src.peek(); {
	case !more:
		err = peekErr
	case im.flags.dryRun:
		err = im.count(ctx, src)
	default:
		err = im.store(ctx, src, size)
	}
	if src.rejects != nil {
		err = errors.Join(err, src.rejects.Close())
		if src.rejects.Count() > 0 {
			fs.Rejects = src.rejects.Path()
		} else if err == nil {
			fs.Stale, err = removeStale(rejects)
		}
	}
	fs.Notes = list.Notes()
	im.summary.Files = append(im.summary.Files, fs)
	if err == nil && im.summary.Rows == before {
		return cli.Usage(fmt.Errorf("%s: the list has a header and no rows", name))
	}
	return err
}

// store imports for real. The campaign is created only once a list has shown to be one.
func (im *importer) store(ctx context.Context, src *source, size int64) error {
	if !im.created {
		if err := createCampaign(ctx, im.ledger, im.rules, im.flags.update); err != nil {
			return err
		}
		im.created = true
	}
	index, err := im.ledger.AddHeader(ctx, im.rules.Name, src.list.Header())
	if err != nil {
		return err
	}
	src.index = index
	show, finish := im.progress(src, size)
	t, err := im.producer.ImportAgain(ctx, im.rules, src.ordered(), im.again, show)
	finish(err == nil)
	im.add(t)
	return err
}

// createCampaign creates the campaign or finds it as it is to be.
func createCampaign(ctx context.Context, led *ledger.Ledger, rules campaign.Rules, update bool) error {
	return explainCreate(rules.Name, led.Create(ctx, rules, update))
}

// explainCreate says what to do about a campaign that takes no contacts.
func explainCreate(name string, err error) error {
	if _, ok := errors.AsType[*ledger.RulesDifferError](err); ok {
		return cli.Usage(err)
	}
	switch {
	case errors.Is(err, ledger.ErrCancelled):
		return fmt.Errorf("campaign %s is cancelled; give the campaign file another name to start anew", name)
	case errors.Is(err, ledger.ErrDeleting):
		return fmt.Errorf("campaign %s is being deleted; try again in a moment", name)
	}
	return err
}

func (im *importer) add(t tasks.Tally) {
	s := &im.summary
	s.Added += t.Added
	s.Known += t.Known
	s.Duplicates += t.Duplicates
	s.Suppressed += t.Suppressed
	s.Held += t.Held
	s.OtherNumber += t.OtherNumber
	s.SharedID += t.SharedID
	s.Changed += t.Changed
	s.Later += t.Later
	s.Reopened += t.Reopened
	s.Closed += t.Closed
	for r, n := range t.Reasons {
		if s.HeldBy == nil {
			s.HeldBy = map[campaign.Reason]int{}
		}
		s.HeldBy[r] += n
	}
}

// count is the dry run: the same rules, nothing stored. Duplicates are found within the campaign as it is now and within
// the list.
func (im *importer) count(ctx context.Context, src *source) error {
	t, err := im.producer.PreviewAgain(ctx, im.rules, src.ordered(), im.again)
	im.add(t)
	return err
}

// progress shows a bar on a terminal, and a line every few seconds elsewhere.
func (im *importer) progress(src *source, size int64) (show func(tasks.Tally), finish func(complete bool)) {
	began, last := time.Now(), time.Now()
	rows := tasks.Tally.Rows
	rate := func(rows int64) float64 { return float64(rows) / max(time.Since(began).Seconds(), 0.001) }
	errFile, ok := im.cmd.ErrOrStderr().(*os.File)
	if !ok || !term.IsTerminal(int(errFile.Fd())) || im.flags.json {
		return func(t tasks.Tally) {
			if time.Since(last) < 5*time.Second || im.flags.json {
				return
			}
			last = time.Now()
			im.log.Info().Int("added", t.Added).Int("rows_per_second", int(rate(int64(rows(t))))).Msg("importing " + src.file.File)
		}, func(bool) {}
	}
	// The bar is drawn beside the import.
	var added, done atomic.Int64
	p := mpb.New(mpb.WithOutput(errFile), mpb.WithWidth(40))
	bar := p.AddBar(size,
		mpb.PrependDecorators(decor.Name(src.file.File+" ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Any(func(decor.Statistics) string {
			return fmt.Sprintf("  %d contacts, %.0f rows/s", added.Load(), rate(done.Load()))
		})),
	)
	return func(t tasks.Tally) {
			added.Store(int64(t.Added))
			done.Store(int64(rows(t)))
			if size > 1 {
				bar.SetCurrent(min(src.offset.Load(), size-1))
			}
		}, func(complete bool) {
			if complete && size > 1 {
				bar.SetCurrent(size)
			}
			bar.Abort(false) // else a bar that is not at its end would be waited for for ever
			p.Wait()
		}
}

// source gives the importer the good rows of a list and writes the others to the rejects file.
type source struct {
	im      *importer
	list    *contactlist.Reader
	rejects *contactlist.RejectsWriter // nil: only counted
	index   int
	file    *fileSummary
	offset  atomic.Int64      // bytes read, for the progress bar, which runs beside
	first   *campaign.Contact // read by peek
	id      int               // its column; -1 if there is none
	sorted  bool              // there is a column of priorities
}

func newSource(im *importer, list *contactlist.Reader, file *fileSummary) *source {
	s := &source{im: im, list: list, file: file, id: -1}
	for _, m := range list.Mapping() {
		switch m.Role {
		case contactlist.ID:
			s.id = m.Index
		case contactlist.Priority:
			s.sorted = true
		}
	}
	return s
}

// ordered is the source, those with the highest priority first where the list has priorities.
func (s *source) ordered() tasks.Contacts {
	if s.sorted {
		return tasks.ByPriority(s)
	}
	return s
}

// ownID is the id that a row's cells have.
func (s *source) ownID(cells []string) string {
	if s.id < 0 || s.id >= len(cells) {
		return ""
	}
	return strings.TrimSpace(cells[s.id])
}

const samples = 3

// peek reads ahead to the first contact; false if there is none, with the error if that is why.
func (s *source) peek() (bool, error) {
	c, err := s.read()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	s.first = &c
	return err == nil, err
}

func (s *source) Next() (c campaign.Contact, err error) {
	if s.first != nil {
		c, s.first = *s.first, nil
	} else if c, err = s.read(); err != nil {
		return c, err
	}
	c.List = s.index
	return c, nil
}

func (s *source) read() (campaign.Contact, error) {
	for {
		c, err := s.list.Next()
		s.offset.Store(s.list.Offset())
		if rejected, ok := errors.AsType[*contactlist.RejectedRow](err); ok {
			s.im.summary.Rows++
			s.im.summary.Rejected++
			if err := s.listed(rejected); err != nil {
				return c, err
			}
			if s.rejects == nil {
				continue
			}
			if err := s.rejects.Write(rejected); err != nil {
				return c, err
			}
			continue
		}
		if err != nil {
			return c, err
		}
		s.im.summary.Rows++
		if own := s.ownID(c.Values); own != "" && own != c.ID {
			s.im.summary.HashedID++
		}
		if s.im.flags.dryRun && len(s.file.Sample) < samples {
			zones, _ := campaign.Zones(c)
			s.file.Sample = append(s.file.Sample, sampleContact{Row: c.Row, Name: c.Name, Number: c.Number(), Zone: strings.Join(zones, ", ")})
		}
		return c, nil
	}
}

// listed notes that a row which cannot be called is no missing one.
func (s *source) listed(row *contactlist.RejectedRow) error {
	id := s.ownID(row.Record)
	if id == "" || s.im.again.Listed == nil {
		return nil
	}
	return s.im.producer.NoteListed(context.WithoutCancel(s.im.cmd.Context()), s.im.rules.Name, s.im.again.Listed, s.im.flags.dryRun, id)
}

// removeMissing takes out those who are in none of the lists.
func (im *importer) removeMissing(ctx context.Context) (err error) {
	later := 0
	if im.flags.dryRun {
		im.summary.Removed, later, err = im.producer.PreviewMissing(ctx, im.rules.Name, im.again.Listed)
	} else if im.created {
		im.summary.Removed, later, err = im.producer.RemoveMissing(ctx, im.rules.Name, im.again.Listed)
	}
	im.summary.Later += later
	return err
}

// The answers to --known.
const (
	knownSkip   = "skip"
	knownUpdate = "update"
)

func (f csvFlags) checkKnown() error {
	switch {
	case f.known != knownSkip && f.known != knownUpdate:
		return cli.Usage(fmt.Errorf("--known %q: takes skip or update", f.known))
	case f.reopen && f.known != knownUpdate:
		return cli.Usage(errors.New("--reopen goes with --known update"))
	}
	return nil
}

func (im *importer) print(out io.Writer) {
	w := cli.Plain(out)
	s := im.summary
	verb := "imported"
	if s.DryRun {
		verb = "would be imported (dry run: nothing is)"
	}
	for _, f := range s.Files {
		roles := make([]string, 0, len(f.Mapping))
		for role, header := range f.Mapping {
			roles = append(roles, role+" = "+header)
		}
		sort.Strings(roles)
		fmt.Fprintf(w, "%s: %s\n", f.File, strings.Join(roles, "; "))
		for _, c := range f.Sample {
			fmt.Fprintf(w, "  row %d: %s, %s, %s\n", c.Row, c.Name, c.Number, c.Zone)
		}
		for _, note := range f.Notes {
			fmt.Fprintf(w, "  %s\n", note)
		}
	}
	fmt.Fprintf(w, "campaign %s: %d rows read\n", s.Campaign, s.Rows)
	row := func(n int, text string) {
		if n > 0 {
			fmt.Fprintf(w, "%8d  %s\n", n, text)
		}
	}
	fmt.Fprintf(w, "%8d  %s\n", s.Added, verb)
	if im.again.Update {
		fmt.Fprintf(w, "%8d  changed\n", s.Changed)
		row(s.Later, "being called now: change or end after that")
		row(s.Reopened, "reopened: called again")
		row(s.Closed, "done, though their rows have changed: --reopen calls them again")
		fmt.Fprintf(w, "%8d  unchanged\n", s.Known)
	} else {
		row(s.Later, "being called now: end after that")
		row(s.Known, "imported before, not again")
	}
	if im.again.Listed != nil {
		fmt.Fprintf(w, "%8d  removed: in no list any more\n", s.Removed)
	}
	row(s.OtherNumber, "same id, other number: the contact keeps the number that it has; --known update changes it")
	row(s.Duplicates, "duplicates of another row: called once only")
	row(s.Suppressed, "on the do-not-call list, or the list says so: not called")
	row(s.Rejected, "rejected")
	row(s.SharedID, "have an id that others of the list have too: each number has an id of its own, id and hash of the number")
	row(s.HashedID, "have an id that is a phone number or an address, or too long: its place takes a hash of the number")
	for _, f := range s.Files {
		if f.Rejects != "" {
			fmt.Fprintf(w, "          rejected rows with line and reason: %s\n", f.Rejects)
		}
		if f.Stale {
			fmt.Fprintf(w, "          the rejects file of an earlier import of %s was removed: no row is rejected any more\n", f.File)
		}
	}
	for reason, n := range s.HeldBy {
		row(n, "of them not called now: "+reason.Text())
	}
}
