package line

// waiter is a handler that wants a line.
type waiter struct {
	campaign string
	priority int  // weight among the team's campaigns, at least 1
	again    bool // a later round, which goes before first calls
	ready    chan *owned
}

// queue shares a team's idle lines among the campaigns that wait for one: by weight between campaigns (stride
// scheduling), later rounds before first calls within one, then in order. The pool's lock guards it.
type queue struct {
	idle    []*owned // longest idle first
	waiting map[string][]*waiter
	pass    map[string]float64 // how much each campaign had, divided by its weight
	clock   float64            // the pass of the campaign served last; newcomers start there
}

func newQueue() *queue {
	return &queue{waiting: map[string][]*waiter{}, pass: map[string]float64{}}
}

func (q *queue) join(w *waiter) {
	list := q.waiting[w.campaign]
	if len(list) == 0 {
		q.pass[w.campaign] = max(q.pass[w.campaign], q.clock)
	}
	i := len(list)
	if w.again {
		for i = 0; i < len(list) && list[i].again; i++ {
		}
	}
	list = append(list, nil)
	copy(list[i+1:], list[i:])
	list[i] = w
	q.waiting[w.campaign] = list
}

// leave removes a waiter; false if it has been served.
func (q *queue) leave(w *waiter) bool {
	list := q.waiting[w.campaign]
	for i, other := range list {
		if other == w {
			q.waiting[w.campaign] = append(list[:i:i], list[i+1:]...)
			q.forget(w.campaign)
			return true
		}
	}
	return false
}

// next takes the waiter whose turn it is, or nil.
func (q *queue) next() *waiter {
	turn := ""
	for name, list := range q.waiting {
		if len(list) == 0 {
			continue
		}
		if turn == "" || q.pass[name] < q.pass[turn] || (q.pass[name] == q.pass[turn] && name < turn) {
			turn = name
		}
	}
	if turn == "" {
		return nil
	}
	w := q.waiting[turn][0]
	q.waiting[turn] = q.waiting[turn][1:]
	q.clock = q.pass[turn]
	q.pass[turn] += 1 / float64(max(w.priority, 1))
	q.forget(turn)
	return w
}

// forget drops the bookkeeping of campaigns long gone; those that were served just now keep their pass.
func (q *queue) forget(name string) {
	if len(q.waiting[name]) == 0 {
		delete(q.waiting, name)
	}
	for other, pass := range q.pass {
		if _, waits := q.waiting[other]; !waits && pass <= q.clock {
			delete(q.pass, other)
		}
	}
}

func (q *queue) remove(l *owned) {
	for i, other := range q.idle {
		if other == l {
			q.idle = append(q.idle[:i:i], q.idle[i+1:]...)
			return
		}
	}
}
