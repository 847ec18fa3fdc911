package contactlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// ErrEmpty says that a list has nothing in it, not even a header.
var ErrEmpty = errors.New("the list is empty")

// counter counts the bytes taken from a list, for progress.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// file is a list that can be read more than once.
type file struct {
	in    io.ReadSeeker
	start int64    // where in it the list begins
	kept  *os.File // what could not be read twice; nil if it could
	count counter
	size  int64 // of a workbook

	encoding string // for people
	multi    encoding.Encoding
	single   *charmap.Charmap // for single bytes that are not UTF-8
	skip     int64            // byte order mark
	comma    byte
	behind   int // bytes of a line that names the separator
	mark     bool
	book     *workbook
}

// inMemory is how much of a list that cannot be read twice is kept without a file.
const inMemory = 1 << 20

// openFile makes a list readable more than once and finds out what it is.
func openFile(in io.Reader, o Options) (f *file, err error) {
	f = &file{comma: ','}
	defer func() {
		if err != nil {
			_ = f.close() // only read
		}
	}()
	if s, ok := in.(io.ReadSeeker); ok {
		if f.start, err = s.Seek(0, io.SeekCurrent); err == nil {
			f.in = s
		}
	}
	if f.in == nil {
		if err := f.keep(in); err != nil {
			return f, err
		}
	}
	head := make([]byte, 4096)
	n, err := io.ReadFull(f.in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return f, err
	}
	head = head[:n]
	if len(bytes.TrimSpace(head)) == 0 && n < cap(head) {
		return f, ErrEmpty
	}
	if isWorkbook(head) {
		return f, f.openBook(o.Sheet)
	}
	if o.Sheet != "" {
		return f, errors.New("a sheet is named, but this is no Excel workbook")
	}
	if what := binary(head); what != "" {
		return f, fmt.Errorf("this is %s, not a CSV file; save it as \"CSV UTF-8\" first", what)
	}
	if err := f.findEncoding(head, o); err != nil {
		return f, err
	}
	return f, f.findComma()
}

// keep copies a list that cannot be read twice: into memory, or into a file without a name.
func (f *file) keep(in io.Reader) error {
	var small bytes.Buffer
	_, err := io.CopyN(&small, in, inMemory)
	if errors.Is(err, io.EOF) {
		f.in = bytes.NewReader(small.Bytes())
		return nil
	}
	if err != nil {
		return err
	}
	if f.kept, err = os.CreateTemp("", "ringqueue-*.list"); err != nil {
		return fmt.Errorf("keep it to read it twice: %w", err)
	}
	_ = os.Remove(f.kept.Name()) // where that cannot be done while it is open, close does it
	if _, err := io.Copy(f.kept, io.MultiReader(&small, in)); err != nil {
		return err
	}
	f.in = f.kept
	_, err = f.kept.Seek(0, io.SeekStart)
	return err
}

func (f *file) close() error {
	var err error
	if f.book != nil {
		err = f.book.close()
		f.book = nil
	}
	if f.kept != nil {
		err = errors.Join(err, f.kept.Close())
		_ = os.Remove(f.kept.Name()) // mostly gone already
		f.kept = nil
	}
	return err
}

func (f *file) offset() int64 {
	if f.size > 0 {
		return f.size
	}
	return f.skip + f.count.n
}

// raw begins at the list's first byte behind its byte order mark.
func (f *file) raw() (io.Reader, error) {
	if _, err := f.in.Seek(f.start+f.skip, io.SeekStart); err != nil {
		return nil, err
	}
	f.count = counter{r: f.in}
	return &f.count, nil
}

// text begins at the list's first byte, as UTF-8 apart from single bytes of another encoding, which are left to the records.
func (f *file) text() (io.Reader, error) {
	in, err := f.raw()
	if err != nil || f.multi == nil {
		return in, err
	}
	return transform.NewReader(in, f.multi.NewDecoder()), nil
}

// findEncoding finds the encoding by its mark, by what the owner says, or by all the list's bytes.
func (f *file) findEncoding(head []byte, o Options) error {
	f.encoding, f.single = "UTF-8", charmap.Windows1252
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		f.encoding, f.skip, f.mark = "UTF-8 with byte order mark", 3, true
	case bytes.HasPrefix(head, []byte("\xff\xfe")), zeros(head, 1):
		f.encoding, f.multi, f.mark = "UTF-16 LE", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), true
		return nil
	case bytes.HasPrefix(head, []byte("\xfe\xff")), zeros(head, 0):
		f.encoding, f.multi, f.mark = "UTF-16 BE", unicode.UTF16(unicode.BigEndian, unicode.UseBOM), true
		return nil
	}
	if o.Encoding != "" {
		return f.use(o.Encoding)
	}
	in, err := f.raw()
	if err != nil {
		return err
	}
	sample, mixed, err := notUTF8(in)
	if err != nil || sample == nil {
		return err
	}
	guess, err := guessEncoding(sample, mixed, strings.ToUpper(strings.TrimSpace(o.Region)))
	if err != nil {
		return err
	}
	f.encoding, f.single, f.multi = guess.name, guess.single, guess.multi
	if !mixed && f.multi == nil {
		f.single, f.multi = nil, guess.single // two letters of it may look like one of UTF-8
	}
	return nil
}

// use takes the encoding that the owner names.
func (f *file) use(name string) error {
	for _, known := range singleBytes {
		if strings.EqualFold(known.name, name) {
			f.encoding, f.single, f.multi = known.name, nil, known.charmap
			return nil
		}
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return fmt.Errorf("unknown encoding %q: it takes utf-8, windows-1250 to windows-1258, macintosh, shift_jis, gbk, big5, euc-kr, iso-8859-2 and the like", name)
	}
	if f.encoding, err = htmlindex.Name(e); err != nil {
		return err
	}
	if f.encoding == "utf-8" {
		f.encoding = "UTF-8"
		return nil
	}
	f.multi = e
	return nil
}

// notUTF8 returns lines of a text with letters beyond ASCII if some of it is not UTF-8, else nil. mixed says that other parts of it
// are UTF-8.
func notUTF8(in io.Reader) (sample []byte, mixed bool, err error) {
	const most = 64 << 10
	var rest []byte
	buf := make([]byte, 64<<10)
	good, bad := 0, 0 // letters beyond ASCII in UTF-8, bytes that are none
	for {
		n, err := io.ReadFull(in, buf[len(rest):])
		text := buf[:len(rest)+n]
		last := err != nil
		if last && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, false, err
		}
		// A character or a line that is cut by the buffer's end waits for the next turn.
		whole := text
		if !last {
			if i := bytes.LastIndexAny(text, "\r\n"); i > len(text)/2 {
				whole = text[:i+1]
			} else {
				for len(whole) > 0 && len(text)-len(whole) < 3 && !utf8.RuneStart(whole[len(whole)-1]) {
					whole = whole[:len(whole)-1]
				}
				if len(whole) > 0 && whole[len(whole)-1] >= utf8.RuneSelf {
					whole = whole[:len(whole)-1]
				}
			}
		}
		if !utf8.Valid(whole) {
			for i := 0; i < len(whole); {
				r, size := utf8.DecodeRune(whole[i:])
				if i += size; r == utf8.RuneError && size == 1 {
					bad++
				} else if size > 1 {
					good++
				}
			}
			for line := range bytes.FieldsFuncSeq(whole, func(r rune) bool { return r == '\n' || r == '\r' }) {
				if len(sample) < most && !utf8.Valid(line) {
					sample = append(append(sample, line[:min(len(line), 4096)]...), '\n')
				}
			}
		}
		if last {
			break
		}
		rest = append(rest[:0], text[len(whole):]...)
		copy(buf, rest)
	}
	if bad == 0 {
		return nil, false, nil
	}
	return sample, good*4 >= bad, nil
}

// findComma finds what separates the cells.
func (f *file) findComma() error {
	head, err := f.head()
	if err != nil {
		return err
	}
	comma, behind := separatorLine(head)
	if behind > 0 {
		f.comma, f.behind = comma, behind
		return nil
	}
	f.comma, err = sniff(head, f.single)
	return err
}

// head is the whole lines of the list's beginning, decoded.
func (f *file) head() ([]byte, error) {
	in, err := f.text()
	if err != nil {
		return nil, err
	}
	head := make([]byte, sampleBytes)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	head = head[:n]
	if err == nil {
		if i := bytes.LastIndexAny(head, "\r\n"); i >= 0 {
			head = head[:i+1]
		}
	}
	return head, nil
}

// rows begins to read the list's records.
func (f *file) rows() (rows, error) {
	if f.book != nil {
		return f.book.rows()
	}
	in, err := f.text()
	if err != nil {
		return nil, err
	}
	r := newRecords(in, f.comma)
	r.single = f.single
	if f.behind > 0 {
		if _, err := io.CopyN(io.Discard, in, int64(f.behind)); err != nil {
			return nil, err
		}
		r.line = 1
	}
	return r, nil
}

// sample is the list's first records.
func (f *file) sample() ([]record, error) {
	in, err := f.rows()
	if err != nil {
		return nil, err
	}
	if closer, ok := in.(io.Closer); ok {
		defer closer.Close() //nolint:errcheck // only read
	}
	var sampled []record
	for size := 0; len(sampled) < sampleRows && size < sampleBytes; {
		rec, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, text := range rec.cells {
			size += len(text) + 1
		}
		sampled = append(sampled, rec)
	}
	if len(sampled) == 0 {
		return nil, ErrEmpty
	}
	return sampled, nil
}

// zeros reports whether most of every second byte is zero from the given one on, and hardly any other: Latin text
// in UTF-16 without a byte order mark.
func zeros(head []byte, from int) bool {
	var here, elsewhere int
	for i, b := range head {
		switch {
		case b != 0:
		case i%2 == from:
			here++
		default:
			elsewhere++
		}
	}
	return here > len(head)/4 && elsewhere*10 < here
}

// binary names the kinds of file that people mistake for CSV.
func binary(head []byte) string {
	for _, kind := range [...]struct{ magic, name string }{
		{"PK\x03\x04", "an OpenDocument workbook or a zip archive"},
		{"\xd0\xcf\x11\xe0", "an old Excel workbook"},
		{"\x1f\x8b", "a gzip archive"},
		{"%PDF-", "a PDF"},
		{"{\\rtf", "a rich text document"},
		{"\xff\xfe\x00\x00", "UTF-32 text"},
		{"\x00\x00\xfe\xff", "UTF-32 text"},
	} {
		if bytes.HasPrefix(head, []byte(kind.magic)) {
			return kind.name
		}
	}
	return ""
}

// utf8Bytes returns text with each byte that is not UTF-8 decoded as one of the given encoding.
func utf8Bytes(text []byte, single *charmap.Charmap) []byte {
	if utf8.Valid(text) {
		return text
	}
	if single == nil {
		single = charmap.Windows1252
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			out = utf8.AppendRune(out, single.DecodeByte(text[0]))
		} else {
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return out
}
