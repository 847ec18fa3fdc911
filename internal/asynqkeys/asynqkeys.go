// Package asynqkeys is the one place that knows how Asynq names its keys and fields in Redis. They are not part of Asynq's
// interface: a test compares each with what Asynq's public functions really write.
//
// They serve what Asynq offers no way for: to read whether a queue is paused and how much it holds without its own
// statistics, which run MEMORY and fail on one id whose task is gone, and to delete in bounded steps.
package asynqkeys

import "time"

// Keys that are not of one queue.
const (
	Queues  = "asynq:queues"  // set of the queues that there are
	Servers = "asynq:servers" // sorted set of the servers that run
)

// Fields of a task's hash.
const (
	Message = "msg"   // the encoded task; a hash without it is what is left of one
	State   = "state" // active, pending, scheduled, retry, archived, completed
)

// The states of a task as its hash has them.
const (
	StateActive    = "active"
	StatePending   = "pending"
	StateScheduled = "scheduled"
	StateRetry     = "retry"
	StateArchived  = "archived"
	StateCompleted = "completed"
)

// All keys of one queue share a hash tag.
func prefix(queue string) string { return "asynq:{" + queue + "}:" }

// Pending is the list of ids of tasks that may be taken; new ones come in at its head and leave at its tail.
func Pending(queue string) string { return prefix(queue) + "pending" }

// Active is the list of ids of tasks that a server has taken.
func Active(queue string) string { return prefix(queue) + "active" }

// Lease is the sorted set of active tasks by the second until which their server has them.
func Lease(queue string) string { return prefix(queue) + "lease" }

// Scheduled is the sorted set of tasks by the second at which they are due.
func Scheduled(queue string) string { return prefix(queue) + "scheduled" }

// Retry is the sorted set of tasks that were put off, by the second at which they are due.
func Retry(queue string) string { return prefix(queue) + "retry" }

// Archived is the sorted set of tasks that are given up, by the second at which they were.
func Archived(queue string) string { return prefix(queue) + "archived" }

// Completed is the sorted set of finished tasks by the second at which they expire.
func Completed(queue string) string { return prefix(queue) + "completed" }

// Paused is the key that is there while the queue is paused. Its value is the second since when.
func Paused(queue string) string { return prefix(queue) + "paused" }

// Tasks is what the keys of a queue's tasks begin with; an id follows.
func Tasks(queue string) string { return prefix(queue) + "t:" }

// Task is a task's hash.
func Task(queue, id string) string { return Tasks(queue) + id }

// Processed is the count of tasks that the queue ever processed.
func Processed(queue string) string { return prefix(queue) + "processed" }

// Failed is the count of tasks of the queue that ever failed.
func Failed(queue string) string { return prefix(queue) + "failed" }

const (
	dateLayout = "2006-01-02"
	keptDays   = 92 // Asynq keeps its daily counts for a quarter
)

// Statistics are all keys of a queue's counts that Asynq may still have; now is the day up to which.
func Statistics(queue string, now time.Time) []string {
	keys := []string{Processed(queue), Failed(queue)}
	today := now.UTC()
	for day := range keptDays {
		date := today.AddDate(0, 0, 1-day).Format(dateLayout) // clocks differ: from tomorrow on
		keys = append(keys, Processed(queue)+":"+date, Failed(queue)+":"+date)
	}
	return keys
}

// Sets are the keys of all a queue's lists and sets of ids, its pause mark among them. Statistics and tasks come on top.
func Sets(queue string) []string {
	return []string{
		Pending(queue), Active(queue), Lease(queue), Scheduled(queue), Retry(queue), Archived(queue), Completed(queue),
		Paused(queue), prefix(queue) + "groups", prefix(queue) + "aggregation_sets",
	}
}
