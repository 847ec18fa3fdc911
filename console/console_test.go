package console

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

func TestCheckAddr(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		"127.0.0.1:8080": true, "[::1]:0": true, "localhost:9": true,
		"0.0.0.0:8080": false, ":8080": false, "192.0.2.1:80": false, "example.com:80": false, "8080": false, "": false,
	} {
		if err := CheckAddr(addr); (err == nil) != ok {
			t.Errorf("CheckAddr(%q) = %v, want accepted: %t", addr, err, ok)
		}
	}
}

func serve(t *testing.T) (get func(method, path, host string) (int, string)) {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	client := asynq.NewClientFromRedisClient(rdb)
	if _, err := client.EnqueueContext(t.Context(), asynq.NewTask("ringqueue:call", []byte(`{"contact":"1042"}`)), asynq.Queue("renewals")); err != nil {
		t.Fatal(err)
	}
	handler := NewServer(rdb).Handler
	return func(method, path, host string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		body, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.Code, string(body)
	}
}

func TestMonitorShowsQueuesAndChangesNothing(t *testing.T) {
	t.Parallel()
	get := serve(t)
	if code, body := get(http.MethodGet, "/monitor/api/queues/renewals/pending_tasks", "127.0.0.1:8080"); code != http.StatusOK || !strings.Contains(body, "1042") {
		t.Errorf("pending tasks: %d %s", code, body)
	}
	if code, body := get(http.MethodGet, "/monitor/", "127.0.0.1:8080"); code != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("page: %d %.80s", code, body)
	}
	for _, r := range []struct{ method, path string }{
		{http.MethodPost, "/monitor/api/queues/renewals:pause"},
		{http.MethodDelete, "/monitor/api/queues/renewals/pending_tasks:delete_all"},
		{http.MethodDelete, "/monitor/api/queues/renewals"},
	} {
		if code, _ := get(r.method, r.path, "127.0.0.1:8080"); code != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d, want 405", r.method, r.path, code)
		}
	}
	if code, body := get(http.MethodGet, "/monitor/api/queues/renewals/pending_tasks", "localhost"); code != http.StatusOK || !strings.Contains(body, "1042") {
		t.Errorf("after all that the task is gone: %d %s", code, body)
	}
}

func TestForeignHost(t *testing.T) {
	t.Parallel()
	get := serve(t)
	for host, want := range map[string]int{
		"127.0.0.1:8080": http.StatusOK, "localhost": http.StatusOK, "[::1]:8080": http.StatusOK,
		"evil.example:8080": http.StatusMisdirectedRequest, "127.0.0.1.evil.example": http.StatusMisdirectedRequest, "": http.StatusMisdirectedRequest,
	} {
		if code, _ := get(http.MethodGet, "/healthz", host); code != want {
			t.Errorf("Host %q: %d, want %d", host, code, want)
		}
	}
}
