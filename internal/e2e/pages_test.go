package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/ringqueue/ringqueue/internal/console/auth"
)

// awaited has an evaluation wait for a promise.
func awaited(p *cdpruntime.EvaluateParams) *cdpruntime.EvaluateParams {
	return p.WithAwaitPromise(true)
}

// seen checks the page that is shown for everybody who may look at it: with axe, narrow and wide, light and dark.
func (b *tab) seen(what string) {
	b.t.Helper()
	axe, err := os.ReadFile("../../.tools/node_modules/axe-core/axe.min.js")
	if err != nil {
		b.t.Fatal("there is no axe-core; `make setup` installs it")
	}
	for _, width := range []int64{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			var found string
			var over float64
			b.do(chromedp.EmulateViewport(width, 900), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				chromedp.Evaluate(string(axe)+";0", nil),
				chromedp.Evaluate(`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => JSON.stringify(
					r.violations.map(v => [v.id, v.nodes.length, v.nodes[0].target.join(" "), v.nodes[0].failureSummary])))`, &found, awaited),
				chromedp.Evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth", &over))
			var problems [][]any
			if err := json.Unmarshal([]byte(found), &problems); err != nil {
				b.t.Fatal(err)
			}
			for _, p := range problems {
				b.t.Errorf("%s, %d wide, %s: %v", what, width, scheme, p)
			}
			if over > 0 {
				b.t.Errorf("%s, %d wide: it is %.0f pixels wider than the screen", what, width, over)
			}
			if dir := os.Getenv("RINGQUEUE_SCREENSHOTS"); dir != "" {
				var png []byte
				b.do(chromedp.FullScreenshot(&png, 100))
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("seen-%s-%d-%s.png", what, width, scheme)), png, 0o600); err != nil {
					b.t.Fatal(err)
				}
			}
		}
	}
}

// TestPagesForEverybody looks at each page, and at how the first one changes under somebody who reads it.
func TestPagesForEverybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(20*time.Second))
	hash, err := auth.Hash(consolePassword)
	if err != nil {
		t.Fatal(err)
	}
	w.vars["CONSOLE_USERS"], w.vars["CONSOLE_URL"] = "olga:operator:"+hash, "http://localhost/ringqueue"
	w.list("people.csv", numbers(8)...)
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("spring-renewals"))
	w.must("enqueue", "schedule", "add", "nightly-appointments", "--cron", "0 3 * * *", "--timezone", "America/Los_Angeles",
		"--csv", filepath.Join(w.dir, "people.csv"), "--campaign", w.campaign("night"))
	base := consoleOf(w, w.start("worker", "--http", "127.0.0.1:0", "--config", w.agents(alice, bob)))
	b := w.browse(base+"/ringqueue", t.TempDir())
	b.open("/")
	b.says("Log in")
	b.seen("login")
	b.do(chromedp.SendKeys("#name", "olga", chromedp.ByQuery), chromedp.SendKeys("#password", "wrong", chromedp.ByQuery), chromedp.Click("form button", chromedp.ByQuery))
	b.says("not right")
	b.seen("refused")
	b.clean("401")
	b.login("olga")
	b.says("on a call")
	b.says("nightly-appointments")
	b.seen("index")

	// Narrow, a line's row is read from top to bottom without moving sideways.
	b.do(chromedp.EmulateViewport(390, 900))
	b.until("the tables fit", `[...document.querySelectorAll(".scroll")].every(s => s.scrollWidth <= s.clientWidth)`)
	b.until("each cell says what it is", `[...document.querySelectorAll("td")].every(c => !c.textContent || getComputedStyle(c, "::before").content.length > 2)`)

	// The page changes under somebody who has gone to a link with the keyboard and moved a table aside.
	b.do(chromedp.EmulateViewport(500, 400),
		chromedp.Evaluate(`(() => { window.link = document.querySelector(".campaign a"); link.focus(); link.scrollIntoView();
			const style = new CSSStyleSheet(); style.replaceSync(".scroll { width: 8rem } .scroll table { width: 60rem }"); document.adoptedStyleSheets = [style];
			window.table = document.querySelector(".scroll"); table.scrollLeft = 150;
			window.changes = 0; new MutationObserver(m => window.changes += m.length).observe(document.getElementById("live"), {subtree: true, childList: true, characterData: true, attributes: true});
			window.top0 = scrollY; })()`, nil))
	b.until("something changes", "window.changes > 5")
	b.until("focus and scrolling are kept", `document.activeElement === window.link && window.table === document.querySelector(".scroll") && window.table.scrollLeft === 150 && scrollY === window.top0`)

	// It is held, and goes on.
	b.do(chromedp.Click("#hold", chromedp.ByQuery))
	b.until("the button says so", `document.getElementById("hold").getAttribute("aria-pressed") === "true"`)
	b.seen("held")
	b.do(chromedp.Evaluate("window.changes = 0; window.held = document.getElementById('live').innerHTML; 0", nil))
	before := w.status("spring-renewals").Done
	w.eventually("somebody is done meanwhile", func() bool { return w.status("spring-renewals").Done > before })
	b.until("nothing has changed", "window.changes === 0 && window.held === document.getElementById('live').innerHTML")
	b.do(chromedp.Click("#hold", chromedp.ByQuery))
	b.until("it goes on", "window.changes > 0")

	b.open("/campaigns/spring-renewals")
	b.says("What became of the contacts")
	b.seen("campaign")
	b.open("/campaigns/nope")
	b.says("There is no campaign of this name")
	b.seen("problem")
	b.clean("404")
	b.open("/monitor/")
	b.until("the monitor works under a prefix", `document.body.innerText.includes("spring-renewals")`)
	b.open("/")
	b.says("spring-renewals")

	// Redis goes, and comes back.
	b.do(chromedp.Evaluate(`window.changes = 0; new MutationObserver(() => window.changes++).observe(document.getElementById("live"), {subtree: true, childList: true, characterData: true}); 0`, nil))
	b.until("the page is connected", "window.changes > 0")
	w.redis.Pause()
	b.says("nothing is known since")
	b.seen("away")
	w.redis.Continue()
	b.until("it is there again", `document.getElementById("away").hidden`)
	b.clean("503", strings.TrimPrefix(base, "http://"))
}
