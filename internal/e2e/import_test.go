package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
)

// TestInterruptedImport kills the import of a long list at random points and runs it again.
func TestInterruptedImport(t *testing.T) {
	t.Parallel()
	const rows = 50_000
	w := newWorld(t, talkingNever())
	var list strings.Builder
	list.WriteString("id,phone,company\n")
	for i := range rows {
		fmt.Fprintf(&list, "c%d,+1212%07d,Company %d\n", i, 2000000+i, i)
	}
	w.file("people.csv", list.String())
	file := w.campaign("i")
	ctx := context.Background()
	order := "ringqueue:{ledger}:contacts:i"
	stored := int64(0)
	for range 3 {
		p := w.start("enqueue", "csv", "people.csv", "--campaign", file)
		until := stored + 1 + rand.Int64N(rows/4)
		w.eventually("the import got further", func() bool { return w.rdb.LLen(ctx, order).Val() >= until })
		p.kill()
		stored = w.rdb.LLen(ctx, order).Val()
		t.Logf("killed after %d rows", stored)
	}
	if stored >= rows {
		t.Fatal("nothing was interrupted")
	}
	r := w.must("enqueue", "csv", "people.csv", "--campaign", file, "--json")
	var summary struct{ Rows, Added, Known, Duplicates, Rejected int }
	w.decode(r.out, &summary)
	if summary.Rows != rows || summary.Added+summary.Known != rows || int64(summary.Known) != stored || summary.Duplicates+summary.Rejected != 0 {
		t.Errorf("summary %+v after %d rows", summary, stored)
	}

	ids := w.rdb.LRange(ctx, order, 0, -1).Val()
	tasks, err := asynq.NewInspectorFromRedisClient(w.rdb).ListPendingTasks("i", asynq.PageSize(2*rows))
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) != rows || len(tasks) != rows || w.queued("i") != rows {
		t.Fatalf("%d contacts, %d pending tasks, %d tasks; want %d of each", len(ids), len(tasks), w.queued("i"), rows)
	}
	// Each exactly once, and in the list's order, which is the order of the calls.
	for i := range rows {
		if id := fmt.Sprintf("c%d", i); ids[i] != id || tasks[i].ID != "i:"+id+":1" {
			t.Fatalf("at %d: contact %s, task %s; want %s", i, ids[i], tasks[i].ID, id)
		}
	}
	if s := w.status("i"); s.Total != rows || s.Waiting != rows {
		t.Errorf("status: %+v", s)
	}
}

// TestOutOfMemory imports into a Redis that is too small, then into a larger one.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	const rows = 5000
	w := newWorld(t, talkingNever(), "--maxmemory", "4mb", "--maxmemory-policy", "noeviction")
	var list strings.Builder
	list.WriteString("id,phone\n")
	for i := range rows {
		fmt.Fprintf(&list, "c%d,+1212%07d\n", i, 2000000+i)
	}
	w.file("people.csv", list.String())
	file := w.campaign("o")
	r := w.run("enqueue", "csv", "people.csv", "--campaign", file)
	if r.code != 1 || r.out != "" {
		t.Errorf("status %d, standard output %q", r.code, r.out)
	}
	for _, want := range []string{"out of memory", "maxmemory", "contacts were imported", "run the same command again"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("the import does not say %q:\n%s", want, r.err)
		}
	}
	ctx := context.Background()
	if n := w.rdb.LLen(ctx, "ringqueue:{ledger}:contacts:o").Val(); n == 0 || n == rows {
		t.Fatalf("%d rows were stored: the test shows nothing", n)
	}
	if err := w.rdb.ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	w.must("enqueue", "csv", "people.csv", "--campaign", file)
	tasks, err := asynq.NewInspectorFromRedisClient(w.rdb).ListPendingTasks("o", asynq.PageSize(2*rows))
	if err != nil {
		t.Fatal(err)
	}
	if s := w.status("o"); s.Total != rows || s.Waiting != rows || len(tasks) != rows {
		t.Fatalf("status %+v, %d tasks", s, len(tasks))
	}
	enqueued := map[string]bool{}
	for _, task := range tasks {
		enqueued[task.ID] = true
	}
	if len(enqueued) != rows {
		t.Errorf("%d different tasks, want %d", len(enqueued), rows)
	}
}
