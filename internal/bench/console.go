package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/console"
	entrance "github.com/ringqueue/ringqueue/internal/console/auth"
)

const (
	pageTarget     = 200 * time.Millisecond
	commandsTarget = 20.0 // of Redis, a second, for one viewer
)

// benchConsole asks for the console's first page with 20 campaigns, 200 lines and 100,000 contacts, then has one viewer keep it
// open.
func benchConsole(ctx context.Context, b *bench) ([]row, error) {
	rdb, err := b.redis()
	if err != nil {
		return nil, err
	}
	each := b.size(5000, 500)
	if err := openCampaigns(ctx, rdb, 20, each, nil); err != nil {
		return nil, err
	}
	for i := range 200 {
		number := fmt.Sprintf("+1650555%04d", i)
		rdb.SAdd(ctx, "ringqueue:{ledger}:lines", number)
		if err := rdb.HSet(ctx, "ringqueue:{ledger}:line:"+number, "name", "line-"+strconv.Itoa(i), "team", "default", "owner", "bench",
			"lease", time.Now().Add(time.Hour).UnixMilli()).Err(); err != nil {
			return nil, fmt.Errorf("make lines: %w", err)
		}
	}
	base, err := serveConsole(ctx, b, rdb)
	if err != nil {
		return nil, err
	}
	var took []float64
	for range b.size(15, 5) {
		began := time.Now()
		if err := fetch(ctx, base+"/"); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(began))/float64(time.Millisecond))
		if err := sleep(ctx, time.Second); err != nil { // some of them find the last reading still good
			return nil, err
		}
	}
	span := time.Duration(b.size(60, 20)) * time.Second
	watching, err := watched(ctx, rdb, base, span)
	if err != nil {
		return nil, err
	}
	worst, rate := quantile(took, 1), watching/span.Seconds()
	return []row{
		{
			name: "console: first page, slowest", measured: fmt.Sprintf("%.0f ms", worst), target: "< 200 ms", verdict: met(worst < float64(pageTarget.Milliseconds())),
			note: fmt.Sprintf("20 campaigns, 200 lines, %s contacts; half of the answers within %.1f ms", thousands(20*each), quantile(took, 0.5)),
		},
		{
			name: "console: Redis commands for one viewer", measured: fmt.Sprintf("%.1f/s", rate), target: "<= 20/s", verdict: met(rate <= commandsTarget),
			note: "with so many lines the page is read anew each eleven seconds or so; with ten, each second",
		},
	}, nil
}

func serveConsole(ctx context.Context, b *bench, rdb *redisServer) (base string, err error) {
	inside, err := console.New(ctx, console.Config{Redis: rdb.Client, Log: zerolog.Nop()})
	if err != nil {
		return "", err
	}
	d, err := entrance.New(ctx, entrance.Config{Addr: "127.0.0.1:0", Log: zerolog.Nop()}, rdb.Client)
	if err != nil {
		return "", err
	}
	return b.serve(ctx, d.Server(inside))
}

func fetch(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", address, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", address, err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", address, resp.Status)
	}
	return err
}

// watched keeps the page's stream open for a while and counts the commands that Redis gets meanwhile.
func watched(ctx context.Context, rdb *redisServer, base string, span time.Duration) (float64, error) {
	before, err := rdb.figure(ctx, commands)
	if err != nil {
		return 0, err
	}
	stream, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	if err := fetch(stream, base+"/events"); stream.Err() == nil {
		return 0, fmt.Errorf("the stream ended: %w", err)
	}
	after, err := rdb.figure(ctx, commands)
	return after - before, err
}
