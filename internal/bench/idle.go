package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

const (
	idleMost    = 300 * time.Millisecond
	idleTimeout = 3 * time.Minute
)

// benchIdle measures how long a line is idle between two calls while work waits: from the answer to the poll that shows
// the end to the next POST, in real time, by what the simulator's door sees.
func benchIdle(ctx context.Context, b *bench) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, idleTimeout)
	defer cancel()
	rdb, err := b.redis()
	if err != nil {
		return nil, err
	}
	// Fewer calls per extension than its Heavy quota, so that no gap is a wait for the quota.
	t, each := team{extensions: b.size(40, 20), linesEach: 1}, 5
	d := &door{
		sim: ringouttest.New(ringouttest.Config{Ending: func(number string, _ int) ringouttest.Ending {
			return ringouttest.Ending{
				Name: ringouttest.Answered, Answer: time.Second, Ring: time.Second,
				Talk: time.Second + time.Duration(number[len(number)-1]-'0')*400*time.Millisecond,
			}
		}}),
		lines: map[string]string{}, ended: map[string]time.Time{},
	}
	url, err := b.serve(ctx, &http.Server{Handler: d, ReadHeaderTimeout: 5 * time.Second})
	if err != nil {
		return nil, err
	}
	if err := b.importFor(ctx, rdb, t.lines()*each); err != nil {
		return nil, err
	}
	w, err := b.startWorker(ctx, rdb, url, t)
	if err != nil {
		return nil, err
	}
	if err := await(ctx, rdb, w.stopped, over); err != nil {
		return nil, fmt.Errorf("%w; the worker said: %s", err, w.last())
	}
	gaps := d.measured()
	if wanted := t.lines() * (each - 2); len(gaps) < wanted {
		return nil, fmt.Errorf("only %d gaps were seen, %d wanted", len(gaps), wanted)
	}
	p95 := quantile(gaps, 0.95)
	ms := func(seconds float64) string { return fmt.Sprintf("%.0f ms", 1000*seconds) }
	return []row{{
		name: "idle gap of a line, p95", measured: ms(p95), target: "<= 300 ms", verdict: met(p95 <= idleMost.Seconds()),
		note: fmt.Sprintf("%d gaps on %d lines, real time: from the poll's answer to the next POST; median %s, longest %s",
			len(gaps), t.lines(), ms(quantile(gaps, 0.5)), ms(quantile(gaps, 1))),
	}}, nil
}

// door stands before the simulator and takes the time of what goes through.
type door struct {
	sim http.Handler

	mu    sync.Mutex
	lines map[string]string    // by call id: the number that was dialled from
	ended map[string]time.Time // by line: when an answer first showed the end of its last call
	gaps  []float64            // seconds
}

// seen is what the door reads off requests and answers.
type seen struct {
	ID   string `json:"id"`
	From struct {
		PhoneNumber string `json:"phoneNumber"`
	} `json:"from"`
	Status struct {
		Caller string `json:"callerStatus"`
		Callee string `json:"calleeStatus"`
	} `json:"status"`
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	place := r.Method == http.MethodPost && path.Base(r.URL.Path) == "ring-out"
	poll := r.Method == http.MethodGet && path.Base(path.Dir(r.URL.Path)) == "ring-out"
	if !place && !poll {
		d.sim.ServeHTTP(w, r)
		return
	}
	var asked, answered seen
	if place {
		came := time.Now()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		_ = json.Unmarshal(body, &asked) // the simulator refuses what cannot be read
		d.dialled(asked.From.PhoneNumber, came)
	}
	copied := &copying{ResponseWriter: w}
	d.sim.ServeHTTP(copied, r)
	if json.Unmarshal(copied.body.Bytes(), &answered) != nil || answered.ID == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if place {
		d.lines[answered.ID] = asked.From.PhoneNumber
		return
	}
	finished := string(ringout.Finished)
	if line := d.lines[answered.ID]; answered.Status.Caller == finished && answered.Status.Callee == finished {
		if _, known := d.ended[line]; !known {
			d.ended[line] = time.Now()
		}
	}
}

// dialled notes the gap before a dial, where the line had a call before.
func (d *door) dialled(line string, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ended, ok := d.ended[line]; ok {
		d.gaps = append(d.gaps, at.Sub(ended).Seconds())
		delete(d.ended, line)
	}
}

func (d *door) measured() []float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gaps
}

// copying keeps what is written.
type copying struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (c *copying) Write(p []byte) (int, error) {
	c.body.Write(p)
	return c.ResponseWriter.Write(p)
}
