package line

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestQueueServesLaterRoundsFirstThenInOrder(t *testing.T) {
	t.Parallel()
	q := newQueue()
	var want [5]*waiter
	for i, again := range []bool{false, true, false, true, true} {
		want[i] = &waiter{campaign: "a", priority: 1, again: again}
		q.join(want[i])
	}
	for _, i := range []int{1, 3, 4, 0, 2} {
		if got := q.next(); got != want[i] {
			t.Fatalf("served another than waiter %d", i)
		}
	}
	if q.next() != nil || len(q.pass) > 1 || len(q.waiting) != 0 {
		t.Fatalf("left over: %+v", q)
	}
}

func TestQueueSharesByWeight(t *testing.T) {
	t.Parallel()
	q := newQueue()
	weights := map[string]int{"a": 1, "b": 2, "c": 5}
	join := func(name string) { q.join(&waiter{campaign: name, priority: weights[name]}) }
	for name := range weights {
		join(name)
		join(name)
	}
	served := map[string]int{}
	for range 800 {
		w := q.next()
		served[w.campaign]++
		join(w.campaign)
	}
	for name, weight := range weights {
		if want := 100 * weight; served[name] < want-1 || served[name] > want+1 {
			t.Errorf("%s was served %d times, want %d", name, served[name], want)
		}
	}
	// One that comes late has no credit for the time before.
	q.join(&waiter{campaign: "d", priority: 1})
	q.join(&waiter{campaign: "d", priority: 1})
	first, second := -1, -1
	for i := range 20 {
		w := q.next()
		if w.campaign != "d" {
			join(w.campaign)
			continue
		}
		if first < 0 {
			first = i
		} else {
			second = i
		}
	}
	if second-first < 7 {
		t.Errorf("the newcomer was served at %d and %d, want the weights' 8 turns between", first, second)
	}
}

func TestQueueProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue()
		var waiting []*waiter // in the order of their coming
		weights := map[string]int{}
		for i := range 4 {
			weights["c"+strconv.Itoa(i)] = rapid.IntRange(0, 4).Draw(t, "weight")
		}
		// served counts turns per campaign since all of those that wait now have waited.
		served := map[string]int{}
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				w := &waiter{
					campaign: "c" + strconv.Itoa(rapid.IntRange(0, 3).Draw(t, "campaign")), again: rapid.Bool().Draw(t, "again"),
				}
				w.priority = weights[w.campaign]
				if !slices.ContainsFunc(waiting, func(o *waiter) bool { return o.campaign == w.campaign }) {
					clear(served)
				}
				waiting = append(waiting, w)
				q.join(w)
			},
			"leave": func(t *rapid.T) {
				if len(waiting) == 0 {
					return
				}
				i := rapid.IntRange(0, len(waiting)-1).Draw(t, "who")
				w := waiting[i]
				waiting = slices.Delete(waiting, i, i+1)
				clear(served)
				if !q.leave(w) {
					t.Fatal("one who waits could not leave")
				}
				if q.leave(w) {
					t.Fatal("one left twice")
				}
			},
			"next": func(t *rapid.T) {
				w := q.next()
				if (w == nil) != (len(waiting) == 0) {
					t.Fatalf("next is %v of %d waiting", w, len(waiting))
				}
				if w == nil {
					return
				}
				i := slices.Index(waiting, w)
				if i < 0 {
					t.Fatal("served one who does not wait")
				}
				for j, other := range waiting {
					if other.campaign != w.campaign || other == w {
						continue
					}
					if other.again && !w.again || other.again == w.again && j < i {
						t.Fatalf("served %+v, but %+v was before it", w, other)
					}
				}
				waiting = slices.Delete(waiting, i, i+1)
				if q.leave(w) {
					t.Fatal("one who was served could leave")
				}
				served[w.campaign]++
				for name, n := range served {
					for other := range weights {
						waits := slices.ContainsFunc(waiting, func(o *waiter) bool { return o.campaign == other })
						ratio := float64(n-2)/float64(max(weights[name], 1)) - float64(served[other]+1)/float64(max(weights[other], 1))
						if waits && ratio > 1e-6 {
							t.Fatalf("%s was served %d times, %s, which waits, %d: weights %v", name, n, other, served[other], weights)
						}
					}
				}
				if !slices.ContainsFunc(waiting, func(o *waiter) bool { return o.campaign == w.campaign }) {
					clear(served)
				}
			},
			"": func(t *rapid.T) {
				n := 0
				for _, list := range q.waiting {
					n += len(list)
				}
				if n != len(waiting) || len(q.pass) > len(weights) {
					t.Fatalf("%d wait, want %d; %d passes are kept", n, len(waiting), len(q.pass))
				}
			},
		})
	})
}
