package main

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

// team is the lines of a worker of its own process.
type team struct {
	extensions, linesEach int
	most                  int // max_lines
}

func (t team) lines() int { return t.extensions * t.linesEach }

// startWorker writes a worker's file and starts the worker with it, as an operator does.
func (b *bench) startWorker(ctx context.Context, rdb *redisServer, simulatorURL string, t team) (*process, error) {
	var file strings.Builder
	fmt.Fprintf(&file, "max_lines: %d\n", t.most)
	file.WriteString("teams:\n  default:\n    lines:\n")
	env := []string{"REDIS_URL=" + rdb.url, "RC_SERVER_URL=" + simulatorURL, "RC_APP_CLIENT_ID=bench", "RC_APP_CLIENT_SECRET=bench"}
	for x := range t.extensions {
		jwt := fmt.Sprintf("JWT_%d", x)
		env = append(env, fmt.Sprintf("%s=extension-%d", jwt, x))
		for l := range t.linesEach {
			fmt.Fprintf(&file, "      - {name: x%d-l%d, number: \"+1650%07d\", jwt_env: %s}\n", x, l, 2_000_000+100*x+l, jwt)
		}
	}
	config, err := b.write("ringqueue.yaml", file.String())
	if err != nil {
		return nil, err
	}
	return b.start(ctx, env, nil, "worker", "--config", config, "--http", "off")
}

// importFor imports a campaign of so many contacts, under campaignRules.
func (b *bench) importFor(ctx context.Context, rdb *redisServer, contacts int) error {
	file, err := b.write("campaign.yaml", campaignRules)
	if err != nil {
		return err
	}
	list, err := b.listFile("campaign.csv", contacts)
	if err != nil {
		return err
	}
	_, err = b.enqueueCSV(ctx, rdb, file, list, contacts)
	return err
}

// await waits until the campaign's counts are as wanted, while stopped has not happened.
func await(ctx context.Context, rdb *redisServer, stopped <-chan struct{}, wanted func(ledger.Counts) bool) error {
	led := ledger.New(rdb)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := led.Campaign(ctx, "bench")
		if err != nil {
			return err
		}
		if wanted(c.Counts) {
			return nil
		}
		select {
		case <-tick.C:
		case <-stopped:
			return fmt.Errorf("the worker ended early, with %+v", c.Counts)
		case <-ctx.Done():
			return fmt.Errorf("%w, with %+v", context.Cause(ctx), c.Counts)
		}
	}
}

func over(c ledger.Counts) bool { return !c.Open() }

// openCampaigns opens campaigns c0, c1 and so on, with so many contacts each, all different. Change, if any, changes the
// default rules.
func openCampaigns(ctx context.Context, rdb *redisServer, n, contacts int, change func(*campaign.Rules)) error {
	producer := tasks.NewProducer(rdb.Client)
	for c := range n {
		rules := campaign.Default(campaignName(c))
		if change != nil {
			change(&rules)
		}
		in, err := producer.Open(ctx, rules, tasks.Open{})
		if err != nil {
			return err
		}
		if _, err := in.Stream(ctx, people(c*contacts, contacts), nil); err != nil {
			return err
		}
	}
	return nil
}

func campaignName(n int) string { return "c" + strconv.Itoa(n) }

// people are n contacts from a number on.
func people(from, n int) iter.Seq[tasks.Contact] {
	return func(yield func(tasks.Contact) bool) {
		for i := range n {
			if !yield(tasks.Contact{Number: e164(from + i), ID: "c" + strconv.Itoa(i)}) {
				return
			}
		}
	}
}
