package results

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

// record is a ledger with one campaign and these lists, each a header and its rows.
func record(t *testing.T, lists ...[][]string) *ledger.Ledger {
	t.Helper()
	l := ledger.New(redistest.Start(t).Client(t))
	if err := l.Create(t.Context(), campaign.Default("spring"), false); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, list := range lists {
		index, err := l.AddHeader(t.Context(), "spring", list[0])
		if err != nil {
			t.Fatal(err)
		}
		var entries []ledger.Entry
		for i, values := range list[1:] {
			n++
			entries = append(entries, ledger.Entry{Due: time.Now(), Contact: campaign.Contact{
				ID: "c" + string(rune('0'+n)), Row: i + 2, Name: values[0], List: index, Values: values,
				Numbers: []string{"+1212200000" + string(rune('0'+n))},
			}})
		}
		if _, err := l.Add(t.Context(), "spring", []byte("key"), entries); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func write(t *testing.T, l *ledger.Ledger, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(t.Context(), l, "spring", &b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// own reads results as CSV and returns the columns behind ours.
func own(t *testing.T, src string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(src)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		rows[i] = rows[i][len(contactColumns):]
	}
	return rows
}

func TestOwnColumns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lists [][][]string
		want  [][]string
	}{
		{
			"as they were",
			[][][]string{{{"who", "note"}, {"Ada", "a, \"b\"\nc; =1+1"}, {"Bo", " é "}}},
			[][]string{{"who", "note"}, {"Ada", "a, \"b\"\nc; =1+1"}, {"Bo", " é "}},
		},
		{
			"named as ours",
			[][][]string{{{"name", "outcome", "Name", "list_name"}, {"Ada", "x", "y", "z"}}},
			[][]string{{"list_name", "list_outcome", "Name", "list_name_2"}, {"Ada", "x", "y", "z"}},
		},
		{
			"twice in one list",
			[][][]string{{{"note", "note", "note_2", "note"}, {"1", "2", "3", "4"}}},
			[][]string{{"note", "note_2", "note_2_2", "note_3"}, {"1", "2", "3", "4"}},
		},
		{
			"two lists",
			[][][]string{
				{{"who", "note", "note"}, {"Ada", "1", "2"}},
				{{"note", "town", "note"}, {"3", "Ulm", "4"}},
			},
			[][]string{{"who", "note", "note_2", "town"}, {"Ada", "1", "2", ""}, {"", "3", "4", "Ulm"}},
		},
		{
			"short and long rows",
			[][][]string{{{"who", "note"}, {"Ada"}, {"Bo", "1", "beyond"}}},
			[][]string{{"who", "note"}, {"Ada", ""}, {"Bo", "1"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := record(t, c.lists...)
			if got := own(t, write(t, l, Options{Format: CSV})); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			var objects []map[string]any
			if err := json.Unmarshal([]byte(write(t, l, Options{Format: JSON})), &objects); err != nil {
				t.Fatal(err)
			}
			for i, o := range objects {
				if len(o) != len(contactColumns)+len(c.want[0]) {
					t.Errorf("object with %d keys: %v", len(o), o)
				}
				for j, key := range c.want[0] {
					if o[key] != c.want[i+1][j] {
						t.Errorf("%s is %v, want %q", key, o[key], c.want[i+1][j])
					}
				}
			}
		})
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	l := record(t, [][]string{{"who"}, {"Ada"}, {"Bo"}})
	for n, v := range []campaign.Verdict{
		{Ended: true, Outcome: campaign.Busy, Charged: true, Detail: "busy, \"very\""},
		{Ended: true, Outcome: campaign.Answered, Charged: true, Detail: "talked"},
	} {
		ref := campaign.Ref{Campaign: "spring", Contact: "c1", Token: string(rune('a' + n))}
		if _, err := l.Claim(t.Context(), ledger.Claim{Ref: ref, Round: n + 1, Number: "+12122000001", Line: "alice", SendWithin: time.Second}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Placed(t.Context(), ref, "call-"+ref.Token); err != nil {
			t.Fatal(err)
		}
		next := campaign.Next{Final: n == 1, Outcome: campaign.Answered}
		if _, err := l.Settle(t.Context(), ref, ledger.Settlement{Verdict: v, Next: next}); err != nil {
			t.Fatal(err)
		}
	}
	type row struct {
		ID       string `json:"contact_id"`
		Row      int    `json:"row"`
		Number   string `json:"number"`
		Outcome  string `json:"outcome"`
		Attempts int    `json:"attempts"`
		Line     string `json:"line"`
		RingOut  string `json:"ringout_id"`
		Attempt  int    `json:"attempt"`
		Charged  bool   `json:"charged"`
		Detail   string `json:"detail"`
		Who      string `json:"who"`
	}
	read := func(o Options) (rows []row) {
		t.Helper()
		if err := json.Unmarshal([]byte(write(t, l, o)), &rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	contacts := []row{
		{ID: "c1", Row: 2, Number: "+12122000001", Outcome: "answered", Attempts: 2, Line: "alice", RingOut: "call-b", Who: "Ada"},
		{ID: "c2", Row: 3, Number: "+12122000002", Who: "Bo"},
	}
	if got := read(Options{Format: JSON}); !reflect.DeepEqual(got, contacts) {
		t.Errorf("contacts %+v", got)
	}
	attempts := []row{
		{ID: "c1", Row: 2, Number: "+12122000001", Outcome: "busy", Attempts: 1, Line: "alice", RingOut: "call-a", Attempt: 1, Charged: true, Detail: "busy, \"very\"", Who: "Ada"},
		{ID: "c1", Row: 2, Number: "+12122000001", Outcome: "answered", Attempts: 2, Line: "alice", RingOut: "call-b", Attempt: 2, Charged: true, Detail: "talked", Who: "Ada"},
	}
	if got := read(Options{Format: JSON, Attempts: true}); !reflect.DeepEqual(got, attempts) {
		t.Errorf("attempts %+v", got)
	}
	head, _, _ := strings.Cut(write(t, l, Options{Format: CSV, Attempts: true}), "\n")
	if want := strings.Join(append(append([]string{}, contactColumns...), "attempt", "charged", "detail", "who"), ","); head != want {
		t.Errorf("header %s, want %s", head, want)
	}
}

func TestNoContacts(t *testing.T) {
	t.Parallel()
	l := record(t)
	if got := write(t, l, Options{Format: JSON}); got != "[]\n" {
		t.Errorf("JSON %q", got)
	}
	if got := write(t, l, Options{Format: CSV}); got != strings.Join(contactColumns, ",")+"\n" {
		t.Errorf("CSV %q", got)
	}
	if err := Write(t.Context(), l, "nope", io.Discard, Options{Format: CSV}); !errors.Is(err, ledger.ErrNoCampaign) {
		t.Errorf("unknown campaign: %v", err)
	}
}

// full is a disk without room.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	l := record(t, [][]string{{"who"}, {"Ada"}})
	for _, f := range []Format{CSV, JSON} {
		if err := Write(t.Context(), l, "spring", full{}, Options{Format: f}); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", f, err)
		}
	}
}
