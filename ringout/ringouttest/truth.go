package ringouttest

import "maps"

import "time"

// Truth is what really happened, whatever clients were told. Its JSON is what GET /simulator/truth answers.
type Truth struct {
	At       time.Time `json:"at"`       // the simulator's clock when this was taken
	Dials    []Dial    `json:"dials"`    // every RingOut that rang or could have rung a phone, in order
	Refusals []Refusal `json:"refusals"` // every RingOut that was refused; no phone rang
	Overlaps []Overlap `json:"overlaps"` // dials on a phone that was in use
	Requests []Count   `json:"requests"` // per extension and group
	// OverQuota lists the requests that found their window full. Answers of an injected 429 are not among them.
	OverQuota []Request `json:"over_quota"`
	// InPenalty lists the requests sent during a penalty, injected ones included.
	InPenalty []Request `json:"in_penalty"`
	Logins    []Login   `json:"logins"` // requests to the token endpoint that were looked at
}

// Dial is one RingOut that was placed. What has not happened yet, or never does, is a zero time.
type Dial struct {
	At         time.Time `json:"at"`
	Extension  string    `json:"extension"`
	From       string    `json:"from"`
	To         string    `json:"to"`
	CallerID   string    `json:"caller_id,omitempty"`
	PlayPrompt bool      `json:"play_prompt,omitempty"`
	ID         string    `json:"id"`      // as clients are told it
	Ending     Name      `json:"ending"`  // what the number was to do
	Attempt    int       `json:"attempt"` // how many dials to the number this is

	CallerRangAt     time.Time `json:"caller_rang_at,omitzero"`
	CallerAnsweredAt time.Time `json:"caller_answered_at,omitzero"`
	CalleeRangAt     time.Time `json:"callee_rang_at,omitzero"`
	AnsweredAt       time.Time `json:"answered_at,omitzero"` // both are connected
	EndedAt          time.Time `json:"ended_at,omitzero"`
	LineFreeAt       time.Time `json:"line_free_at,omitzero"` // the agent's phone is free again
	CancelledAt      time.Time `json:"cancelled_at,omitzero"` // a DELETE ended it
	Changes          []Change  `json:"changes,omitempty"`
}

// Change is one change of a dial's statuses.
type Change struct {
	At     time.Time `json:"at"`
	Call   string    `json:"call"`
	Caller string    `json:"caller"`
	Callee string    `json:"callee"`
}

// Refusal is a RingOut that was answered with an error before any phone rang, by RingCentral's rules, not by a fault.
type Refusal struct {
	At        time.Time `json:"at"`
	Extension string    `json:"extension"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Status    int       `json:"status"`
	Code      string    `json:"code"`
}

// Overlap is a pair of dials: the second was placed on the first one's phone before that was free.
type Overlap struct {
	From   string `json:"from"`
	First  Dial   `json:"first"`
	Second Dial   `json:"second"`
}

// Count counts the requests of one extension in one group.
type Count struct {
	Extension  string            `json:"extension"`
	Group      string            `json:"group"`
	Granted    int               `json:"granted"`
	Limited    int               `json:"limited"` // over quota or in a penalty
	Peak       int               `json:"peak"`    // most requests within any one window, limited ones included
	Operations map[Operation]int `json:"operations"`
}

// Request is one request.
type Request struct {
	At        time.Time `json:"at"`
	Extension string    `json:"extension"`
	Group     string    `json:"group"`
	Operation Operation `json:"operation"`
}

// Login is one request for a token.
type Login struct {
	At        time.Time `json:"at"`
	Extension string    `json:"extension"` // empty where the credentials are nobody's
	Grant     string    `json:"grant"`     // jwt, refresh_token or other
	OK        bool      `json:"ok"`
}

// Truth takes a copy of the truth as it is now.
func (s *Simulator) Truth() Truth {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	t := Truth{
		At:        now,
		Dials:     make([]Dial, 0, len(s.dials)),
		Refusals:  append([]Refusal{}, s.refusals...),
		Overlaps:  make([]Overlap, 0, len(s.overlaps)),
		Requests:  make([]Count, 0, len(s.bucketOrder)),
		OverQuota: append([]Request{}, s.overQuota...),
		InPenalty: append([]Request{}, s.inPenalty...),
		Logins:    append([]Login{}, s.logins...),
	}
	for _, c := range s.dials {
		t.Dials = append(t.Dials, c.seen(now))
	}
	for _, pair := range s.overlaps {
		first, second := pair[0].seen(now), pair[1].seen(now)
		t.Overlaps = append(t.Overlaps, Overlap{second.From, first, second})
	}
	for _, b := range s.bucketOrder {
		count := b.count
		count.Operations = make(map[Operation]int, len(b.operations))
		maps.Copy(count.Operations, b.operations)
		t.Requests = append(t.Requests, count)
	}
	return t
}

// DialsTo lists the dials to a number.
func (t Truth) DialsTo(number string) []Dial {
	var out []Dial
	for _, d := range t.Dials {
		if d.To == number {
			out = append(out, d)
		}
	}
	return out
}

// DialsFrom lists the dials that rang an agent's phone first.
func (t Truth) DialsFrom(number string) []Dial {
	var out []Dial
	for _, d := range t.Dials {
		if d.From == number {
			out = append(out, d)
		}
	}
	return out
}

// MaxPerWindow is the most requests that an extension sent in a group within any one window, limited ones included.
// An empty extension stands for whichever sent most.
func (t Truth) MaxPerWindow(extension, group string) int {
	most := 0
	for _, c := range t.Requests {
		if c.Group == group && (extension == "" || c.Extension == extension) {
			most = max(most, c.Peak)
		}
	}
	return most
}

// Sent is how many requests for an operation came in over all extensions, limited ones included.
func (t Truth) Sent(op Operation) int {
	n := 0
	for _, c := range t.Requests {
		n += c.Operations[op]
	}
	return n
}
