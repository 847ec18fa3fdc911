package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/contactlist"
	"github.com/ringqueue/ringqueue/internal/schedule"
)

const (
	defaultCatchUp = 10 * time.Minute
	defaultKeep    = 60
	maxCatchUp     = 30 * 24 * time.Hour
	maxKeep        = 1000
)

func newSchedule() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Start campaigns from a call list by the clock",
		Long: "Start campaigns from a call list by the clock. Each instant of a schedule is a run: a campaign of its own, named after\n" +
			"schedule and instant. The workers run schedules; the list is read afresh each time.",
		RunE: cli.Group,
	}
	cmd.AddCommand(newScheduleAdd(), newScheduleList(), newScheduleShow(),
		newScheduleSet("pause NAME", "Let a schedule's instants pass without a run", "%s is paused; `enqueue schedule resume %[1]s` goes on\n", (*schedule.Store).Pause),
		newScheduleSet("resume NAME", "Let a paused schedule run again, from its next instant", "%s goes on\n", (*schedule.Store).Resume),
		newScheduleSet("remove NAME", "Delete a schedule; campaigns that it has started go on", "%s is removed; its campaigns stay\n", (*schedule.Store).Remove),
		newScheduleRun())
	cli.CompleteNames(cmd, func(ctx context.Context, rdb redis.UniversalClient) ([]string, error) {
		all, err := schedule.NewStore(rdb).All(ctx)
		names := make([]string, len(all))
		for i, one := range all {
			names[i] = one.Name
		}
		return names, err
	})
	return cmd
}

// onStore opens the store for a command and closes it after.
func onStore(run func(cmd *cobra.Command, store *schedule.Store, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		rdb, err := cli.Redis(cmd.Context())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rdb.Close()) }()
		if err = run(cmd, schedule.NewStore(rdb), args); errors.Is(err, schedule.ErrNone) {
			return fmt.Errorf("%w; `enqueue schedule list` shows those that there are", err)
		}
		return err
	}
}

type scheduleFlags struct {
	cron, at, zone, list, campaign, overlap string
	columns                                 []string
	catchUp                                 time.Duration
	keep                                    int
	update, json                            bool
}

func newScheduleAdd() *cobra.Command {
	var f scheduleFlags
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a schedule, or change one with --update",
		Long: "Add a schedule. --csv is a path or a pattern on the machine of the workers, an https URL, or stored:NAME for a list that\n" +
			"`enqueue stored add` has put into Redis. A list that was changed in the last 30 seconds is waited for; one that is\n" +
			"missing or broken is tried again for an hour.\n\n" +
			"On the days on which clocks change, a time that does not exist runs at the next minute that does, and one that\n" +
			"exists twice runs once, the first time.",
		Example: "  enqueue schedule add weekday-renewals --cron \"0 9 * * MON-FRI\" --timezone America/New_York --csv /lists/due.csv --campaign renewals.yaml\n" +
			"  enqueue schedule add black-friday --at 2026-11-27T09:00 --timezone Europe/Berlin --csv stored:vip --campaign vip.yaml",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return addSchedule(cmd, args[0], f) },
	}
	cmd.Flags().StringVar(&f.cron, "cron", "", "when: minute, hour, day of month, month, day of week; or @daily, @every 2h …")
	cmd.Flags().StringVar(&f.at, "at", "", "one instant instead, such as 2026-11-25T09:00")
	cmd.Flags().StringVar(&f.zone, "timezone", "", "whose clock that is: an IANA name such as America/New_York")
	cmd.Flags().StringVar(&f.list, "csv", "", "the call list")
	cmd.Flags().StringVar(&f.campaign, "campaign", "", "campaign file (YAML); its name is not used")
	cmd.Flags().StringArrayVar(&f.columns, "column", nil, "which column is what: phone=HEADER, name=, id=, timezone= (may be repeated)")
	cmd.Flags().DurationVar(&f.catchUp, "catch-up", defaultCatchUp, "how late an instant may still run after no worker was up")
	cmd.Flags().StringVar(&f.overlap, "overlap", string(schedule.OverlapSkip), "when the run before is not done: skip, queue or replace")
	cmd.Flags().IntVar(&f.keep, "keep", defaultKeep, "how many ended runs are kept")
	cmd.Flags().BoolVar(&f.update, "update", false, "replace a schedule that exists with other settings")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the schedule as JSON")
	cli.CompleteFlag(cmd, "overlap", "skip", "queue", "replace")
	for _, name := range []string{"timezone", "csv", "campaign"} {
		must(cmd.MarkFlagRequired(name))
	}
	cmd.MarkFlagsOneRequired("cron", "at")
	cmd.MarkFlagsMutuallyExclusive("cron", "at")
	return cmd
}

func addSchedule(cmd *cobra.Command, name string, f scheduleFlags) (err error) {
	rule, err := f.rule(name)
	if err != nil {
		return err
	}
	if warning, err := tryList(rule); err != nil {
		return err
	} else if warning != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), warning)
	}
	if warning := rule.When.Warning(); warning != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+warning)
	}
	return onStore(func(cmd *cobra.Command, store *schedule.Store, _ []string) error {
		now, err := store.Now(cmd.Context())
		if err != nil {
			return err
		}
		if err := rule.Rules.CheckAt(now); err != nil {
			return cli.Usage(fmt.Errorf("%s: %w", f.campaign, err))
		}
		next := nextInstants(rule.When, now, 5)
		if len(next) == 0 {
			return cli.Usage(fmt.Errorf("--at %q: has passed; takes a time to come", f.at))
		}
		if err := store.Add(cmd.Context(), rule, f.update); errors.Is(err, schedule.ErrDiffers) {
			return cli.Usage(err)
		} else if err != nil {
			return err
		}
		if f.json {
			one, err := store.Get(cmd.Context(), name)
			if err != nil {
				return err
			}
			return cli.JSON(cmd.OutOrStdout(), shown(one, next))
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "schedule %s runs at\n", name)
		for _, t := range next {
			fmt.Fprintf(cmd.ErrOrStderr(), "  %s\n", clock(rule.When, t))
		}
		return nil
	})(cmd, nil)
}

// rule checks the flags.
func (f scheduleFlags) rule(name string) (schedule.Rule, error) {
	none := schedule.Rule{}
	if !schedule.ValidName(name) {
		return none, cli.Usage(fmt.Errorf("%q is no schedule's name; takes 1 to 45 of a-z, 0-9, _ and -, beginning with a letter or digit", name))
	}
	rules, err := readRules(f.campaign)
	if err != nil {
		return none, err
	}
	columns, err := parseColumns(f.columns)
	if err != nil {
		return none, err
	}
	rule := schedule.Rule{
		Name: name, When: schedule.When{Cron: f.cron, At: f.at, Zone: f.zone}, List: f.list, Columns: columns, Rules: rules,
		CatchUp: f.catchUp, Overlap: schedule.Overlap(f.overlap), Keep: f.keep,
	}
	if err := rule.When.Check(); err != nil {
		return none, cli.Usage(err)
	}
	if err := schedule.CheckList(f.list); err != nil {
		return none, cli.Usage(err)
	}
	if !strings.Contains(f.list, "://") && !strings.HasPrefix(f.list, "stored:") {
		if rule.List, err = filepath.Abs(f.list); err != nil { // the worker may run in another folder
			return none, cli.Usage(fmt.Errorf("--csv: %w", err))
		}
	}
	switch rule.Overlap {
	case schedule.OverlapSkip, schedule.OverlapQueue, schedule.OverlapReplace:
	default:
		return none, cli.Usage(fmt.Errorf("--overlap %q: takes skip, queue or replace", f.overlap))
	}
	if f.catchUp < 0 || f.catchUp > maxCatchUp {
		return none, cli.Usage(fmt.Errorf("--catch-up %s: takes 0 to 720h", f.catchUp))
	}
	if f.keep < 1 || f.keep > maxKeep {
		return none, cli.Usage(fmt.Errorf("--keep %d: takes 1 to %d", f.keep, maxKeep))
	}
	return rule, nil
}

// tryList looks at a list that this machine can read: what is wrong with it is said now and not at nine in the morning.
func tryList(rule schedule.Rule) (warning string, err error) {
	if strings.Contains(rule.List, "://") || strings.HasPrefix(rule.List, "stored:") {
		return "", nil
	}
	paths, err := schedule.Files(rule.List)
	if err != nil || len(paths) == 0 {
		return fmt.Sprintf("warning: %s cannot be read here; the workers must be able to", rule.List), nil //nolint:nilerr // the pattern was checked
	}
	for _, path := range paths {
		if err := checkList(path, contactlist.Options{Region: rule.Rules.Region, Columns: rule.Columns, Name: path}); err != nil {
			return "", err
		}
	}
	return "", nil
}

func nextInstants(when schedule.When, after time.Time, n int) []time.Time {
	var list []time.Time
	for range n {
		next, ok := when.Next(after)
		if !ok {
			break
		}
		list = append(list, next)
		after = next
	}
	return list
}

// clock shows an instant on the schedule's own clock.
func clock(when schedule.When, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return when.Civil(t).Format("Mon 2006-01-02 15:04 MST")
}

// shownSchedule is what --json prints.
type shownSchedule struct {
	Name      string      `json:"name"`
	Cron      string      `json:"cron,omitempty"`
	At        string      `json:"at,omitempty"`
	Zone      string      `json:"timezone"`
	List      string      `json:"csv"`
	Team      string      `json:"team"`
	CatchUp   string      `json:"catch_up"`
	Overlap   string      `json:"overlap"`
	Keep      int         `json:"keep"`
	Paused    bool        `json:"paused"`
	CreatedAt time.Time   `json:"created_at"`
	Next      []time.Time `json:"next"`
	Last      *shownRun   `json:"last_run"`
	Runs      []*shownRun `json:"runs,omitempty"`
}

type shownRun struct {
	schedule.Run
	Result string `json:"result"`
}

func shown(one schedule.Schedule, next []time.Time) shownSchedule {
	s := shownSchedule{
		Name: one.Name, Cron: one.When.Cron, At: one.When.At, Zone: one.When.Zone, List: schedule.Shown(one.List), Team: one.Rules.Team,
		CatchUp: campaign.FormatDuration(one.CatchUp), Overlap: string(one.Overlap), Keep: one.Keep, Paused: one.Paused,
		CreatedAt: one.CreatedAt, Next: next,
	}
	if s.Next == nil || one.Paused {
		s.Next = []time.Time{}
	}
	if one.Last != nil {
		s.Last = &shownRun{*one.Last, one.Last.Sentence()}
	}
	return s
}

// upcoming are the next instants of a schedule, the first of which is stored.
func upcoming(one schedule.Schedule, n int) []time.Time {
	if one.Next.IsZero() {
		return nil
	}
	return append([]time.Time{one.Next}, nextInstants(one.When, one.Next, n-1)...)
}

func newScheduleList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List all schedules with their next instant and last result", Args: cobra.NoArgs,
		RunE: onStore(func(cmd *cobra.Command, store *schedule.Store, _ []string) error {
			all, err := store.All(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				list := make([]shownSchedule, 0, len(all))
				for _, one := range all {
					list = append(list, shown(one, upcoming(one, 1)))
				}
				return cli.JSON(cmd.OutOrStdout(), list)
			}
			if len(all) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "no schedules yet; `enqueue schedule add` makes one")
				return nil
			}
			w := tabwriter.NewWriter(cli.Plain(cmd.OutOrStdout()), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "SCHEDULE\tWHEN\tNEXT\tLAST\tRESULT")
			for _, one := range all {
				next, last, result := clock(one.When, one.Next), "-", "-"
				if one.Paused {
					next = "paused"
				}
				if one.Last != nil {
					last, result = clock(one.When, one.Last.Instant), one.Last.Sentence()
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", one.Name, one.When.Cron+one.When.At, next, last, result)
			}
			return w.Flush()
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newScheduleShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show a schedule, its next instants and its runs", Args: cobra.ExactArgs(1),
		RunE: onStore(func(cmd *cobra.Command, store *schedule.Store, args []string) error {
			one, err := store.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			runs, err := store.Runs(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			s := shown(one, upcoming(one, 5))
			if asJSON {
				for _, run := range runs {
					s.Runs = append(s.Runs, &shownRun{run, run.Sentence()})
				}
				return cli.JSON(cmd.OutOrStdout(), s)
			}
			writeSchedule(cli.Plain(cmd.OutOrStdout()), one, s, runs)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeSchedule(w io.Writer, one schedule.Schedule, s shownSchedule, runs []schedule.Run) {
	fmt.Fprintf(w, "%s: %s, on the clock of %s\n", s.Name, s.Cron+s.At, s.Zone)
	fmt.Fprintf(w, "  list      %s\n  team      %s\n  catch-up  %s\n  overlap   %s\n  keep      %d runs\n",
		s.List, s.Team, s.CatchUp, s.Overlap, s.Keep)
	switch {
	case s.Paused:
		fmt.Fprintf(w, "\n  paused: `enqueue schedule resume %s` goes on\n", s.Name)
	case len(s.Next) == 0:
		fmt.Fprint(w, "\n  no instant is left\n")
	default:
		fmt.Fprint(w, "\n  next\n")
	}
	for _, t := range s.Next {
		fmt.Fprintf(w, "    %s\n", clock(one.When, t))
	}
	for i, run := range runs {
		if i == 0 {
			fmt.Fprint(w, "\n  runs\n")
		}
		fmt.Fprintf(w, "    %s  %s\n", run.Name, run.Sentence())
	}
}

func newScheduleSet(use, short, says string, set func(*schedule.Store, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: onStore(func(cmd *cobra.Command, store *schedule.Store, args []string) error {
			if err := set(store, cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), says, args[0])
			return nil
		}),
	}
}

func newScheduleRun() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "run NAME", Short: "Start a run now, beside the schedule's instants", Args: cobra.ExactArgs(1),
		RunE: onStore(func(cmd *cobra.Command, store *schedule.Store, args []string) error {
			run, err := store.RunNow(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), map[string]string{"schedule": args[0], "run": run})
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "run %s starts as soon as a worker is up; `enqueue schedule show %s` says how it goes\n", run, args[0])
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newStored() *cobra.Command {
	cmd := &cobra.Command{
		Use: "stored", Short: "Keep call lists in Redis, for schedules to read as stored:NAME", RunE: cli.Group,
	}
	cmd.AddCommand(newStoredAdd(), newStoredList(), newStoredRemove())
	return cmd
}

func newStoredAdd() *cobra.Command {
	var (
		file, region string
		columns      []string
	)
	cmd := &cobra.Command{
		Use: "add NAME FILE", Short: "Store a call list, in place of the one of that name", Args: cobra.ExactArgs(2),
		Example: "  enqueue stored add vip vip-customers.csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			name, list := args[0], args[1]
			if !campaign.ValidName(name) {
				return cli.Usage(fmt.Errorf("%q is no list's name; takes 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit", name))
			}
			mapped, err := parseColumns(columns)
			if err != nil {
				return err
			}
			read := contactlist.Options{Region: cmp.Or(region, campaign.Default(name).Region), Columns: mapped, Name: list}
			if file != "" {
				rules, err := readRules(file)
				if err != nil {
					return err
				}
				read.Region = cmp.Or(region, rules.Region)
			}
			if err := checkList(list, read); err != nil {
				return err
			}
			return onStore(func(cmd *cobra.Command, store *schedule.Store, _ []string) (err error) {
				h, err := os.Open(list) //nolint:gosec // the operator names the file
				if err != nil {
					return cli.Usage(fmt.Errorf("call list: %w", err))
				}
				defer func() { err = errors.Join(err, h.Close()) }()
				stored, err := store.StoreList(cmd.Context(), name, filepath.Base(list), h)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "stored:%s holds %s, %d bytes\n", name, stored.File, stored.Bytes)
				return nil
			})(cmd, nil)
		},
	}
	cmd.Flags().StringVar(&file, "campaign", "", "campaign file (YAML) of the schedules that read the list, by whose region it is looked at")
	cmd.Flags().StringVar(&region, "region", "", "country of numbers written without + (default: the campaign's, else US)")
	cmd.Flags().StringArrayVar(&columns, "column", nil, "which column is what, as for the schedules: phone=HEADER, name=, id=, … (may be repeated)")
	return cmd
}

func newStoredList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the stored call lists", Args: cobra.NoArgs,
		RunE: onStore(func(cmd *cobra.Command, store *schedule.Store, _ []string) error {
			lists, err := store.StoredLists(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), lists)
			}
			w := tabwriter.NewWriter(cli.Plain(cmd.OutOrStdout()), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "LIST\tFILE\tBYTES\tSTORED")
			for _, l := range lists {
				fmt.Fprintf(w, "stored:%s\t%s\t%d\t%s\n", l.Name, l.File, l.Bytes, l.StoredAt.Local().Format("2006-01-02 15:04"))
			}
			return w.Flush()
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newStoredRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Remove a stored call list", Args: cobra.ExactArgs(1),
		RunE: onStore(func(cmd *cobra.Command, store *schedule.Store, args []string) error {
			removed, err := store.RemoveList(cmd.Context(), args[0])
			if err == nil && !removed {
				err = fmt.Errorf("no list is stored as %s; `enqueue stored list` shows those that there are", args[0])
			}
			return err
		}),
	}
}
