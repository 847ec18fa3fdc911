package ringout

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestErrorText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  *Error
		want string
	}{
		{
			&Error{Op: "place call", Kind: Refused, Status: 400, Codes: []string{"CMN-101", "TEL-109"}, Message: "to is invalid"},
			"place call: refused: HTTP 400 CMN-101, TEL-109: to is invalid",
		},
		{
			&Error{Op: "place call", Kind: Limited, Status: 429, RetryAfter: 30 * time.Second},
			"place call: rate limited: HTTP 429 (again in 30s)",
		},
		{&Error{Op: "place call", Kind: Unknown, err: errNoID}, "place call: outcome unknown: placed without an id"},
		{&Error{Op: "place call", Kind: NotSent, err: ErrNotLoggedIn}, "place call: not sent: not logged in"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-value"
	for _, test := range []struct {
		name    string
		body    string
		codes   []string
		message string
	}{
		{"nothing", ``, nil, ""},
		{"a proxy's page", `<html>Bad gateway</html>`, nil, ""},
		{
			"both forms",
			`{"errorCode":"CMN-301","message":"Request rate exceeded","errors":[{"errorCode":"CMN-301","message":"x"},{"errorCode":"CMN-310"}]}`,
			[]string{"CMN-301", "CMN-310"},
			"Request rate exceeded",
		},
		{"errors only", `{"errors":[{"errorCode":"TEL-109","message":"To is invalid"}]}`, []string{"TEL-109"}, "To is invalid"},
		{
			"OAuth", `{"error":"invalid_grant","error_description":"Token expired","errors":[{"errorCode":"OAU-210"}]}`,
			[]string{"invalid_grant", "OAU-210"},
			"Token expired",
		},
		{"a field of another type", `{"message":{"a":1},"errorCode":"CMN-101","errors":"x"}`, []string{"CMN-101"}, ""},
		{"codes that are none", `{"errorCode":"no code","errors":[{"errorCode":"` + strings.Repeat("A", 41) + `"},{"errorCode":"s3cr3t-value"}]}`, nil, ""},
		{"a secret", `{"message":"bad s3cr3t-value!"}`, nil, "bad [redacted]!"},
		{"a number", `{"message":"Parameter [to] +1 (650) 555-0100 is invalid"}`, nil, "Parameter [to] +…0100 is invalid"},
		{"a number in one piece", `{"message":"16505550100"}`, nil, "…0100"},
		{"control characters", `{"message":"a\nb\u0007\tc\u202e"}`, nil, "a b c"},
		{
			"a secret where the message is cut", `{"message":"` + strings.Repeat("x", maxMessage-5) + secret + `"}`,
			nil, strings.Repeat("x", maxMessage-5) + "[red…",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := explain([]byte(test.body), []string{secret})
			if !slices.Equal(got.codes, test.codes) || got.message != test.message {
				t.Errorf("explain = %q, %q; want %q, %q", got.codes, got.message, test.codes, test.message)
			}
		})
	}
}

func TestParameter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, body, want string }{
		{"none", `{"errorCode":"CMN-101","message":"Parameter [phoneNumber] is invalid"}`, ""},
		{"in errors", `{"errorCode":"CMN-101","errors":[{"errorCode":"CMN-101","parameterName":"callerId"}]}`, "callerId"},
		{"outside errors", `{"errorCode":"CMN-101","parameterName":"to"}`, "to"},
		{"what is inside the field", `{"errors":[{"parameterName":"from.phoneNumber"}]}`, "from"},
		{"one field in two errors", `{"errors":[{"parameterName":"from"},{"parameterName":"from.phoneNumber"}]}`, "from"},
		{"two fields", `{"errors":[{"parameterName":"from"},{"parameterName":"to"}]}`, ""},
		{"a number in its place", `{"errors":[{"parameterName":"+16505550100"}]}`, ""},
		{"another type", `{"errors":[{"parameterName":["to"]}]}`, ""},
	} {
		e := &Error{Parameters: explain([]byte(test.body), nil).parameters}
		if got := e.Parameter(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestMaskDigits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, separators, want string }{
		{"", messageSeparators, ""},
		{"HTTP 400", messageSeparators, "HTTP 400"},
		{"123456", messageSeparators, "123456"},
		{"1234567", messageSeparators, "…4567"},
		{"650.555.0100 and 650/555/0101", messageSeparators, "…0100 and …0101"},
		{"(650) 555-0100", messageSeparators, "(…0100"},
		{"٠١٢٣٤٥٦٧٨", messageSeparators, "…٥٦٧٨"},
		{"12, 34, 56, 78", messageSeparators, "12, 34, 56, 78"},
		{"dial tcp 192.168.100.200:44300: refused", transportSeparators, "dial tcp 192.168.100.200:44300: refused"},
		{"malformed HTTP response \"+1 650 555 0100\"", transportSeparators, "malformed HTTP response \"+…0100\""},
		{"12 ", messageSeparators, "12 "},
	} {
		if got := maskDigits(test.in, test.separators); got != test.want {
			t.Errorf("maskDigits(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestSafe(t *testing.T) {
	t.Parallel()
	clean := errors.New("connection refused")
	if got := safe(clean, []string{"hush-hush"}); !errors.Is(got, clean) {
		t.Errorf("safe(%v) = %v, want it as it is", clean, got)
	}
	dirty := errors.New("malformed: hush-hush 16505550100")
	got := safe(dirty, []string{"hush-hush"})
	if errors.Is(got, dirty) || got.Error() != "malformed: [redacted] …0100" {
		t.Errorf("safe(%v) = %v, want a cleaned text and nothing wrapped", dirty, got)
	}
}

func TestHas(t *testing.T) {
	t.Parallel()
	e := &Error{Codes: []string{"CMN-101"}}
	if !e.Has("CMN-101") || e.Has("CMN-10") || e.Has("") {
		t.Errorf("Has: got %t %t %t, want true false false", e.Has("CMN-101"), e.Has("CMN-10"), e.Has(""))
	}
}
