package line

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

var (
	alice = Line{Name: "alice", Number: "+16505550001", Team: "sales"}
	refA  = campaign.Ref{Campaign: "renewals", Contact: "a", Token: "t1"}
	refB  = campaign.Ref{Campaign: "renewals", Contact: "b", Token: "t2"}
)

// desk is the store on a Redis of its own.
type desk struct {
	store
	t   *testing.T
	rdb *redis.Client
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	rdb := redistest.Start(t).Client(t)
	return &desk{store: newStore(rdb), t: t, rdb: rdb}
}

func (d *desk) lease(worker string, ttl time.Duration) record {
	d.t.Helper()
	rec, err := d.takeLease(d.t.Context(), worker, ttl, wish{line: alice})
	if err != nil {
		d.t.Fatal(err)
	}
	return rec
}

func (d *desk) wantLease(worker string, want record) {
	d.t.Helper()
	got := d.lease(worker, time.Minute)
	if want.rest > 0 && got.rest > want.rest-time.Minute && got.rest <= want.rest {
		got.rest = want.rest
	}
	if !reflect.DeepEqual(got, want) {
		d.t.Fatalf("%s leases: %+v, want %+v", worker, got, want)
	}
}

func (d *desk) occupy(worker string, ref campaign.Ref, ok bool) {
	d.t.Helper()
	for range 2 {
		err := d.takeLine(d.t.Context(), worker, alice.Number, ref)
		if ok && err != nil || !ok && !errors.Is(err, errNotFree) {
			d.t.Fatalf("%s occupies with %s: %v, want success: %v", worker, ref.Token, err, ok)
		}
	}
}

func (d *desk) leave(token string, rest State, span time.Duration) {
	d.t.Helper()
	for range 2 {
		if _, err := d.freeLine(d.t.Context(), alice.Number, token, end{rest: rest, d: span}); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *desk) info() Info {
	d.t.Helper()
	if err := d.rdb.SAdd(d.t.Context(), keyLines, alice.Number).Err(); err != nil {
		d.t.Fatal(err)
	}
	list, err := List(d.t.Context(), d.rdb)
	if err != nil || len(list) != 1 {
		d.t.Fatalf("list: %+v, %v", list, err)
	}
	return list[0]
}

func TestALeaseIsOneWorkers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.wantLease("w1", record{ours: true})
	d.wantLease("w1", record{ours: true})
	d.wantLease("w2", record{})
	if got := d.info(); got.Worker != "w1" || got.Name != "alice" || got.Team != "sales" || got.Seen.IsZero() {
		t.Fatalf("info %+v", got)
	}
	if err := errors.Join(d.giveLeases(t.Context(), "w2", []string{alice.Number})...); err != nil {
		t.Fatal(err)
	}
	d.wantLease("w2", record{})
	for range 2 {
		if err := errors.Join(d.giveLeases(t.Context(), "w1", []string{alice.Number})...); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.info(); got.Worker != "" {
		t.Fatalf("a line that was given back has the worker %s", got.Worker)
	}
	d.wantLease("w2", record{ours: true, taken: true})
	d.wantLease("w2", record{ours: true})
	d.wantLease("w1", record{})
}

func TestALeaseEndsByRedisTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	d.lease("w1", 30*time.Millisecond)
	end, err := d.rdb.HGet(ctx, keyLine(alice.Number), "lease").Int64()
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec := d.lease("w2", time.Minute)
		now, err := d.rdb.Time(ctx).Result()
		if err != nil {
			t.Fatal(err)
		}
		if rec.ours {
			if now.UnixMilli() < end || !rec.taken {
				t.Fatalf("leased %+v at %d, the other's lease ends at %d", rec, now.UnixMilli(), end)
			}
			break
		}
		if now.UnixMilli() > end+1000 {
			t.Fatal("the lease does not end")
		}
	}
	d.occupy("w1", refA, false)
	d.wantLease("w1", record{})
}

func TestOccupancy(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.occupy("w1", refA, false) // without a lease
	d.lease("w1", time.Minute)
	d.occupy("w2", refA, false) // of another
	d.occupy("w1", refA, true)
	d.occupy("w1", refB, false) // taken
	held := record{ours: true, state: Occupied, ref: refA}
	d.wantLease("w1", held)
	if got := d.info(); got.State != Occupied || got.Campaign != "renewals" || got.Contact != "a" || got.Since.IsZero() {
		t.Fatalf("info %+v", got)
	}
	d.leave(refB.Token, WrapUp, time.Hour) // another's token frees nothing
	d.wantLease("w1", held)
	if since, held, err := d.block(t.Context(), alice.Number, refB.Token, "why"); err != nil || held || !since.IsZero() {
		t.Fatalf("another's token blocks the line since %s: %t, %v", since, held, err)
	}
	d.wantLease("w1", held)

	for range 2 { // since when, it says the same each time
		since, ok, err := d.block(t.Context(), alice.Number, refA.Token, "why")
		if err != nil || !ok || since.IsZero() || !held.blocked.IsZero() && !since.Equal(held.blocked) {
			t.Fatalf("blocked since %s: %t, %v", since, ok, err)
		}
		held.blocked = since
	}
	held.state = Blocked
	if got := d.info(); got.Note != "why" || !got.Blocked.Equal(held.blocked) {
		t.Fatalf("info %+v", got)
	}
	d.wantLease("w1", held)
	d.occupy("w1", refB, false)
	// A lease that ends leaves the occupancy as it is.
	if err := errors.Join(d.giveLeases(t.Context(), "w1", []string{alice.Number})...); err != nil {
		t.Fatal(err)
	}
	held.taken = true
	d.wantLease("w2", held)

	d.leave(refA.Token, Free, 0)
	d.wantLease("w2", record{ours: true})
	d.occupy("w2", refB, true)
	d.leave(refA.Token, Free, 0) // late
	d.wantLease("w2", record{ours: true, state: Occupied, ref: refB})
}

func TestRest(t *testing.T) {
	t.Parallel()
	for _, rest := range []State{WrapUp, Cooling} {
		t.Run(string(rest), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.lease("w1", time.Minute)
			d.occupy("w1", refA, true)
			d.leave(refA.Token, rest, time.Hour)
			d.wantLease("w1", record{ours: true, state: rest, rest: time.Hour})
			d.occupy("w1", refB, false)
			if got := d.info(); got.State != rest || time.Until(got.Until) < 59*time.Minute || got.Contact != "" {
				t.Fatalf("info %+v", got)
			}
			// The end of the rest by Redis's clock.
			if err := d.rdb.HSet(t.Context(), keyLine(alice.Number), "until", time.Now().Add(-time.Second).UnixMilli()).Err(); err != nil {
				t.Fatal(err)
			}
			if got := d.info(); got.State != Free {
				t.Fatalf("info %+v, want a free line", got)
			}
			d.wantLease("w1", record{ours: true})
			d.occupy("w1", refB, true)
		})
	}
}

func TestListIsByTeamAndName(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, l := range []Line{
		{Name: "zoe", Number: "+16505550009", Team: "sales"}, {Name: "bob", Number: "+16505550008", Team: "support"}, alice,
	} {
		if _, err := d.takeLease(t.Context(), "w1", time.Minute, wish{line: l, note: "note " + l.Name}); err != nil {
			t.Fatal(err)
		}
		if err := d.rdb.SAdd(t.Context(), keyLines, l.Number).Err(); err != nil {
			t.Fatal(err)
		}
	}
	list, err := List(t.Context(), d.rdb)
	if err != nil {
		t.Fatal(err)
	}
	var names, notes []string
	for _, l := range list {
		names, notes = append(names, l.Name), append(notes, l.Note)
	}
	if want := []string{"alice", "zoe", "bob"}; !reflect.DeepEqual(names, want) || notes[2] != "note bob" {
		t.Fatalf("lines %v, %v; want %v", names, notes, want)
	}
}
