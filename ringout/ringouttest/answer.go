package ringouttest

import (
	"encoding/json"
	"net/http"
)

// answer is what a request is answered with.
type answer struct {
	status      int
	header      http.Header
	body        any // nil: none
	contentType string
	raw         []byte // sent instead of body, where set
}

// reply is a plain answer.
func reply(status int, body any) answer {
	return answer{status: status, header: make(http.Header), body: body, contentType: "application/json;charset=utf-8"}
}

// encoded is the body as it goes out.
func (a answer) encoded() []byte {
	if a.raw != nil {
		return a.raw
	}
	if a.body == nil {
		return nil
	}
	out, err := json.Marshal(a.body)
	if err != nil {
		panic("ringouttest: " + err.Error()) // every body is made here
	}
	return out
}

// apiError is the body of RingCentral's errors.
type apiError struct {
	Code      string     `json:"errorCode"`
	Message   string     `json:"message"`
	Parameter string     `json:"parameterName,omitempty"`
	Errors    []apiError `json:"errors,omitempty"`
}

// failure answers with one of RingCentral's errors. Parameter may be empty.
func failure(status int, code, message, parameter string) answer {
	return reply(status, apiError{
		Code: code, Message: message,
		Errors: []apiError{{Code: code, Message: message, Parameter: parameter}},
	})
}

// oauthBody is the body of the token endpoint's errors.
type oauthBody struct {
	Error       string     `json:"error"`
	Description string     `json:"error_description"`
	Errors      []apiError `json:"errors"`
}

// oauthFailure answers as the token endpoint does.
func oauthFailure(status int, name, code, description string) answer {
	return reply(status, oauthBody{name, description, []apiError{{Code: code, Message: description}}})
}

// notFound is RingCentral's answer for what it does not have, or has no more.
func notFound(parameter string) answer {
	return failure(http.StatusNotFound, "CMN-102", "Resource for parameter ["+parameter+"] is not found", parameter)
}
