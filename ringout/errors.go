package ringout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Kind says what an error means for the phones.
type Kind string

// The kinds of errors.
const (
	// Refused is a 4xx: RingCentral did not do it, no phone rang.
	Refused Kind = "refused"
	// Limited is a 429: not done, and nothing of the same group may be sent for RetryAfter.
	Limited Kind = "limited"
	// Unknown is a timeout, a lost connection, a 3xx, a 5xx, a 408, or a 2xx that cannot be read. After Place a phone
	// may ring.
	Unknown Kind = "unknown"
	// NotSent failed before a byte of the request could have gone: no token, no connection, ctx already done.
	NotSent Kind = "not_sent"
)

// Sentinels, for errors.Is.
var (
	// ErrNotLoggedIn: there is no valid token, so nothing was sent.
	ErrNotLoggedIn = errors.New("not logged in")
	// ErrTooLate: Call.SendBy had passed before the request could be written, so nothing was sent.
	ErrTooLate = errors.New("too late to send")
	// ErrUnauthorized: the API refused the access token (401). The token is dropped, the next Login gets a new one.
	ErrUnauthorized = errors.New("access token refused")
	// ErrCredentials: the token endpoint refused the client id, the client secret or the JWT.
	ErrCredentials = errors.New("credentials refused")
	// ErrNotFound: RingCentral does not know the call, or no longer.
	ErrNotFound = errors.New("no such call")
	// ErrForbidden: the app or the user lacks a permission (403). Logging in anew does not help; somebody must grant it.
	ErrForbidden = errors.New("permission missing")
	// ErrIntercepted: the refusal is not RingCentral's but that of something on the way, such as a web filter or a proxy. It
	// says nothing of credentials, permissions, numbers or calls.
	ErrIntercepted = errors.New("answered by a web filter or proxy, not by RingCentral")
)

// Error is every error of a Client's methods, for errors.As. Its text and what it wraps hold no secret, and phone
// numbers masked to their last four digits.
type Error struct {
	Op         string        // what was tried: "place call", "call status", "cancel call", "presence", "active calls", "call log", "login", "logout", "connect"
	Kind       Kind          // never empty
	Status     int           // of the HTTP answer, 0 without one
	Codes      []string      // RingCentral's error codes, such as CMN-101, and OAuth's, such as invalid_grant
	Parameters []string      // the fields of the request that RingCentral says are wrong, as it names them: to, from.phoneNumber
	Message    string        // RingCentral's, one line of at most 200 characters
	RetryAfter time.Duration // wait at least so long, 5 minutes at most; 0 if not known

	err error // a sentinel or the cause; nil without either
}

// Has reports whether RingCentral gave the error code.
func (e *Error) Has(code string) bool {
	return slices.Contains(e.Codes, code)
}

// Parameter is the field of the request that RingCentral says is wrong, without what is inside it: "to", "from" or
// "callerId" of a call. It is empty where RingCentral names none, or more than one.
func (e *Error) Parameter() string {
	field := ""
	for _, p := range e.Parameters {
		top, _, _ := strings.Cut(p, ".")
		if field != "" && top != field {
			return ""
		}
		field = top
	}
	return field
}

// Unwrap returns a sentinel or the cause, if there is one.
func (e *Error) Unwrap() error {
	return e.err
}

// Error says the operation, the kind and all that RingCentral told, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	switch e.Kind {
	case Refused:
		b.WriteString(": refused")
	case Limited:
		b.WriteString(": rate limited")
	case NotSent:
		b.WriteString(": not sent")
	default:
		b.WriteString(": outcome unknown")
	}
	if e.Status != 0 {
		b.WriteString(": HTTP " + strconv.Itoa(e.Status))
	}
	if len(e.Codes) > 0 {
		b.WriteString(" " + strings.Join(e.Codes, ", "))
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.err != nil {
		b.WriteString(": " + e.err.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (again in %s)", e.RetryAfter)
	}
	return b.String()
}

const (
	maxMessage = 200 // characters of an error message that are kept
	maxCodes   = 8   // error codes that are kept, and parameters
	maxCode    = 40  // bytes of an error code, and of a parameter
)

// checkResponse turns an answer that is no 2xx into an *Error; it is the only place where an HTTP status becomes one.
func (c *Client) checkResponse(op string, resp *http.Response, body []byte, secrets []string) error {
	status := resp.StatusCode
	if status >= 200 && status < 300 {
		return nil
	}
	e := &Error{Op: op, Kind: kindOf(status), Status: status, RetryAfter: c.retryAfter(resp.Header)}
	told := explain(body, secrets)
	e.Codes, e.Parameters, e.Message = told.codes, told.parameters, told.message
	switch {
	case e.Kind == Refused && intercepted(resp, body):
		e.err = ErrIntercepted
	case status == http.StatusUnauthorized:
		e.err = ErrUnauthorized
	case status == http.StatusForbidden && (e.Has(codeAppPermission) || e.Has(codeUserPermission)):
		e.err = ErrForbidden
	case status >= 300 && status < 400:
		e.err = errRedirect
	}
	return e
}

// The codes of a missing permission, see https://developers.ringcentral.com/guide/basics/errors.
const (
	codeAppPermission  = "CMN-401"
	codeUserPermission = "CMN-408"
)

// intercepted says whether a refusal is not RingCentral's, whose errors are JSON, nor one without a body.
func intercepted(resp *http.Response, body []byte) bool {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case kind == "text/html" || kind == "application/xhtml+xml":
		return true
	case len(bytes.TrimSpace(body)) == 0:
		return false
	}
	return !json.Valid(body)
}

var errRedirect = errors.New("redirected, which is never followed: check the server's address")

// kindOf classifies a status that is no 2xx. A 408 or 499 can also come from a proxy that gave up waiting after it had
// passed the request on.
func kindOf(status int) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return Limited
	case status == http.StatusRequestTimeout || status == 499:
		return Unknown
	case status >= 400 && status < 500:
		return Refused
	}
	return Unknown
}

// explanation is what an error body says.
type explanation struct {
	codes, parameters []string
	message           string
}

// explain reads RingCentral's error body, or OAuth's. Anything else in a body is ignored.
func explain(body []byte, secrets []string) explanation {
	var told struct {
		ErrorCode   text `json:"errorCode"`
		Message     text `json:"message"`
		Parameter   text `json:"parameterName"`
		OAuthError  text `json:"error"`
		Description text `json:"error_description"`
		Errors      []struct {
			ErrorCode text `json:"errorCode"`
			Message   text `json:"message"`
			Parameter text `json:"parameterName"`
		} `json:"errors"`
	}
	// An error means a field of an unexpected type or no JSON at all; the fields that could be read are good.
	_ = json.Unmarshal(body, &told)

	codes := []text{told.ErrorCode, told.OAuthError}
	parameters := []text{told.Parameter}
	messages := []text{told.Message, told.Description}
	for _, e := range told.Errors {
		codes = append(codes, e.ErrorCode)
		parameters = append(parameters, e.Parameter)
		messages = append(messages, e.Message)
	}
	out := explanation{codes: names(codes, "-_", secrets), parameters: names(parameters, "-_.", secrets)}
	for _, m := range messages {
		if out.message = clean(string(m), secrets); out.message != "" {
			break
		}
	}
	return out
}

// names keeps the distinct texts that are plain names: letters, digits and the given marks, and nothing that must be hidden.
func names(found []text, marks string, secrets []string) []string {
	var kept []string
	for _, t := range found {
		s := string(t)
		if len(kept) < maxCodes && plainName(s, marks) && !slices.Contains(kept, s) && clean(s, secrets) == s {
			kept = append(kept, s)
		}
	}
	return kept
}

func plainName(s, marks string) bool {
	return s != "" && len(s) <= maxCode && !strings.ContainsFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(marks, r)
	})
}

// failure is the error of a request that got no complete answer.
func failure(op string, kind Kind, cause error, secrets []string) *Error {
	return &Error{Op: op, Kind: kind, err: safe(cause, secrets)}
}

// safe returns err itself where its text holds nothing to hide, else its cleaned text alone. Transport errors can quote
// what the server sent.
func safe(err error, secrets []string) error {
	text := err.Error()
	cleaned := maskDigits(redact(text, secrets), transportSeparators)
	if cleaned == text {
		return err
	}
	return errors.New(cleaned)
}

// clean makes one bounded line of a server's text, without secrets and whole phone numbers.
func clean(s string, secrets []string) string {
	s = strings.ToValidUTF8(redact(s, secrets), "�")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	s = maskDigits(s, messageSeparators)
	if runes := []rune(s); len(runes) > maxMessage {
		s = string(runes[:maxMessage-1]) + "…"
	}
	return s
}

// redact blanks out secrets. It comes before any shortening, which could cut one in two.
func redact(s string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) >= minSecret {
			s = strings.ReplaceAll(s, secret, "[redacted]")
		}
	}
	return s
}

// minSecret keeps a secret of a character or two, as only tests have, from blanking out whole messages.
const minSecret = 4

const (
	messageSeparators = " .-()/\u00a0\u2010\u2011\u2012\u2013"
	// In a transport's error dots stand between the parts of IP addresses, which must stay readable.
	transportSeparators = " -()"
)

// maskDigits replaces each number of seven or more digits by its last four. Up to two of the separators may stand
// between two digits of one number.
func maskDigits(s, separators string) string {
	runes := []rune(s)
	var b strings.Builder
	for i := 0; i < len(runes); {
		if !unicode.IsDigit(runes[i]) {
			b.WriteRune(runes[i])
			i++
			continue
		}
		var digits []rune
		end := i // after the last digit of the number
		for j, gap := i, 0; j < len(runes) && gap <= 2; j++ {
			switch {
			case unicode.IsDigit(runes[j]):
				digits = append(digits, runes[j])
				end, gap = j+1, 0
			case strings.ContainsRune(separators, runes[j]):
				gap++
			default:
				gap = 3
			}
		}
		if len(digits) >= 7 {
			b.WriteString("…" + string(digits[len(digits)-4:]))
		} else {
			b.WriteString(string(runes[i:end]))
		}
		i = end
	}
	return b.String()
}
