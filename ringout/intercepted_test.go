package ringout_test

import (
	"errors"
	"testing"

	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// A page of a web filter says nothing of the password, of permissions, of calls or of numbers.
func TestPagesOfWebFilters(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		op     ringouttest.Operation
		status int
		ask    func(c *ringout.Client) error
		never  error
	}{
		{"login", ringouttest.OpToken, 403, func(c *ringout.Client) error { return c.Login(t.Context()) }, ringout.ErrCredentials},
		{"login, 401", ringouttest.OpToken, 401, func(c *ringout.Client) error { return c.Login(t.Context()) }, ringout.ErrCredentials},
		{"place", ringouttest.OpPlace, 403, func(c *ringout.Client) error {
			_, err := c.Place(t.Context(), ringout.Call{From: ringout.Endpoint{PhoneNumber: "+16505550001"}, To: "+14155550130"})
			return err
		}, ringout.ErrForbidden},
		{"status", ringouttest.OpStatus, 404, func(c *ringout.Client) error { _, err := c.Status(t.Context(), "1"); return err }, ringout.ErrNotFound},
		{"status 401", ringouttest.OpStatus, 401, func(c *ringout.Client) error { _, err := c.Status(t.Context(), "1"); return err }, ringout.ErrUnauthorized},
		{"presence", ringouttest.OpPresence, 403, func(c *ringout.Client) error { _, err := c.Presence(t.Context()); return err }, ringout.ErrForbidden},
		{"call log", ringouttest.OpCallLog, 403, func(c *ringout.Client) error {
			_, err := c.CallLog(t.Context(), ringout.LogQuery{})
			return err
		}, ringout.ErrForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sim := ringouttest.New(ringouttest.Config{})
			c, err := ringout.New(ringout.Config{
				Server: "https://platform.ringcentral.com", ClientID: "id", ClientSecret: "secret", JWT: "jwt", Transport: sim.Transport(),
			})
			if err != nil {
				t.Fatal(err)
			}
			if test.op != ringouttest.OpToken {
				if err := c.Login(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			sim.Inject(ringouttest.Fault{Operation: test.op, Effect: ringouttest.AnswerStatus, Status: test.status, HTML: true, Times: -1})
			err = test.ask(c)
			if !errors.Is(err, ringout.ErrIntercepted) || errors.Is(err, test.never) {
				t.Errorf("got %v", err)
			}
			var e *ringout.Error
			if !errors.As(err, &e) || e.Kind != ringout.Refused || e.Status != test.status {
				t.Errorf("got %+v", e)
			}
		})
	}
}
