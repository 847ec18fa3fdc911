package ringouttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
)

// controls adds the paths that RingCentral does not have: a test's view of the simulator in another process.
func (s *Simulator) controls() {
	s.mux.HandleFunc("GET /simulator/truth", func(w http.ResponseWriter, _ *http.Request) {
		write(w, reply(http.StatusOK, s.Truth()))
	})
	s.mux.HandleFunc("GET /simulator/endings", func(w http.ResponseWriter, _ *http.Request) {
		write(w, reply(http.StatusOK, Endings()))
	})
	s.mux.HandleFunc("POST /simulator/endings", control(func(endings map[string][]Ending) error {
		return s.Script(endings)
	}))
	s.mux.HandleFunc("POST /simulator/faults", control(func(faults []Fault) error {
		for _, f := range faults {
			if err := f.check(); err != nil {
				return err
			}
		}
		for _, f := range faults {
			s.Inject(f)
		}
		return nil
	}))
	s.mux.HandleFunc("DELETE /simulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		write(w, reply(http.StatusNoContent, nil))
	})
	s.mux.HandleFunc("POST /simulator/revoke", control(func(which struct {
		Extension string `json:"extension"`
	},
	) error {
		s.RevokeTokens(which.Extension)
		return nil
	}))
}

// Script replaces the endings of single numbers, from their next dial on.
func (s *Simulator) Script(endings map[string][]Ending) error {
	if err := checkEndings(endings); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.config.Endings, endings)
	return nil
}

// control takes a JSON body to do, and answers 204 or 400 with a message.
func control[T any](do func(T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var v T
		src, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err == nil {
			err = strict(src, &v)
		}
		if err == nil {
			err = do(v)
		}
		if err != nil {
			write(w, reply(http.StatusBadRequest, map[string]string{"message": err.Error()}))
			return
		}
		write(w, reply(http.StatusNoContent, nil))
	}
}

// strict reads one JSON value that has no unknown fields: a misspelt one would make a test prove nothing.
func strict(src []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
