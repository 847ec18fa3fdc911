package console

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/console/auth"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/report"
	"github.com/ringqueue/ringqueue/internal/results"
	"github.com/ringqueue/ringqueue/internal/schedule"
	"github.com/ringqueue/ringqueue/internal/show"
	"github.com/ringqueue/ringqueue/internal/status"
)

//go:embed files
var files embed.FS

const (
	mostViewers   = 100
	perSecond     = 20 // commands of Redis that one viewer may cost
	reportFresh   = 30 * time.Second
	mostCampaigns = 128 // of which readings are kept
	mostSummed    = 2   // reports at a time
	mostSent      = 4   // results at a time
	pagePatience  = time.Second
)

// pages are the operator's.
type pages struct {
	ctx       context.Context //nolint:containedctx // the process's: streams end with it
	cfg       Config
	log       zerolog.Logger
	templates *template.Template
	reader    *status.Reader
	store     *schedule.Store
	ledger    *ledger.Ledger
	now       func() time.Time

	mu      sync.Mutex
	viewers int

	first     *reading[front] // what all viewers see
	campaigns *lru.Cache[string, *campaignReadings]
	summing   chan struct{} // reports that are being made: each reads every contact
	sending   chan struct{} // results that are being sent: each reads every contact
}

// campaignReadings are a campaign's. The report reads every contact, so it is good for longer.
type campaignReadings struct {
	report *reading[report.Report]
	now    *reading[campaignNow]
}

// campaignNow is what changes from second to second.
type campaignNow struct {
	Status status.Status
	Events []ledger.Event // the newest first
}

// front is the first page's model.
type front struct {
	status.Overview
	Schedules []shownSchedule
	Decide    int // contacts that wait for a person
	Problem   string
}

type shownSchedule struct {
	Name, When, Next, Last, Result string
	Failing                        bool
}

func newPages(ctx context.Context, cfg Config) (*pages, error) {
	p := &pages{
		ctx: ctx, cfg: cfg, log: cfg.Log, reader: status.NewReader(cfg.Redis), store: schedule.NewStore(cfg.Redis), ledger: ledger.New(cfg.Redis),
		now: time.Now, summing: make(chan struct{}, mostSummed), sending: make(chan struct{}, mostSent),
	}
	p.first = &reading[front]{log: cfg.Log, patience: pagePatience, limit: 5 * time.Second, read: p.readFront, now: func() time.Time { return p.now() }}
	var err error
	if p.campaigns, err = lru.New[string, *campaignReadings](mostCampaigns); err != nil {
		return nil, fmt.Errorf("the console's pages: %w", err)
	}
	p.templates, err = template.New("").Funcs(template.FuncMap{
		"base": func() string { return cfg.Base },
		"mask": campaign.Mask, "doing": func(l line.Info) string { return show.Doing(l, p.now()) }, "kind": kindOf,
		"words": func(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") },
		"count": show.Count, "event": show.Event, "ended": func(s status.Status) int { return s.Done + s.Unconfirmed },
		"percent":  func(s status.Status) int { return (s.Done + s.Unconfirmed) * 100 / max(s.Total, 1) },
		"outcomes": func(s status.Status) []report.OutcomeCount { return report.Report{Status: s}.Outcomes() },
	}).ParseFS(files, "files/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the console's pages: %w", err)
	}
	return p, nil
}

// kindOf is the class that colours a line.
func kindOf(l line.Info) string {
	switch {
	case l.Worker == "" || l.Note != "" || l.State == line.Blocked:
		return "bad"
	case l.State == line.Occupied:
		return "busy"
	case l.State == line.Free && l.Paused.IsZero():
		return "free"
	}
	return "rest"
}

func (p *pages) route(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", p.index)
	mux.HandleFunc("GET /events", p.events)
	mux.HandleFunc("GET /campaigns/{name}", p.campaign)
	mux.HandleFunc("GET /campaigns/{name}/report.html", p.report)
	mux.HandleFunc("GET /campaigns/{name}/results.csv", p.results(results.CSV, "text/csv; charset=utf-8"))
	mux.HandleFunc("GET /campaigns/{name}/results.jsonl", p.results(results.Lines, "application/jsonl; charset=utf-8"))
	mux.HandleFunc("GET /static/console.css", static("text/css; charset=utf-8", []byte(report.Style+read("files/console.css"))))
	mux.HandleFunc("GET /static/console.js", static("text/javascript; charset=utf-8", []byte(read("files/console.js"))))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.fail(w, r, http.StatusNotFound, "There is no such page.")
	})
}

func read(name string) string {
	src, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(src)
}

func static(kind string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(body) // whoever asked has gone if this fails
	}
}

// page is what every page has.
type page struct {
	Title string
	User  auth.User
	Login bool // there is somebody to log out
	Data  any
}

func (p *pages) write(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	var b bytes.Buffer
	user := auth.UserOf(r)
	if err := p.templates.ExecuteTemplate(&b, name, page{title, user, user.Name != "" && user.Name != "local", data}); err != nil {
		p.log.Error().Err(err).Str("page", name).Msg("console")
		http.Error(w, "this page cannot be shown; the worker's log has more", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // whoever asked has gone if this fails
}

func (p *pages) fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	p.write(w, r, status, "problem.html", "ringqueue", text)
}

// away answers where there is nothing to show, not even from before.
func (p *pages) away(w http.ResponseWriter, r *http.Request, err error) {
	text := "Redis does not answer. Calls that are live go on; try again in a moment."
	if unknown, ok := errors.AsType[*UnknownError](err); ok {
		text = "Redis does not answer; nothing is known since " + clock(unknown.Since) + ". Calls that are live go on; try again in a moment."
	}
	p.fail(w, r, http.StatusServiceUnavailable, text)
}

func clock(t time.Time) string { return t.Local().Format("15:04:05 MST") }

// problem says that what is shown is not how things are now.
func problem(err error) string {
	unknown, ok := errors.AsType[*UnknownError](err)
	if !ok {
		return ""
	}
	return "Redis does not answer; nothing is known since " + clock(unknown.Since) + ". This is how it was then. Calls that are live go on."
}

// snapshot is the first page's model, read once for all viewers, and no more often than the budget of commands allows. While
// Redis does not answer, it is the last one, with a Problem; an error means that there never was one.
func (p *pages) snapshot(ctx context.Context) (front, error) {
	f, err := p.first.get(ctx)
	if f.At.IsZero() && err != nil {
		return front{}, err
	}
	f.Problem = problem(err)
	return f, nil
}

func (p *pages) readFront(ctx context.Context) (_ front, good time.Duration, err error) {
	defer func() {
		if err != nil {
			p.log.Warn().Err(err).Msg("console: campaigns cannot be read")
		}
	}()
	o, err := p.reader.Overview(ctx)
	if err != nil {
		return front{}, 0, err
	}
	f := front{Overview: o}
	for _, s := range o.Campaigns {
		f.Decide += s.Unconfirmed
	}
	all, err := p.store.All(ctx)
	if err != nil {
		return front{}, 0, err
	}
	cost := o.Commands + 1 + 3*len(all)
	for _, one := range all {
		s := shownSchedule{Name: one.Name, When: one.When.Cron + strings.Replace(one.When.At, "T", " ", 1), Next: "no instant is left", Result: "not run yet"}
		const instant = "Mon 2 Jan 15:04 MST"
		switch {
		case one.Paused:
			s.Next = "paused"
		case !one.Next.IsZero():
			s.Next = one.When.Civil(one.Next).Format(instant)
		}
		if one.Last != nil {
			s.Last, s.Result, s.Failing = one.When.Civil(one.Last.Instant).Format(instant), one.Last.Sentence(), one.Last.Failing()
		}
		f.Schedules = append(f.Schedules, s)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	each := time.Duration(cost) * time.Second / time.Duration(perSecond*max(p.viewers, 1))
	return f, max(each, time.Second), nil
}

func (p *pages) index(w http.ResponseWriter, r *http.Request) {
	f, err := p.snapshot(r.Context())
	if err != nil {
		p.away(w, r, err)
		return
	}
	p.write(w, r, http.StatusOK, "index.html", "ringqueue", f)
}

// events streams the first page's content as it changes.
func (p *pages) events(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	full := p.viewers >= mostViewers
	if !full {
		p.viewers++
	}
	p.mu.Unlock()
	if full {
		http.Error(w, "too many viewers", http.StatusServiceUnavailable)
		return
	}
	defer func() {
		p.mu.Lock()
		p.viewers--
		p.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	last, stale, quiet := "", "", 0
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		text := ""
		f, err := p.snapshot(r.Context())
		switch {
		case err != nil:
			f.Problem = "Redis does not answer."
		default:
			var b bytes.Buffer
			if err := p.templates.ExecuteTemplate(&b, "live", f); err != nil {
				p.log.Error().Err(err).Msg("console")
				return
			}
			if now := b.String(); now != last {
				last = now
				text = "event: live\ndata: " + strings.ReplaceAll(strings.TrimSpace(now), "\n", "\ndata: ") + "\n\n"
			}
		}
		if f.Problem != stale {
			stale = f.Problem
			text += "event: away\ndata: " + stale + "\n\n"
		}
		if quiet++; text != "" {
			quiet = 0
		} else if quiet%15 == 0 {
			text = ": still here\n\n"
		}
		if text != "" {
			_ = control.SetWriteDeadline(time.Now().Add(20 * time.Second)) // where there is none, there is nothing to extend
			if _, err := w.Write([]byte(text)); err != nil || control.Flush() != nil {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// readingsOf are a campaign's.
func (p *pages) readingsOf(name string) *campaignReadings {
	if c, ok := p.campaigns.Get(name); ok {
		return c
	}
	c := &campaignReadings{
		// A report may take long; while Redis hangs, reading ends by itself.
		report: &reading[report.Report]{log: p.log, patience: 20 * time.Second, limit: time.Minute, read: func(ctx context.Context) (report.Report, time.Duration, error) {
			select {
			case p.summing <- struct{}{}:
			case <-ctx.Done():
				return report.Report{}, 0, ctx.Err() //nolint:wrapcheck // too many others are being made
			}
			defer func() { <-p.summing }()
			rep, err := report.Read(ctx, p.cfg.Redis, name, time.Local)
			return rep, reportFresh, err
		}},
		now: &reading[campaignNow]{log: p.log, patience: pagePatience, limit: 5 * time.Second, read: func(ctx context.Context) (campaignNow, time.Duration, error) {
			s, err := p.reader.Read(ctx, name)
			if err != nil {
				return campaignNow{}, 0, err
			}
			events, err := p.ledger.Events(ctx, name, "$", 50)
			slices.Reverse(events)
			return campaignNow{s, events}, time.Second, err
		}},
	}
	if before, ok, _ := p.campaigns.PeekOrAdd(name, c); ok {
		return before
	}
	return c
}

// shownCampaign is the model of a campaign's page.
type shownCampaign struct {
	campaignNow
	Report  report.Report
	Queue   string // of the monitor
	Problem string
}

func (p *pages) campaign(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	c := p.readingsOf(name)
	now, err := c.now.get(r.Context())
	if now.Status.Name == "" || errors.Is(err, ledger.ErrNoCampaign) {
		if p.unknown(w, r, err) {
			return
		}
	}
	stale := problem(err)
	rep, err := report.Report{}, err
	if stale == "" || c.report.known() {
		rep, err = c.report.get(r.Context())
	}
	if rep.At.IsZero() && p.unknown(w, r, err) {
		return
	}
	p.write(w, r, http.StatusOK, "campaign.html", name, shownCampaign{now, rep, p.cfg.Base + monitorPath + "/queues/" + name, stale})
}

// unknown answers where there is nothing to show.
func (p *pages) unknown(w http.ResponseWriter, r *http.Request, err error) bool {
	switch {
	case errors.Is(err, ledger.ErrNoCampaign):
		p.fail(w, r, http.StatusNotFound, "There is no campaign of this name.")
	case err != nil:
		p.away(w, r, err)
	}
	return err != nil
}

func (p *pages) report(w http.ResponseWriter, r *http.Request) {
	rep, err := p.readingsOf(r.PathValue("name")).report.get(r.Context())
	if p.unknown(w, r, err) {
		return
	}
	attach(w, r.PathValue("name")+"-report.html", "text/html; charset=utf-8")
	_ = rep.HTML(w) // whoever asked has gone
}

// results streams a campaign's results; viewers see no numbers.
func (p *pages) results(format results.Format, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		if _, err := p.ledger.Campaign(r.Context(), name); p.unknown(w, r, err) {
			return
		}
		select {
		case p.sending <- struct{}{}:
			defer func() { <-p.sending }()
		default:
			w.Header().Set("Retry-After", "10")
			p.fail(w, r, http.StatusServiceUnavailable, "Others are fetching results; try again in a moment.")
			return
		}
		attach(w, name+"-results."+string(format), kind)
		out := &patient{w, http.NewResponseController(w)}
		err := results.Write(r.Context(), p.ledger, name, out, results.Options{Format: format, Masked: auth.UserOf(r).Role != auth.Operator})
		if err != nil {
			p.log.Warn().Err(err).Str("campaign", name).Msg("console: results not sent whole")
			panic(http.ErrAbortHandler) // a file that is cut must not look like one that is whole
		}
	}
}

func attach(w http.ResponseWriter, file, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+file+`"`) // campaigns' names need no quoting
}

// patient lets a large answer take its time, as long as it goes on.
type patient struct {
	w http.ResponseWriter
	c *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	_ = p.c.SetWriteDeadline(time.Now().Add(30 * time.Second)) // where there is none, there is nothing to extend
	return p.w.Write(b)                                        //nolint:wrapcheck // an io.Writer
}
