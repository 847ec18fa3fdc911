package ringout_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/ringqueue/ringqueue/ringout"
)

func Example() {
	server := httptest.NewServer(http.HandlerFunc(ringcentral)) // https://platform.ringcentral.com in earnest
	defer server.Close()

	client, err := ringout.New(ringout.Config{
		Server:       server.URL,
		ClientID:     "client-id",
		ClientSecret: "client-secret",
		JWT:          "jwt",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := client.Login(ctx); err != nil {
		fmt.Println(err)
		return
	}

	placed, err := client.Place(ctx, ringout.Call{
		From: ringout.Endpoint{PhoneNumber: "+16505550001"},
		To:   "+442071838750",
	})
	var failed *ringout.Error
	switch {
	case err == nil:
		fmt.Println("placed", placed.ID, placed.Call)
	case errors.As(err, &failed) && failed.Kind == ringout.Unknown:
		fmt.Println("a phone may be ringing; never place it again blindly:", err)
		return
	default:
		fmt.Println("no phone rang:", err)
		return
	}

	now, err := client.Status(ctx, placed.ID)
	if errors.Is(err, ringout.ErrNotFound) {
		fmt.Println("the call is over")
		return
	}
	fmt.Println("caller", now.Caller, "callee", now.Callee, err)
	// Output:
	// placed 234343434 InProgress
	// caller Success callee InProgress <nil>
}

// ringcentral is just enough of it for the example.
func ringcentral(w http.ResponseWriter, r *http.Request) {
	const ringOut = "/restapi/v1.0/account/~/extension/~/ring-out"
	var answer string
	switch r.Method + " " + r.URL.Path {
	case "POST /restapi/oauth/token":
		answer = `{"access_token": "token", "token_type": "bearer", "expires_in": 3600}`
	case "POST " + ringOut:
		answer = `{"id": 234343434, "status": {
			"callStatus": "InProgress", "callerStatus": "InProgress", "calleeStatus": "InProgress"}}`
	case "GET " + ringOut + "/234343434":
		answer = `{"id": 234343434, "status": {
			"callStatus": "InProgress", "callerStatus": "Success", "calleeStatus": "InProgress"}}`
	default:
		http.NotFound(w, r)
		return
	}
	_, _ = io.WriteString(w, answer)
}
