// Command producer puts contacts into a campaign from Go: one that has just asked for a call-back, and a stream of them from
// wherever they are kept. Run it from this folder against the Redis of REDIS_URL:
//
//	go run . ../renewals.yaml
package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign/campaignfile"
	"github.com/ringqueue/ringqueue/tasks"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "producer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	if len(os.Args) != 2 {
		return errors.New("give it a campaign file, such as ../renewals.yaml")
	}
	src, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	rules, err := campaignfile.Parse(os.Args[1], src)
	if err != nil {
		return err
	}
	address := os.Getenv("REDIS_URL")
	if address == "" {
		address = "redis://127.0.0.1:6379/0"
	}
	options, err := redis.ParseURL(address)
	if err != nil {
		return err
	}
	rdb := redis.NewClient(options)
	defer func() { err = errors.Join(err, rdb.Close()) }()

	intake, err := tasks.NewProducer(rdb).Open(ctx, rules, tasks.Open{Columns: []string{"policy"}})
	if err != nil {
		return err
	}
	// One contact. Running this again calls nobody twice.
	answer, held, err := intake.Call(ctx, tasks.Contact{Number: "+1 212 555 0142", Name: "Ada Example", Values: []string{"A-1"}})
	if err != nil {
		return err
	}
	fmt.Println("Ada:", answer, held)

	// Many of them, in constant memory.
	tally, err := intake.Stream(ctx, policies(), func(i int, _ tasks.Contact, err error) {
		fmt.Printf("policy %d is left out: %v\n", i, err)
	})
	fmt.Printf("%d are new, %d were there, %d are left out\n", tally.Added, tally.Known+tally.Duplicates, tally.Rejected)
	return err
}

// policies stands for a query of your database.
func policies() iter.Seq[tasks.Contact] {
	return func(yield func(tasks.Contact) bool) {
		for i := range 100 {
			number := fmt.Sprintf("+1 212 555 %04d", 100+i)
			if i == 50 {
				number = "ext. 12" // somebody's typing
			}
			if !yield(tasks.Contact{Number: number, ID: fmt.Sprintf("policy-%d", i), Values: []string{fmt.Sprintf("P-%d", i)}}) {
				return
			}
		}
	}
}
