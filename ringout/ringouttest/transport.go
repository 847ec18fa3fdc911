package ringouttest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
)

// Transport answers requests in this process, without a network: for tests in a synctest bubble, where a real
// connection would keep the clock from advancing. Any host name reaches the simulator. A dropped connection is
// [io.ErrUnexpectedEOF].
func (s *Simulator) Transport() http.RoundTripper { return memory{s} }

type memory struct{ s *Simulator }

// RoundTrip is for http.RoundTripper.
func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		if err = errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	in.RequestURI = in.URL.RequestURI()
	if in.Host == "" {
		in.Host = in.URL.Host
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		// A client that tells by these whether anything was sent must find them here too.
		if trace.WroteHeaders != nil {
			trace.WroteHeaders()
		}
		if trace.WroteRequest != nil {
			trace.WroteRequest(httptrace.WroteRequestInfo{})
		}
	}

	w := &written{header: make(http.Header), status: http.StatusOK}
	served := make(chan bool, 1)
	go func() {
		defer func() {
			switch p := recover(); p {
			case nil:
				served <- true
			case http.ErrAbortHandler:
				served <- false
			default:
				panic(p)
			}
		}()
		m.s.ServeHTTP(w, in)
	}()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case ok := <-served:
		if !ok {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// written is a response as a handler writes it.
type written struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *written) Header() http.Header               { return w.header }
func (w *written) WriteHeader(status int)            { w.status = status }
func (w *written) Write(p []byte) (n int, err error) { return w.body.Write(p) }
