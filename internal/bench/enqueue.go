package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ringqueue/ringqueue/tasks"
)

// enqueueRules judges each contact's time zone, and lets all of them be called at any hour, so that a run at night
// measures the same as one by day.
const enqueueRules = "name: bench\nregion: US\ncalling_hours:\n  timezone: contact\n  mon-sun: [\"00:00-24:00\"]\n"

// imported is what one `enqueue csv` did and took.
type imported struct {
	rate  float64 // rows per second, from the start of the process to its end
	peak  int64   // bytes of memory
	redis float64 // bytes per contact
}

// benchEnqueue compares importing a list with Asynq's own Enqueue from one goroutine, in turns on the same Redis.
func benchEnqueue(ctx context.Context, b *bench) ([]row, error) {
	rdb, err := b.redis()
	if err != nil {
		return nil, err
	}
	rules, err := b.write("enqueue.yaml", enqueueRules)
	if err != nil {
		return nil, err
	}
	rows, raw, rounds, many := b.size(100_000, 20_000), b.size(20_000, 5_000), b.size(3, 1), b.size(1_000_000, 100_000)
	list, err := b.listFile("list.csv", rows)
	if err != nil {
		return nil, err
	}
	var (
		ratios, rates, raws, bytesEach []float64
		peak                           int64
	)
	for round := range rounds {
		// Asynq alone before and after, since other programs make any machine faster and slower from second to second.
		before, err := b.rawAsynq(ctx, rdb, raw)
		if err != nil {
			return nil, err
		}
		got, err := b.importList(ctx, rdb, rules, list, rows)
		if err != nil {
			return nil, err
		}
		after, err := b.rawAsynq(ctx, rdb, raw)
		if err != nil {
			return nil, err
		}
		one := (before + after) / 2
		b.say("enqueue: round %d of %d: raw Asynq %s tasks/s, enqueue csv %s rows/s", round+1, rounds, thousands(one), thousands(got.rate))
		ratios, rates, raws = append(ratios, got.rate/one), append(rates, got.rate), append(raws, one)
		bytesEach, peak = append(bytesEach, got.redis), max(peak, got.peak)
	}
	ratio := quantile(ratios, 0.5)
	table := []row{
		{
			name: "enqueue csv, rows/s over raw Asynq", measured: fmt.Sprintf("%.2f", ratio), target: ">= 2", verdict: met(ratio >= 2),
			note: fmt.Sprintf("%s rows at %s rows/s, process start to end; Client.Enqueue from one goroutine %s tasks/s; median of %d",
				thousands(rows), thousands(quantile(rates, 0.5)), thousands(quantile(raws, 0.5)), rounds),
		},
		{
			name: "Redis per waiting contact", measured: thousands(quantile(bytesEach, 0.5)) + " B", target: "<= 1,500 B",
			verdict: met(quantile(bytesEach, 0.5) <= 1500),
			note:    "task and ledger together, used_memory after " + thousands(rows) + " contacts; the list has about 85 B per row",
		},
		memoryRow(rows, peak),
	}
	if list, err = b.listFile("many.csv", many); err != nil {
		return table, err
	}
	b.say("enqueue: %s rows", thousands(many))
	got, err := b.importList(ctx, rdb, rules, list, many)
	if err != nil {
		return table, err
	}
	last := memoryRow(many, got.peak)
	last.note = fmt.Sprintf("at %s rows/s", thousands(got.rate))
	return append(table, last), nil
}

func memoryRow(rows int, peak int64) row {
	return row{
		name: "enqueue csv, peak memory at " + thousands(rows) + " rows", measured: mib(peak), target: "< 64 MiB", verdict: met(peak < 64<<20),
	}
}

// rawAsynq enqueues as anybody would with Asynq alone, one task after the other, and returns tasks per second. The tasks
// are ours: same payload, same options.
func (b *bench) rawAsynq(ctx context.Context, rdb *redisServer, n int) (float64, error) {
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		return 0, fmt.Errorf("empty redis: %w", err)
	}
	client := asynq.NewClientFromRedisClient(rdb.Client)
	enqueue := func(i int) error {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d", i))
		task, opts, err := tasks.NewCallTask("bench", hex.EncodeToString(sum[:10]), 1, time.Time{})
		if err != nil {
			return err
		}
		_, err = client.EnqueueContext(ctx, task, opts...)
		return err
	}
	warm := n / 10
	for i := range warm {
		if err := enqueue(i); err != nil {
			return 0, fmt.Errorf("raw Asynq: %w", err)
		}
	}
	began := time.Now()
	for i := range n {
		if err := enqueue(warm + i); err != nil {
			return 0, fmt.Errorf("raw Asynq: %w", err)
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// importList runs `enqueue csv` on an empty Redis.
func (b *bench) importList(ctx context.Context, rdb *redisServer, rules, list string, rows int) (imported, error) {
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		return imported{}, fmt.Errorf("empty redis: %w", err)
	}
	before, err := rdb.figure(ctx, usedMemory)
	if err != nil {
		return imported{}, err
	}
	began := time.Now()
	peak, err := b.enqueueCSV(ctx, rdb, rules, list, rows)
	took := time.Since(began)
	if err != nil {
		return imported{}, err
	}
	after, err := rdb.figure(ctx, usedMemory)
	return imported{
		rate: float64(rows) / took.Seconds(), peak: peak, redis: (after - before) / float64(rows),
	}, err
}

// enqueueCSV runs `enqueue csv` and returns its peak memory. All rows must have been taken.
func (b *bench) enqueueCSV(ctx context.Context, rdb *redisServer, rules, list string, rows int) (int64, error) {
	var out bytes.Buffer
	p, err := b.start(ctx, []string{"REDIS_URL=" + rdb.url}, &out, "enqueue", "csv", list, "--campaign", rules, "--json")
	if err != nil {
		return 0, err
	}
	peak, err := p.watchPeak()()
	if err != nil {
		return 0, err
	}
	var summary struct {
		tasks.Tally
		Rejected int `json:"rejected"`
	}
	if err := json.Unmarshal(out.Bytes(), &summary); err != nil {
		return 0, fmt.Errorf("enqueue csv: %w", err)
	}
	if summary.Added != rows || summary.Held != 0 {
		return 0, fmt.Errorf("enqueue csv: of %d rows %d were added, %d of them held, %d rejected, %d duplicates",
			rows, summary.Added, summary.Held, summary.Rejected, summary.Duplicates)
	}
	return peak, nil
}
