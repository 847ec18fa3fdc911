package e2e

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/ringqueue/ringqueue/internal/console/auth"
	"github.com/ringqueue/ringqueue/internal/status"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

const consolePassword = "correct horse battery"

// tab is a page in a browser, and what went wrong on it.
type tab struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // chromedp's handle
	base string

	mu       sync.Mutex
	problems []string
}

// browse starts a browser that keeps what it downloads in a folder.
func (w *world) browse(base, downloads string) *tab {
	w.t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil && path == "" {
				path = filepath.Join(dir, name)
			}
		}
	}
	if path == "" {
		w.t.Fatal("there is no chromium; `make setup` installs it")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 900))
	ctx, stop := chromedp.NewExecAllocator(context.WithoutCancel(w.t.Context()), opts...)
	w.t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	w.t.Cleanup(cancel)
	ctx, end := context.WithTimeout(ctx, 3*patience)
	w.t.Cleanup(end)
	b := &tab{t: w.t, ctx: ctx, base: base}
	host, err := url.Parse(base)
	if err != nil {
		w.t.Fatal(err)
	}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				b.note("console: " + string(e.Args[0].Value))
			}
		case *runtime.EventExceptionThrown:
			b.note("exception: " + e.ExceptionDetails.Text)
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.LevelError {
				b.note("log: " + e.Entry.Text + " " + e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(e.Request.URL); err == nil && u.Host != host.Host && u.Scheme != "data" {
				b.note("request to another host: " + e.Request.URL)
			}
		}
	})
	b.do(network.Enable(), cdplog.Enable(), browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(downloads))
	return b
}

func (b *tab) note(problem string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, problem)
}

// clean checks that nothing went wrong since the last look, but for what is expected.
func (b *tab) clean(expected ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		if !slices.ContainsFunc(expected, func(e string) bool { return strings.Contains(p, e) }) {
			b.t.Error(p)
		}
	}
	b.problems = nil
}

func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		text := ""
		_ = chromedp.Run(b.ctx, chromedp.Text("body", &text, chromedp.ByQuery)) // to say more
		b.t.Fatalf("%v; the page says\n%s", err, text)
	}
}

func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// until waits until an expression in the page is true.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		for deadline := time.Now().Add(patience); ; {
			ok := false
			if err := chromedp.Evaluate("Boolean("+expression+")", &ok).Do(ctx); err == nil && ok {
				return nil
			}
			if time.Now().After(deadline) {
				b.t.Errorf("it never came that %s", what)
				return context.DeadlineExceeded
			}
			time.Sleep(50 * time.Millisecond)
		}
	}))
}

// says waits for a text on the page.
func (b *tab) says(text string) {
	b.t.Helper()
	b.until("the page says "+text, "document.body.innerText.includes("+quoted(text)+")")
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func (b *tab) login(name string) {
	b.t.Helper()
	b.open("/")
	b.do(chromedp.SendKeys("#name", name, chromedp.ByQuery), chromedp.SendKeys("#password", consolePassword, chromedp.ByQuery),
		chromedp.Click("form button", chromedp.ByQuery))
	b.says(name)
}

// press clicks a button of a queue's row in Asynq's monitor, which shows them when the mouse is over the row's end.
func (b *tab) press(queue, button string) {
	b.t.Helper()
	row := `[...document.querySelectorAll("tbody tr")].find(r => r.querySelector("a")?.innerText === ` + quoted(queue) + `)`
	b.until("the monitor lists "+queue, row)
	var spot []float64
	b.do(chromedp.Evaluate(`(() => { const r = `+row+`.lastElementChild.firstElementChild; r.scrollIntoView({block: "center"});
		const b = r.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()`, &spot))
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		return input.DispatchMouseEvent(input.MouseMoved, spot[0], spot[1]).Do(ctx)
	}))
	target := row + `.querySelector('[title="` + button + `"], [aria-label="` + button + `"]')`
	b.until("the monitor has a button "+button, target)
	b.do(chromedp.Evaluate(target+".click()", nil))
}

// TestConsoleInABrowser is a day of an operator and of a viewer.
func TestConsoleInABrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ringouttest.Config{})
	hash, err := auth.Hash(consolePassword)
	if err != nil {
		t.Fatal(err)
	}
	w.vars["CONSOLE_USERS"] = "olga:operator:" + hash + ";vera:viewer:" + hash
	worker := w.start("worker", "--http", "127.0.0.1:0", "--config", w.agents(alice, bob))
	at := regexp.MustCompile(`"at":"(http://[^"]+)/"`)
	w.eventually("the console is served", func() bool { return at.MatchString(worker.err.String()) })
	base := at.FindStringSubmatch(worker.err.String())[1]

	downloads := t.TempDir()
	olga := w.browse(base, downloads)
	olga.login("olga")
	olga.says("There are no campaigns yet")
	olga.says("alice")
	olga.clean()

	numbers := make([]string, 40)
	for i := range numbers {
		numbers[i] = "+1212555" + []string{"0119", "0219", "0319", "0419", "0519", "0619", "0719", "0819", "0919", "1019"}[i%10][:2] + []string{"19", "29", "39", "49"}[i/10]
	}
	w.must("enqueue", "csv", w.list("list.csv", numbers...), "--campaign", w.campaign("renewals"))
	olga.says("renewals")
	olga.says("on a call")
	olga.says("talking")
	olga.clean()

	// Paused with the monitor's own button, which stands for both queues.
	olga.open("/monitor/")
	olga.press("renewals", "Pause")
	w.eventually("the campaign is paused", func() bool { return w.status("renewals").State == status.StatePaused })
	olga.clean()
	olga.open("/")
	olga.says("paused")
	olga.open("/monitor/")
	olga.press("renewals", "Resume")
	w.eventually("the campaign goes on", func() bool { return w.status("renewals").State != status.StatePaused })
	olga.open("/")
	olga.clean()

	// A viewer sees the same and changes nothing.
	vera := w.browse(base, downloads)
	vera.login("vera")
	vera.says("renewals")
	vera.clean()
	vera.open("/monitor/")
	vera.press("renewals", "Pause")
	w.eventually("she is refused", func() bool { return strings.Contains(worker.err.String(), `"user":"vera","role":"viewer"`) })
	if s := w.status("renewals"); s.State == status.StatePaused {
		t.Error("a viewer has paused the campaign")
	}
	vera.clean("403", "pauseQueue") // the page says so too

	w.done("renewals")
	olga.says("done")
	olga.open("/campaigns/renewals")
	olga.says("What became of the contacts")
	olga.clean()
	if dir := os.Getenv("RINGQUEUE_SCREENSHOTS"); dir != "" {
		olga.shoot(dir)
	}
	olga.do(chromedp.Click(`a[href$="results.csv"]`, chromedp.ByQuery))
	file := filepath.Join(downloads, "renewals-results.csv")
	w.eventually("the results are downloaded", func() bool {
		src, err := os.ReadFile(file)
		return err == nil && strings.Count(string(src), "\n") == len(numbers)+1
	})
	olga.do(chromedp.Click("header form button", chromedp.ByQuery))
	olga.says("Log in")
	w.honest()
}

// shoot takes the README's pictures.
func (b *tab) shoot(dir string) {
	b.t.Helper()
	for _, path := range []string{"/", "/campaigns/renewals", "/monitor/"} {
		for width, name := range map[int64]string{1280: "wide", 390: "narrow"} {
			for _, scheme := range []string{"light", "dark"} {
				var png []byte
				page := strings.Trim(strings.ReplaceAll(path, "/", "-"), "-")
				if page == "" {
					page = "index"
				}
				b.do(chromedp.EmulateViewport(width, 900), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
					chromedp.Navigate(b.base+path), chromedp.Sleep(time.Second),
					chromedp.FullScreenshot(&png, 100))
				if err := os.WriteFile(filepath.Join(dir, page+"-"+name+"-"+scheme+".png"), png, 0o600); err != nil {
					b.t.Fatal(err)
				}
			}
		}
	}
	b.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(b.base+"/campaigns/renewals"))
}
