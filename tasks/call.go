// Package tasks is ringqueue's use of Asynq: the task, bulk enqueueing, the handler, and which result becomes which
// Asynq outcome.
//
// A campaign is two Asynq queues: NAME for first calls and NAME.again for later rounds, which go first. A task carries ids
// only; the ledger has the row, and alone says what was done.
package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
)

// TypeCall is the task that brings one round of one contact to its end.
const TypeCall = "ringqueue:call"

// againSuffix marks the queue of later rounds. Campaign names have no dot, so no campaign's queue ends like this.
const againSuffix = ".again"

// CallPayload is the wire format of a call task: JSON, ids only, only additive changes.
type CallPayload struct {
	Version  int    `json:"v"` // 1
	Campaign string `json:"campaign"`
	Contact  string `json:"contact"`
	Round    int    `json:"round"` // from 1
}

// Queues are the two Asynq queues of a campaign: first calls and later rounds.
func Queues(campaign string) (first, again string) { return campaign, campaign + againSuffix }

func queueOf(campaign string, round int) string {
	first, again := Queues(campaign)
	if round > 1 {
		return again
	}
	return first
}

func taskID(campaign, contact string, round int) string {
	return campaign + ":" + contact + ":" + strconv.Itoa(round)
}

const (
	// Asynq retries a deferral for ever: the ledger, not a retry count, says when a contact has had enough.
	maxRetry = 1 << 30
	// A handler holds its task as long as its call lasts.
	taskTimeout = 24 * time.Hour
	// Finished tasks stay readable in the monitor for a day.
	retention = 24 * time.Hour
)

// NewCallTask makes the task for a contact's round and the options that it is enqueued with. Its id is
// campaign:contact:round, so enqueueing it again changes nothing.
func NewCallTask(campaign, contact string, round int, at time.Time) (*asynq.Task, []asynq.Option, error) {
	payload, err := json.Marshal(CallPayload{Version: 1, Campaign: campaign, Contact: contact, Round: round})
	if err != nil {
		return nil, nil, fmt.Errorf("encode call task: %w", err)
	}
	opts := []asynq.Option{
		asynq.TaskID(taskID(campaign, contact, round)), asynq.Queue(queueOf(campaign, round)), asynq.MaxRetry(maxRetry), asynq.Timeout(taskTimeout), asynq.Retention(retention),
	}
	if !at.IsZero() {
		// Asynq keeps whole seconds and would start a task up to a second early.
		opts = append(opts, asynq.ProcessAt(ceilSecond(at)))
	}
	return asynq.NewTask(TypeCall, payload), opts, nil
}

func parsePayload(t *asynq.Task) (CallPayload, error) {
	var p CallPayload
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		return p, fmt.Errorf("decode call task: %w", err)
	}
	if p.Version != 1 || p.Campaign == "" || p.Contact == "" || p.Round < 1 {
		return p, errors.New("decode call task: not a version 1 payload with campaign, contact and round")
	}
	return p, nil
}

func ceilSecond(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second)
	}
	return t
}

// DeferError ends a task for now without failing it: Asynq runs it again after After.
type DeferError struct {
	After    time.Duration
	Reason   string        // readable, nothing personal: the monitor shows it
	Campaign time.Duration // if positive, how long no other task of the campaign is taken by this worker either
}

func (e *DeferError) Error() string { return e.Reason }

// RetryDelay is Asynq's RetryDelayFunc: a deferral's own delay in whole seconds, else 10 s.
func RetryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	if d, ok := errors.AsType[*DeferError](err); ok {
		return max(ceilDuration(d.After), time.Second)
	}
	return 10 * time.Second
}

// IsFailure tells Asynq that a deferral is no failure.
func IsFailure(err error) bool {
	_, deferred := errors.AsType[*DeferError](err)
	return !deferred
}

func ceilDuration(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
