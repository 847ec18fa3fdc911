package ringout

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// TestPlaceSendBy lets the time to send pass at the last step before the request is written: after the connection stands.
func TestPlaceSendBy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		by     time.Duration // from the start
		placed bool
	}{
		{"in time", time.Minute, true},
		{"any time", 0, true},
		{"past already", -time.Second, false},
		{"past once connected", 100 * time.Millisecond, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var posts atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.URL.Path == tokenPath {
					_, _ = w.Write([]byte(`{"access_token":"t","token_type":"bearer","expires_in":3600}`))
					return
				}
				posts.Add(1) // a header alone is too much
				if _, err := io.ReadAll(r.Body); err != nil {
					return
				}
				_, _ = w.Write([]byte(`{"id":"1","status":{"callStatus":"InProgress"}}`))
			}))
			t.Cleanup(server.Close)
			call := someCall()
			var until atomic.Pointer[time.Time]
			transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				if by := until.Load(); by != nil { // connecting takes until then
					<-time.After(time.Until(*by))
				}
				return conn, err
			}}
			c, err := New(Config{
				Server: server.URL, ClientID: "id", ClientSecret: "secret", JWT: "jwt", Transport: transport,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Login(t.Context()); err != nil {
				t.Fatal(err)
			}
			if test.by != 0 {
				call.SendBy = time.Now().Add(test.by)
			}
			if !test.placed {
				until.Store(&call.SendBy)
			}
			_, err = c.Place(t.Context(), call)
			if test.placed {
				if err != nil || posts.Load() != 1 {
					t.Errorf("Place: %v, %d requests, want one", err, posts.Load())
				}
				return
			}
			if !errors.Is(err, ErrTooLate) || kindOfError(err) != NotSent {
				t.Errorf("Place: %v, want %v, which is not sent", err, ErrTooLate)
			}
			if n := posts.Load(); n != 0 {
				t.Errorf("%d requests arrived", n)
			}
		})
	}
}
