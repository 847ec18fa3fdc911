package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// talking makes every call an answered one that lasts for about so long of real time.
func talking(d time.Duration) ringouttest.Config {
	return ringouttest.Config{Ending: func(string, int) ringouttest.Ending {
		return ringouttest.Ending{Name: ringouttest.Answered, Talk: d * scale}
	}}
}

// numbers makes n valid numbers that are answered.
func numbers(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("+1212%07d", 2000030+i*100)
	}
	return list
}

// queued counts a campaign's tasks that Asynq has not finished with.
func (w *world) queued(name string) int {
	w.t.Helper()
	inspector := asynq.NewInspectorFromRedisClient(w.rdb)
	known, err := inspector.Queues()
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, queue := range []string{name, name + ".again"} {
		if !slices.Contains(known, queue) {
			continue
		}
		info, err := inspector.GetQueueInfo(queue)
		if err != nil {
			w.t.Fatal(err)
		}
		n += info.Pending + info.Active + info.Scheduled + info.Retry
	}
	return n
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(4*time.Second))
	w.list("people.csv", numbers(4)...)
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("p"))
	w.worker(alice, bob)
	w.eventually("both lines are on a call", func() bool { return w.status("p").Live == 2 })
	if r := w.must("campaign", "pause", "p"); r.out != "" || !strings.Contains(r.err, "campaign resume p") {
		t.Errorf("pause says %q, %q", r.out, r.err)
	}
	// The live calls go on to their ends. Then the lines are free, as another campaign shows, and nobody else is called.
	w.eventually("the live calls are over", func() bool { return w.status("p").Outcomes["answered"] == 2 })
	other := numbers(7)[5:]
	w.list("others.csv", other...)
	w.must("enqueue", "csv", "others.csv", "--campaign", w.campaign("q"))
	w.done("q")
	s := w.status("p")
	if s.State != "paused" || s.Waiting != 2 || !slices.Contains(s.BlockedBy, "paused: `campaign resume p` goes on") {
		t.Errorf("status: %+v", s)
	}
	if n := len(w.sim.Truth().Dials); n != 4 {
		t.Errorf("%d dials while paused, want the 2 from before and the other campaign's 2", n)
	}
	w.must("campaign", "pause", "p") // again: changes nothing
	w.must("campaign", "resume", "p")
	if s := w.done("p"); s.Outcomes["answered"] != 4 || s.State != "done" {
		t.Errorf("status at the end: %+v", s)
	}
	for number, n := range dialled(w.honest()) {
		if n != 1 {
			t.Errorf("%d dials to %s", n, number)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(5*time.Second))
	w.list("people.csv", numbers(8)...)
	file := w.campaign("c")
	w.must("enqueue", "csv", "people.csv", "--campaign", file)
	w.worker(alice, bob)
	w.eventually("both lines are on a call", func() bool { return w.status("c").Live == 2 })
	if r := w.must("campaign", "cancel", "c"); !strings.Contains(r.err, "6 contacts are not called any more, 2 calls are live") {
		t.Errorf("cancel says %q", r.err)
	}
	if s := w.status("c"); s.State != "cancelled" || s.Live != 2 || s.Waiting != 0 {
		t.Errorf("status after cancel: %+v", s)
	}
	s := w.done("c")
	if want := map[campaign.Outcome]int{"answered": 2, "cancelled": 6}; !maps.Equal(s.Outcomes, want) {
		t.Errorf("outcomes %v, want %v", s.Outcomes, want)
	}
	w.eventually("Asynq has nothing left of the campaign", func() bool { return w.queued("c") == 0 })
	if r := w.run("enqueue", "csv", "people.csv", "--campaign", file); r.code != 1 || !strings.Contains(r.err, "campaign c is cancelled") {
		t.Errorf("import into a cancelled campaign: status %d, %q", r.code, r.err)
	}
	truth := w.honest()
	if len(truth.Dials) != 2 {
		t.Errorf("%d dials, want 2", len(truth.Dials))
	}
	for _, d := range truth.Dials {
		if !d.CancelledAt.IsZero() || d.AnsweredAt.IsZero() {
			t.Errorf("a live call was not left alone: %+v", d)
		}
	}
}

// TestDoNotCallAfterImport puts numbers on the list while their contacts wait.
func TestDoNotCallAfterImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(3*time.Second)) // long enough for a command during the first call
	people := numbers(4)
	w.list("people.csv", people...)
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("d"))
	w.must("enqueue", "dnc", "add", people[1])
	w.worker(alice)
	w.eventually("the first call is live", func() bool { return w.status("d").Live == 1 })
	w.must("enqueue", "dnc", "add", people[3])
	s := w.done("d")
	if want := map[campaign.Outcome]int{"answered": 2, "suppressed": 2}; !maps.Equal(s.Outcomes, want) {
		t.Errorf("outcomes %v, want %v", s.Outcomes, want)
	}
	if got, want := dialled(w.honest()), map[string]int{people[0]: 1, people[2]: 1}; !maps.Equal(got, want) {
		t.Errorf("dialled %v, want %v", got, want)
	}
}

// TestCallingHours has contacts on both sides of the earth, whose hours are never open together.
func TestCallingHours(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(200*time.Millisecond))
	var spans []string
	for _, h := range []int{23, 0, 1} {
		hour := (time.Now().UTC().Hour() + h) % 24
		spans = append(spans, fmt.Sprintf("\"%02d:00-%02d:00\"", hour, hour+1))
	}
	slices.Sort(spans)
	file := w.file("h.yaml", "name: h\ncalling_hours:\n  timezone: contact\n  mon-sun: ["+strings.Join(spans, ", ")+"]\n")
	w.file("people.csv", "id,phone,timezone\n"+
		"day,+2250123456789,Africa/Abidjan\n"+ // UTC
		"night,+68672001234,Pacific/Tarawa\n"+ // UTC+12
		"nowhere,+80012345678,\n") // a number of no country
	r := w.must("enqueue", "csv", "people.csv", "--campaign", file)
	for _, want := range []string{"3  imported", "1  of them not called now: outside calling hours", "1  of them not called now: time zone unknown"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("the import does not say %q:\n%s", want, r.err)
		}
	}
	w.worker(alice)
	w.eventually("the one whose hours are open is called", func() bool { return w.status("h").Outcomes["answered"] == 1 })
	s := w.status("h")
	if s.Waiting != 2 || s.State != "running" {
		t.Errorf("status: %+v", s)
	}
	blocked := strings.Join(s.BlockedBy, "\n")
	for _, want := range []string{"1 contact: outside calling hours", "1 contact: time zone unknown", "2 contacts not due yet, the next one at "} {
		if !strings.Contains(blocked, want) {
			t.Errorf("blocked_by does not say %q:\n%s", want, blocked)
		}
	}
	if got, want := dialled(w.honest()), map[string]int{"+2250123456789": 1}; !maps.Equal(got, want) {
		t.Errorf("dialled %v, want %v", got, want)
	}
	// They are scheduled, not tried over and over.
	info, err := asynq.NewInspectorFromRedisClient(w.rdb).GetQueueInfo("h")
	if err != nil {
		t.Fatal(err)
	}
	if info.Scheduled != 2 || info.Retry != 0 {
		t.Errorf("%d scheduled, %d put off; want 2 and 0", info.Scheduled, info.Retry)
	}
}

// TestEnds lets a campaign's end come while a contact waits for its hours.
func TestEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(200*time.Millisecond))
	night := (time.Now().UTC().Hour() + 12) % 24
	ends := time.Now().Add(3 * time.Second).UTC().Format(time.RFC3339)
	file := w.file("e.yaml", fmt.Sprintf("name: e\nends: %s\ncalling_hours:\n  timezone: UTC\n  mon-sun: [\"%02d:00-%02d:00\"]\n", ends, night, night+1))
	w.list("people.csv", numbers(2)...)
	w.must("enqueue", "csv", "people.csv", "--campaign", file)
	w.worker(alice)
	if s := w.done("e"); s.Outcomes["expired"] != 2 || s.State != "done" {
		t.Errorf("status: %+v", s)
	}
	if n := len(w.sim.Truth().Dials); n != 0 {
		t.Errorf("%d dials, want none", n)
	}
	if r := w.run("enqueue", "csv", "people.csv", "--campaign", file); r.code != 2 || !strings.Contains(r.err, "has passed") {
		t.Errorf("import after the end: status %d, %q", r.code, r.err)
	}
}

// TestMonitorPause pauses one of the two queues, as the button of Asynq's monitor does.
func TestMonitorPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(100*time.Millisecond))
	w.list("people.csv", numbers(2)...)
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("m"))
	ctx := context.Background()
	// The queue of later rounds has had no task yet, so that the mark is all there is of it.
	inspector := asynq.NewInspectorFromRedisClient(w.rdb)
	if err := inspector.PauseQueue("m"); err != nil {
		t.Fatal(err)
	}
	if s := w.status("m"); s.State != "paused" {
		t.Errorf("status: %+v", s)
	}
	w.worker(alice)
	w.eventually("the other queue is paused too", func() bool { return w.rdb.Exists(ctx, "asynq:{m}:paused", "asynq:{m.again}:paused").Val() == 2 })
	w.must("campaign", "resume", "m")
	if s := w.done("m"); s.Outcomes["answered"] != 2 {
		t.Errorf("status: %+v", s)
	}
	if n := w.rdb.Exists(ctx, "asynq:{m}:paused", "asynq:{m.again}:paused").Val(); n != 0 {
		t.Errorf("%d queues are paused after resume", n)
	}
}

// talkingNever is a RingCentral that the test does not call.
func talkingNever() ringouttest.Config { return ringouttest.Config{} }
