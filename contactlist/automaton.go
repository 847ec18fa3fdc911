package contactlist

import (
	"errors"
	"regexp/syntax"
	"slices"
	"strconv"
)

// automaton matches strings of ASCII digits against a regular expression without assertions. It builds the states
// that it needs as it goes, and remembers them: matching a phone number is then one table look-up per digit, where
// package regexp needs microseconds for the alternations of a numbering plan. It is not safe for concurrent use.
type automaton struct {
	prog   *syntax.Prog
	states []state
	index  map[string]int // instructions of a state → its number
}

// state is a set of places in the expression. Transitions are 0 while unknown and dead when nothing can follow.
type state struct {
	next   [10]int
	accept bool
	at     []int
}

const (
	dead  = -1
	start = 1 // states[0] is unused, so that 0 can mean "unknown"
)

var errAssertion = errors.New("the expression has an assertion")

// compile makes an automaton of a pattern. The pattern is anchored by how it is asked, not by itself.
func compile(pattern string) (*automaton, error) {
	expr, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(expr.Simplify())
	if err != nil {
		return nil, err
	}
	for _, inst := range prog.Inst {
		if inst.Op == syntax.InstEmptyWidth {
			return nil, errAssertion
		}
	}
	a := &automaton{prog: prog, states: make([]state, 1, 16), index: make(map[string]int)}
	a.add(a.closure(nil, make(map[int]bool), prog.Start))
	return a, nil
}

// closure adds to set the instructions reached from pc without reading a digit, but for those that were passed before.
func (a *automaton) closure(set []int, passed map[int]bool, pc int) []int {
	if passed[pc] {
		return set
	}
	passed[pc] = true
	inst := &a.prog.Inst[pc]
	switch inst.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return a.closure(a.closure(set, passed, int(inst.Out)), passed, int(inst.Arg))
	case syntax.InstCapture, syntax.InstNop:
		return a.closure(set, passed, int(inst.Out))
	case syntax.InstFail, syntax.InstEmptyWidth:
		return set
	default:
		return append(set, pc)
	}
}

// add returns the number of the state with the given instructions.
func (a *automaton) add(at []int) int {
	if len(at) == 0 {
		return dead
	}
	slices.Sort(at)
	key := make([]byte, 0, 4*len(at))
	for _, pc := range at {
		key = append(strconv.AppendInt(key, int64(pc), 36), ' ')
	}
	if n, ok := a.index[string(key)]; ok {
		return n
	}
	accept := slices.ContainsFunc(at, func(pc int) bool { return a.prog.Inst[pc].Op == syntax.InstMatch })
	n := len(a.states)
	a.states = append(a.states, state{accept: accept, at: at})
	a.index[string(key)] = n
	return n
}

// step returns the state that follows state n on a digit.
func (a *automaton) step(n int, digit byte) int {
	if to := a.states[n].next[digit]; to != 0 {
		return to
	}
	var set []int
	passed := make(map[int]bool)
	for _, pc := range a.states[n].at {
		inst := &a.prog.Inst[pc]
		if inst.Op != syntax.InstMatch && inst.MatchRune(rune('0'+digit)) {
			set = a.closure(set, passed, int(inst.Out))
		}
	}
	to := a.add(set)
	a.states[n].next[digit] = to
	return to
}

// whole reports whether all of digits matches.
func (a *automaton) whole(digits string) bool {
	n := start
	for i := range len(digits) {
		if n = a.step(n, digits[i]-'0'); n == dead {
			return false
		}
	}
	return a.states[n].accept
}

// prefix reports whether digits begins with a match.
func (a *automaton) prefix(digits string) bool {
	n := start
	for i := range len(digits) {
		if a.states[n].accept {
			return true
		}
		if n = a.step(n, digits[i]-'0'); n == dead {
			return false
		}
	}
	return a.states[n].accept
}
