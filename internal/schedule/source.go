package schedule

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/contactlist"
)

// futureBy is how far the clocks of two machines may be apart before a file of tomorrow is wrong and not only new.
const futureBy = 5 * time.Minute

const (
	storedPrefix = "stored:"
	chunkSize    = 256 << 10
	tempFor      = 10 * time.Minute // what a reader that died has left behind
)

// The first byte of an entry in a snapshot.
const (
	entryFile = 'F' // a file begins; its name
	entryData = 'D'
)

// CheckList says what is wrong with the address of a call list.
func CheckList(list string) error {
	switch {
	case strings.HasPrefix(list, storedPrefix):
		if name := strings.TrimPrefix(list, storedPrefix); !campaign.ValidName(name) {
			return fmt.Errorf("--csv %q: takes stored:NAME, as `enqueue stored add NAME FILE` made it", list)
		}
	case strings.Contains(list, "://"):
		u, err := url.Parse(list)
		if err != nil || u.Host == "" {
			return errors.New("--csv: is no URL; takes https://HOST/PATH, a path on the worker's machine, or stored:NAME")
		}
		if u.User != nil {
			return errors.New("--csv: has a name or password in the URL, where it would be seen; takes a URL without one")
		}
		if local := u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost"; u.Scheme != "https" && (u.Scheme != "http" || !local) {
			return fmt.Errorf("--csv: is a %s URL; takes https (http is for this machine only)", u.Scheme)
		}
	case list == "":
		return errors.New("--csv is empty; takes a path on the worker's machine, a pattern such as due-*.csv, an https URL, or stored:NAME")
	default:
		if _, err := os.Stat(list); err == nil { //nolint:gosec // whoever gives the path may read the file
			return nil // a file may be called anything
		}
		if _, err := filepath.Match(list, ""); err != nil {
			return fmt.Errorf("--csv %q: is no pattern that can be matched; brackets must be closed", list)
		}
	}
	return nil
}

// errWriting says that a list is still being written: not wrong, only too early.
var errWriting = errors.New("the list is still being written")

// source reads call lists afresh.
type source struct {
	rdb     redis.UniversalClient
	client  *http.Client
	quiet   time.Duration // a file that changed less than this ago is still being written
	most    int64         // bytes
	longest time.Duration // that fetching one may take
}

// each visits the files that a list consists of, in order.
func (s source) each(ctx context.Context, list string, visit func(name string, r io.Reader) error) error {
	switch {
	case strings.HasPrefix(list, storedPrefix):
		key := keyStored + ":" + strings.TrimPrefix(list, storedPrefix)
		n, err := s.rdb.Exists(ctx, key).Result()
		if err != nil {
			return wrap("read the stored list", err)
		}
		if n == 0 {
			return fmt.Errorf("%s: no such list is stored; `enqueue stored add` stores one", list)
		}
		return eachStored(ctx, s.rdb, key, visit)
	case strings.Contains(list, "://"):
		return s.fetch(ctx, list, visit)
	}
	return s.files(list, visit)
}

// Files lists, in order, the files that a path or a pattern names on this machine. A file of just this name comes before a
// pattern: "due [EU].csv" is one.
func Files(pattern string) ([]string, error) {
	if _, err := os.Stat(pattern); err == nil {
		return []string{pattern}, nil
	}
	paths, err := filepath.Glob(pattern)
	slices.Sort(paths)
	return paths, err //nolint:wrapcheck // the caller names the pattern
}

func (s source) files(pattern string, visit func(string, io.Reader) error) error {
	paths, err := Files(pattern)
	if err != nil {
		return fmt.Errorf("%s: %w", pattern, err)
	}
	if len(paths) == 0 {
		return fmt.Errorf("%s: there is no such file on the worker's machine", pattern)
	}
	for _, path := range paths {
		if err := s.file(path, visit); err != nil {
			return err
		}
	}
	return nil
}

func (s source) file(path string, visit func(string, io.Reader) error) (err error) {
	h, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return err //nolint:wrapcheck // it names the file
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	before, err := h.Stat()
	if err != nil {
		return err //nolint:wrapcheck // it names the file
	}
	if !before.Mode().IsRegular() {
		return fmt.Errorf("%s: is no file", path)
	}
	age := time.Since(before.ModTime())
	if age < -futureBy {
		return fmt.Errorf("%s: is dated %s, which is in the future: set that machine's clock, or touch the file",
			path, before.ModTime().UTC().Format(time.RFC3339))
	}
	if age < s.quiet {
		return fmt.Errorf("%s: %w", path, errWriting)
	}
	if before.Size() > s.most {
		return fmt.Errorf("%s: has %d MiB; takes at most %d", path, before.Size()>>20, s.most>>20)
	}
	if err := visit(path, h); err != nil {
		return err
	}
	after, err := os.Stat(path)
	if err != nil || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return fmt.Errorf("%s: %w", path, errWriting)
	}
	return nil
}

func (s source) fetch(ctx context.Context, address string, visit func(string, io.Reader) error) (err error) {
	shown := Shown(address)
	ctx, cancel := context.WithTimeout(ctx, s.longest)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("%s: is no URL", shown)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // it repeats the address, and what that may hold of secrets
		}
		return fmt.Errorf("%s: %w", shown, err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: the server answers %s", shown, resp.Status)
	}
	body := &io.LimitedReader{R: resp.Body, N: s.most + 1}
	if err := visit(shown, body); err != nil {
		return err
	}
	if body.N <= 0 {
		return fmt.Errorf("%s: is larger than %d MiB", shown, s.most>>20)
	}
	// A server that sees the client give up may end its answer in good order: what was read then is not all of it.
	if ctx.Err() != nil {
		return fmt.Errorf("%s: was not read within %s", shown, s.longest)
	}
	return nil
}

// newClient fetches lists, and is never led from https to anything else.
func newClient() *http.Client {
	return &http.Client{
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > 5 || req.URL.Scheme != via[0].URL.Scheme || CheckList(req.URL.String()) != nil {
				return errors.New("it redirects to where no list may be fetched from")
			}
			return nil
		},
	}
}

// snapshot reads a list into a temporary key and checks that every file is a call list. It says how many of its rows can
// be called and how many cannot, and why the first of these cannot.
type snapshot struct {
	key       string
	contacts  int
	rejected  int
	rejection string
}

func (s source) snapshot(ctx context.Context, rule Rule) (snap snapshot, err error) {
	snap.key = "ringqueue:{schedule}:reading:" + rand.Text()
	defer func() {
		if err != nil {
			_ = s.rdb.Unlink(context.WithoutCancel(ctx), snap.key).Err() // it expires anyway
		}
	}()
	err = s.each(ctx, rule.List, func(name string, r io.Reader) error {
		w := &chunks{ctx: ctx, rdb: s.rdb, key: snap.key}
		if err := w.push(entryFile, []byte(name)); err != nil {
			return err
		}
		tee := io.TeeReader(r, w)
		list, err := contactlist.Open(tee, contactlist.Options{
			Region: rule.Rules.Region, Columns: rule.Columns, Name: name, IDKey: []byte("ids are not used here"),
		})
		if err != nil {
			return err //nolint:wrapcheck // it names the list
		}
		defer func() { _ = list.Close() }() // only read
		for {
			_, err := list.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if row, ok := errors.AsType[*contactlist.RejectedRow](err); ok {
				if snap.rejected++; snap.rejection == "" {
					snap.rejection = row.Error()
				}
				continue
			}
			if err != nil {
				return err //nolint:wrapcheck // it names the list
			}
			snap.contacts++
		}
		if _, err := io.Copy(io.Discard, tee); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return w.flush()
	})
	if err == nil && snap.contacts == 0 && snap.rejected > 0 {
		err = fmt.Errorf("none of its %d rows can be called: %s", snap.rejected, snap.rejection)
	}
	return snap, err
}

// chunks writes a file into a Redis list.
type chunks struct {
	ctx context.Context //nolint:containedctx // of one write, as io.Writer has none
	rdb redis.UniversalClient
	key string
	buf bytes.Buffer
}

func (c *chunks) Write(p []byte) (int, error) {
	c.buf.Write(p)
	for c.buf.Len() >= chunkSize {
		if err := c.push(entryData, c.buf.Next(chunkSize)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (c *chunks) flush() error {
	if c.buf.Len() == 0 {
		return nil
	}
	return c.push(entryData, c.buf.Next(c.buf.Len()))
}

func (c *chunks) push(kind byte, data []byte) error {
	_, err := c.rdb.Pipelined(c.ctx, func(p redis.Pipeliner) error {
		p.RPush(c.ctx, c.key, append([]byte{kind}, data...))
		p.Expire(c.ctx, c.key, tempFor)
		return nil
	})
	return wrap("store the list", err)
}

// eachStored visits the files of a snapshot.
func eachStored(ctx context.Context, rdb redis.UniversalClient, key string, visit func(name string, r io.Reader) error) error {
	r := &chunkReader{ctx: ctx, rdb: rdb, key: key}
	for {
		name, ok, err := r.nextFile()
		if err != nil || !ok {
			return err
		}
		if err := visit(name, r); err != nil {
			return err
		}
	}
}

// chunkReader reads one file of a snapshot after the other.
type chunkReader struct {
	ctx  context.Context //nolint:containedctx // of one read, as io.Reader has none
	rdb  redis.UniversalClient
	key  string
	at   int64
	rest []byte
}

func (r *chunkReader) entry() (string, bool, error) {
	text, err := r.rdb.LIndex(r.ctx, r.key, r.at).Result()
	if errors.Is(err, redis.Nil) || err == nil && text == "" {
		return "", false, nil
	}
	return text, err == nil, wrap("read the stored list", err)
}

func (r *chunkReader) nextFile() (string, bool, error) {
	for {
		text, ok, err := r.entry()
		if err != nil || !ok {
			return "", false, err
		}
		r.at++
		if text[0] == entryFile {
			r.rest = nil
			return text[1:], true, nil
		}
	}
}

func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		text, ok, err := r.entry()
		if err != nil {
			return 0, err
		}
		if !ok || text[0] == entryFile {
			return 0, io.EOF
		}
		r.at++
		r.rest = []byte(text[1:])
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
