package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/campaign/campaignfile"
	"github.com/ringqueue/ringqueue/examples"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/contactlist"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/results"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/show"
	"github.com/ringqueue/ringqueue/internal/status"
	"github.com/ringqueue/ringqueue/internal/worker"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
	"github.com/ringqueue/ringqueue/tasks"
)

const (
	// demoScale is how many times faster than real time the demo runs: calls, retries and quota windows alike.
	demoScale = 60
	// In demo time: nobody is called after the shift; what is left is cancelled a little before, as an operator would.
	demoEnds   = 33*time.Minute + 30*time.Second
	demoCancel = 33 * time.Minute

	demoResults = "demo-results.csv"
	demoRejects = "demo.rejects.csv"
)

func newDemo() *cobra.Command {
	var exit bool
	cmd := &cobra.Command{
		Use:   "demo [CSV]",
		Short: "Run a whole campaign on a simulated RingCentral",
		Long: "Run a whole campaign in this process, with an embedded Redis, a simulated RingCentral and four agents' lines. No phone\n" +
			"rings. Without a CSV file it calls the sample list, whose last column says what each contact does; with one, the\n" +
			"last two digits of each number decide.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d := demo{out: cmd.ErrOrStderr(), list: examples.Contacts, sample: true, stay: !exit}
			if len(args) == 1 {
				src, err := os.ReadFile(args[0])
				if err != nil {
					return cli.Usage(fmt.Errorf("call list: %w", err))
				}
				d.list, d.sample = src, false
			}
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&exit, "exit", false, "end when the campaign is done, instead of staying up until Ctrl-C")
	return cmd
}

type demo struct {
	out    io.Writer
	list   []byte
	sample bool // the sample list, whose expect column scripts the simulator
	stay   bool
}

var demoAgents = []string{"alice", "bob", "carol", "dave"}

func (d demo) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rdb, stop, err := embeddedRedis(ctx)
	if err != nil {
		return err
	}
	defer stop()

	// Without the call log, a call whose answer was lost stays unconfirmed: the demo shows that too.
	sim := ringouttest.New(ringouttest.Config{Scale: demoScale, Deny: []string{"ReadCallLog"}})
	waitSim, url, err := serveSimulator(ctx, "127.0.0.1:0", sim)
	if err != nil {
		return err
	}
	defer func() {
		cancel()
		err = errors.Join(err, waitSim())
	}()

	rules, err := campaignfile.Parse("examples/demo.yaml", examples.DemoCampaign)
	if err != nil {
		return err
	}
	began := time.Now()
	rules = rules.Faster(demoScale)
	rules.Ends = began.Add(demoEnds / demoScale)

	fmt.Fprintf(d.out, "ringqueue demo: no phone rings. Everything runs %d times as fast as in real life: a minute is a second.\n", demoScale)
	if err := d.importList(ctx, rdb, rules, sim); err != nil {
		return err
	}
	w, err := worker.New(rdb, demoSettings(url), d.log(), demoScale)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	workerCtx, stopWorker := context.WithCancel(ctx)
	defer wg.Wait()
	defer stopWorker()
	failed := make(chan error, 1)
	wg.Go(func() { failed <- w.Run(workerCtx) })
	wg.Go(func() { d.endOfShift(workerCtx, rdb, rules.Name, began.Add(demoCancel/demoScale)) })

	if err := show.NewWatcher(rdb, rules.Name, d.out).Watch(workerCtx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := d.report(ctx, rdb, rules.Name, sim, time.Since(began)); err != nil {
		return err
	}
	if d.stay {
		fmt.Fprintln(d.out, "\nThe worker stays up; Ctrl-C ends it.")
		select {
		case <-ctx.Done():
		case err := <-failed:
			return err
		}
	}
	return nil
}

// embeddedRedis is a Redis in this process; miniredis lets no key expire by itself, so its clock is pushed.
func embeddedRedis(ctx context.Context) (redis.UniversalClient, func(), error) {
	server, err := miniredis.Run()
	if err != nil {
		return nil, nil, fmt.Errorf("embedded Redis: %w", err)
	}
	const step = 100 * time.Millisecond
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(step)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				server.FastForward(step)
			}
		}
	}()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	return rdb, func() {
		<-stopped
		_ = rdb.Close() // the server goes with it
		server.Close()
	}, nil
}

func demoSettings(url string) settings.Worker {
	set := settings.Worker{
		Credentials:  settings.Credentials{Server: url, ClientID: "demo", ClientSecret: "demo"},
		PollInterval: 3 * time.Second, CoolDown: 2 * time.Minute,
	}
	for i, name := range demoAgents {
		set.Lines = append(set.Lines, settings.Line{
			Name: name, Number: fmt.Sprintf("+1650555010%d", i+1), Team: "default", JWT: settings.Secret("demo-" + name),
		})
	}
	return set
}

// log keeps the worker's own log out of the demo, but for what went wrong.
func (d demo) log() zerolog.Logger {
	f, ok := d.out.(*os.File)
	color := ok && term.IsTerminal(int(f.Fd()))
	return zerolog.New(zerolog.ConsoleWriter{Out: d.out, NoColor: !color, TimeFormat: time.TimeOnly}).
		Level(zerolog.ErrorLevel).With().Timestamp().Logger()
}

// importList imports the list as `enqueue csv` does and scripts the simulator by the sample's expect column.
func (d demo) importList(ctx context.Context, rdb redis.UniversalClient, rules campaign.Rules, sim *ringouttest.Simulator) error {
	led := ledger.New(rdb)
	idKey, err := led.IDKey(ctx)
	if err != nil {
		return err
	}
	list, err := contactlist.Open(bytes.NewReader(d.list), contactlist.Options{Region: rules.Region, IDKey: idKey, Name: "the list"})
	if err != nil {
		return cli.Usage(err)
	}
	if err := led.Create(ctx, rules, false); err != nil {
		return err
	}
	index, err := led.AddHeader(ctx, rules.Name, list.Header())
	if err != nil {
		return err
	}
	producer := tasks.NewProducer(rdb)
	src := &demoList{
		list: list, index: index, rejects: contactlist.NewRejectsWriter(demoRejects, list),
		expect: slices.Index(list.Header(), "expect"),
		meet: func(number, expect string) error {
			if !d.sample {
				return nil
			}
			return script(ctx, led, sim, number, expect)
		},
	}
	t, err := producer.Import(ctx, rules, src, nil)
	if err := errors.Join(err, src.rejects.Close()); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "imported %d contacts; %d duplicates, %d on the do-not-call list, %d rows rejected (%s)\n\n",
		t.Added, t.Duplicates, t.Suppressed, src.rejected, demoRejects)
	return nil
}

// demoList is the list's good rows.
type demoList struct {
	list     *contactlist.Reader
	index    int
	expect   int // column, or -1
	rejects  *contactlist.RejectsWriter
	rejected int
	meet     func(number, expect string) error
}

func (s *demoList) Next() (campaign.Contact, error) {
	for {
		c, err := s.list.Next()
		if bad, ok := errors.AsType[*contactlist.RejectedRow](err); ok {
			s.rejected++
			if err := s.rejects.Write(bad); err != nil {
				return c, err
			}
			continue
		}
		if err != nil {
			return c, err
		}
		c.List = s.index
		if s.expect >= 0 && s.expect < len(c.Values) {
			err = s.meet(c.Number(), c.Values[s.expect])
		}
		return c, err
	}
}

// script makes the world behave as a sample row expects.
func script(ctx context.Context, led *ledger.Ledger, sim *ringouttest.Simulator, number, expect string) error {
	ending, before := ringouttest.Answered, 0
	switch campaign.Outcome(expect) {
	case campaign.Busy:
		ending = ringouttest.Busy
	case campaign.NoAnswer:
		ending = ringouttest.NoAnswer
	case campaign.Rejected:
		ending = ringouttest.Rejected
	case campaign.Unreachable:
		ending = ringouttest.Unreachable
	case campaign.Expired: // agents hang up on it, which is not charged; then it is unreachable until the shift ends
		ending, before = ringouttest.Unreachable, 3
	case campaign.Blocked:
		ending = ringouttest.Blocked
	case campaign.InvalidNumber:
		ending = ringouttest.InvalidNumber
	case campaign.LineUnavailable:
		ending = ringouttest.AgentOffline
	case campaign.Unconfirmed:
		sim.Inject(ringouttest.Fault{Operation: ringouttest.OpPlace, To: number, Effect: ringouttest.Drop, Late: true})
	case campaign.Suppressed:
		if _, err := led.DNCAdd(ctx, number); err != nil {
			return err
		}
	}
	return sim.Script(map[string][]ringouttest.Ending{
		number: append(slices.Repeat([]ringouttest.Ending{{Name: ringouttest.AgentHangup}}, before), ringouttest.Ending{Name: ending}),
	})
}

// endOfShift cancels what is left a little before the campaign's end.
func (d demo) endOfShift(ctx context.Context, rdb redis.UniversalClient, name string, at time.Time) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(time.Until(at)):
	}
	if s, err := status.NewReader(rdb).Read(ctx, name); err != nil || s.Over() {
		return
	}
	if _, err := tasks.Cancel(ctx, rdb, name); err != nil && ctx.Err() == nil {
		fmt.Fprintf(d.out, "cancel: %s\n", err)
	}
}

func (d demo) report(ctx context.Context, rdb redis.UniversalClient, name string, sim *ringouttest.Simulator, took time.Duration) (err error) {
	f, err := os.Create(demoResults)
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := results.Write(ctx, ledger.New(rdb), name, f, results.Options{Format: results.CSV}); err != nil {
		return err
	}
	t := sim.Truth()
	fmt.Fprintf(d.out, "\nresults: %s\n", demoResults)
	fmt.Fprintf(d.out, "what was left after %d minutes was cancelled, as `campaign cancel` does\n", demoCancel/time.Minute)
	fmt.Fprintf(d.out, "%d calls in %.0f s (%.0f minutes of real life) on %d lines; RingCentral saw %d requests over quota and %d overlapping calls\n",
		len(t.Dials), took.Seconds(), took.Minutes()*demoScale, len(demoAgents), len(t.OverQuota)+len(t.InPenalty), len(t.Overlaps))
	return nil
}
