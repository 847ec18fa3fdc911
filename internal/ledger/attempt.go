package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

// attemptRecord is an attempt as the scripts store it; times are in milliseconds of Redis's clock.
type attemptRecord struct {
	N          int              `json:"n"`
	Round      int              `json:"r"`
	Token      string           `json:"t"`
	Number     string           `json:"to"`
	Line       string           `json:"l"`
	LineNumber string           `json:"ln"`
	Extension  string           `json:"x"`
	Claimed    int64            `json:"claimed"`
	SendBy     int64            `json:"by"`
	Placed     int64            `json:"placed,omitempty"`
	ID         string           `json:"id,omitempty"`
	Seen       string           `json:"seen,omitempty"` // JSON in a string: the scripts pass it through as it is
	Answered   int64            `json:"answered,omitempty"`
	Ended      int64            `json:"ended,omitempty"`
	Outcome    campaign.Outcome `json:"o,omitempty"`
	Charged    int              `json:"ch,omitempty"`
	LineFault  int              `json:"f,omitempty"`
	Refused    int              `json:"rf,omitempty"`
	Detail     string           `json:"d,omitempty"`
}

func parseAttempt(src string) (campaign.Attempt, error) {
	var a attemptRecord
	if err := json.Unmarshal([]byte(src), &a); err != nil {
		return campaign.Attempt{}, wrap("read attempt", err)
	}
	var seen campaign.Seen
	if a.Seen != "" {
		if err := json.Unmarshal([]byte(a.Seen), &seen); err != nil {
			return campaign.Attempt{}, wrap("read attempt", err)
		}
	}
	at := func(ms int64) time.Time {
		if ms == 0 {
			return time.Time{}
		}
		return time.UnixMilli(ms).UTC()
	}
	return campaign.Attempt{
		N: a.N, Round: a.Round, Token: a.Token, Line: a.Line, LineNumber: a.LineNumber, Extension: a.Extension,
		Number: a.Number, ClaimedAt: at(a.Claimed), SendBy: at(a.SendBy), PlacedAt: at(a.Placed), RingOutID: a.ID,
		Seen: seen, AnsweredAt: at(a.Answered), EndedAt: at(a.Ended), Outcome: a.Outcome, Charged: a.Charged == 1,
		LineFault: a.LineFault == 1, Refused: a.Refused == 1, Detail: a.Detail,
	}, nil
}

// Refusal is why the ledger did not let an attempt be claimed.
type Refusal string

// The refusals of Claim.
const (
	RefusedGone       Refusal = "gone"       // no such contact
	RefusedVoid       Refusal = "void"       // the occupancy's token was taken out of use
	RefusedSettled    Refusal = "settled"    // the contact has its outcome, or waits for a person
	RefusedLive       Refusal = "live"       // another attempt is under way
	RefusedRound      Refusal = "round"      // the contact is in another round
	RefusedNotDue     Refusal = "not_due"    // the round's time has not come
	RefusedCancelled  Refusal = "cancelled"  // the campaign is
	RefusedEnded      Refusal = "ended"      // the campaign's end has passed
	RefusedSuppressed Refusal = "suppressed" // the number is on the do-not-call list
	RefusedRules      Refusal = "rules"      // the campaign's rules are no longer those that the gate went by
	RefusedLine       Refusal = "line"       // something else occupies the line, or it rests

	// RefusedRedis: this Redis is not the one that was approved, and the line's calls were not compared yet; see Approval.
	RefusedRedis Refusal = "redis_changed"
	// RefusedHeld: the line may dial, but another one of the team may have called the contact; see Approval.
	RefusedHeld Refusal = "redis_held"
)

// RefusedError is returned by Claim: nothing was claimed and nothing may be dialled.
type RefusedError struct{ Refusal Refusal }

func (e *RefusedError) Error() string { return "claim refused: " + string(e.Refusal) }

// Claim is what an attempt is claimed with.
type Claim struct {
	Ref        campaign.Ref
	Round      int
	Number     string
	Line       string
	LineNumber string
	Extension  string
	SendWithin time.Duration // how long after the claim the POST may still be sent
	Rules      Revision      // that the gate went by; "" for any
	Team       string        // the campaign's
}

// Claim claims the contact's next attempt. A *RefusedError means that there must be no call. After any other error it is
// unknown whether the claim stands: Release with the same token settles that.
func (l *Ledger) Claim(ctx context.Context, c Claim) (campaign.Attempt, error) {
	name, id := c.Ref.Campaign, c.Ref.Contact
	reply, err := l.run(ctx, l.scripts.claim,
		[]string{keyCampaign(name), keyContact(name, id), keyDNC, keyEvents(name), keyRedis, LineKey(c.LineNumber)},
		id, c.Ref.Token, c.Round, c.Number, c.Line, c.LineNumber, c.Extension, c.SendWithin.Milliseconds(), l.approvedKnown(),
		string(c.Rules), name, c.Team)
	if err != nil {
		return campaign.Attempt{}, wrap("claim", err)
	}
	if reply[0] != "claimed" {
		return campaign.Attempt{}, &RefusedError{Refusal: Refusal(reply[0])}
	}
	return parseAttempt(reply[1])
}

// Placed stores RingCentral's id of a claimed attempt.
func (l *Ledger) Placed(ctx context.Context, ref campaign.Ref, ringOutID string) (campaign.Attempt, error) {
	reply, err := l.run(ctx, l.scripts.placed, keysOf(ref), ref.Contact, ref.Token, ringOutID)
	if err != nil {
		return campaign.Attempt{}, wrap("store placed call", err)
	}
	if reply[0] != "ok" {
		return campaign.Attempt{}, fmt.Errorf("ledger: store placed call of %s: %w", ref.Contact, ErrNoAttempt)
	}
	return parseAttempt(reply[1])
}

// Claimed says what Release found.
type Claimed string

// The answers of Release and Void.
const (
	NotClaimed   Claimed = "void"    // no attempt has the token, and none ever will
	StillClaimed Claimed = "claimed" // an attempt has the token, and its POST may have been sent
	IsPlaced     Claimed = "placed"  // the attempt has an id or has ended
)

// Void takes a token out of use unless an attempt has it.
func (l *Ledger) Void(ctx context.Context, ref campaign.Ref) (Claimed, error) {
	return l.release(ctx, ref, false, "")
}

// Release undoes a claim of which the caller knows that no phone rang, and takes its token out of use.
func (l *Ledger) Release(ctx context.Context, ref campaign.Ref, reason string) (Claimed, error) {
	return l.release(ctx, ref, true, reason)
}

func (l *Ledger) release(ctx context.Context, ref campaign.Ref, undo bool, reason string) (Claimed, error) {
	reply, err := l.scripts.release.Run(ctx, l.rdb, keysOf(ref), ref.Contact, ref.Token, flag(undo), reason).Text()
	return Claimed(reply), wrap("release", err)
}

// Seen records what tracking has seen of a live call.
func (l *Ledger) Seen(ctx context.Context, ref campaign.Ref, seen campaign.Seen) error {
	src, err := json.Marshal(seen)
	if err != nil {
		return wrap("record status", err)
	}
	_, err = l.runInt(ctx, l.scripts.seen, keysOf(ref), ref.Contact, ref.Token, src, flag(seen.CalleeAnswered))
	return wrap("record status", err)
}

// Settlement is what Settle writes.
type Settlement struct {
	Verdict campaign.Verdict
	Seen    campaign.Seen
	Next    campaign.Next
	After   time.Duration   // from now to the next round, where there is one
	Reason  campaign.Reason // why not sooner
}

// Settled is a settled attempt and where its contact stands now.
type Settled struct {
	Attempt campaign.Attempt
	State   campaign.ContactState
	Outcome campaign.Outcome // the contact's, once done
	Round   int
	Due     time.Time
}

// ErrNoAttempt is returned where no attempt has the token: it was undone.
var ErrNoAttempt = errors.New("no attempt has this token")

// Settle ends an attempt and says what follows. The first settlement stands, but for one that is unconfirmed: repeating it, even with another verdict,
// changes nothing and returns where the contact stands.
func (l *Ledger) Settle(ctx context.Context, ref campaign.Ref, s Settlement) (Settled, error) {
	seen, err := json.Marshal(s.Seen)
	if err != nil {
		return Settled{}, wrap("settle", err)
	}
	follows, outcome := "again", campaign.Outcome("")
	switch {
	case s.Verdict.Outcome == campaign.Unconfirmed:
		follows = "held"
	case s.Next.Final:
		follows, outcome = "final", s.Next.Outcome
	}
	reply, err := l.run(ctx, l.scripts.settle, keysOf(ref), ref.Contact, ref.Token, string(s.Verdict.Outcome),
		flag(s.Verdict.Charged), flag(s.Verdict.LineFault), s.Verdict.Detail, seen, flag(s.Seen.CalleeAnswered),
		follows, string(outcome), s.After.Milliseconds(), string(s.Reason), flag(s.Verdict.Refused != ""))
	if err != nil {
		return Settled{}, wrap("settle", err)
	}
	if reply[0] != "ok" {
		return Settled{}, fmt.Errorf("ledger: settle %s: %w", ref.Contact, ErrNoAttempt)
	}
	a, err := parseAttempt(reply[1])
	if err != nil {
		return Settled{}, err
	}
	return Settled{
		Attempt: a, State: campaign.ContactState(reply[2]), Outcome: campaign.Outcome(reply[3]),
		Round: number(reply[4]), Due: millis(reply[5]),
	}, nil
}

// Hold records why a waiting contact is not called now; an empty reason clears it.
func (l *Ledger) Hold(ctx context.Context, name, id string, reason campaign.Reason) error {
	_, err := l.runInt(ctx, l.scripts.hold, []string{keyCampaign(name), keyContact(name, id)}, string(reason))
	return wrap("hold", err)
}

// End ends a waiting contact of the given round without a call. False: it was not waiting in that round.
func (l *Ledger) End(ctx context.Context, name, id string, round int, outcome campaign.Outcome) (bool, error) {
	n, err := l.runInt(ctx, l.scripts.end, []string{keyCampaign(name), keyContact(name, id), keyEvents(name)},
		id, round, string(outcome))
	return n == 1, wrap("end contact", err)
}

func keysOf(ref campaign.Ref) []string {
	return []string{keyCampaign(ref.Campaign), keyContact(ref.Campaign, ref.Contact), keyEvents(ref.Campaign)}
}

// Resolution is what was found out about an unconfirmed contact. Without an outcome there was no call.
type Resolution struct {
	Outcome campaign.Outcome
	Charged bool
	Next    campaign.Next
	After   time.Duration // from now to the next round, where there is one
	Detail  string        // who or what decided
}

// ErrNotUnconfirmed is returned by Resolve where nothing is left to decide, or it was decided otherwise.
var ErrNotUnconfirmed = errors.New("the contact is not unconfirmed")

// Resolve carries out a decision about an unconfirmed contact. The same decision about the same attempt may be repeated.
func (l *Ledger) Resolve(ctx context.Context, name, id string, r Resolution) error {
	follows, outcome := "again", campaign.Outcome("")
	switch {
	case r.Outcome == "":
		follows = "released"
	case r.Next.Final:
		follows, outcome = "final", r.Next.Outcome
	}
	reply, err := l.run(ctx, l.scripts.resolve, []string{keyCampaign(name), keyContact(name, id), keyEvents(name)},
		id, follows, string(r.Outcome), r.After.Milliseconds(), flag(r.Charged), r.Detail, string(outcome))
	if err != nil {
		return wrap("resolve", err)
	}
	switch reply[0] {
	case "gone":
		return fmt.Errorf("%w: %s in %s", ErrNoContact, id, name)
	case "not_unconfirmed":
		return ErrNotUnconfirmed
	}
	return nil
}
