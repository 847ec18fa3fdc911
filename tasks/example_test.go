package tasks_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign/campaignfile"
	"github.com/ringqueue/ringqueue/tasks"
)

// The five lines that put a contact into a campaign.
func ExampleProducer_Open() {
	ctx := context.Background()
	server := miniredis.NewMiniRedis() // yours is a real one
	if err := server.Start(); err != nil {
		panic(err)
	}
	defer server.Close()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})

	rules, err := campaignfile.Parse("callbacks.yaml", []byte("name: callbacks\ncalling_hours: always"))
	if err != nil {
		panic(err)
	}
	intake, err := tasks.NewProducer(rdb).Open(ctx, rules, tasks.Open{})
	if err != nil {
		panic(err)
	}
	for _, number := range []string{"+1 650 555 0123", "(650) 555-0123", "5551"} {
		answer, _, err := intake.Call(ctx, tasks.Contact{Number: number, Name: "Ada Example"})
		fmt.Println(answer, err)
	}
	// Output:
	// queued <nil>
	// already_in <nil>
	//  the number is not a valid number; write it with + and country code
}
