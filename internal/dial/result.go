package dial

import "time"

// Result is where a round stands when its processing ends: Over, PutOff or NeedsPerson, and nothing else.
type Result interface{ isResult() }

// Over says that the round has ended, now or before.
type Over struct {
	Text    string // readable, nothing personal
	Attempt int    // the contact's newest attempt; 0: none
	Line    string // that it was placed on
}

// PutOff says that the round is to be looked at again after a while.
type PutOff struct {
	After    time.Duration
	Reason   string        // readable, nothing personal
	Campaign time.Duration // if positive, how long no other call of the campaign need be tried either
}

// NeedsPerson says that nothing happens any more until a person has decided.
type NeedsPerson struct{ Reason string }

func (Over) isResult()        {}
func (PutOff) isResult()      {}
func (NeedsPerson) isResult() {}
