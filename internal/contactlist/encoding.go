package contactlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
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

// decoded returns the list from its first bytes on as UTF-8, apart from single bytes of Windows-1252, which are left
// to the records: such a byte can first appear anywhere in a list. name is the encoding for people; "" is
// plain UTF-8 or Windows-1252.
func decoded(r io.Reader) (text io.Reader, name string, err error) {
	var prefix [4096]byte
	n, err := io.ReadFull(r, prefix[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, "", err
	}
	head := prefix[:n]
	if len(bytes.TrimSpace(head)) == 0 && n < len(prefix) {
		return nil, "", ErrEmpty
	}
	if what := binary(head); what != "" {
		return nil, "", fmt.Errorf("this is %s, not a CSV file; save it as \"CSV UTF-8\" first", what)
	}
	whole := io.MultiReader(bytes.NewReader(bytes.Clone(head)), r)
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		if _, err := io.CopyN(io.Discard, whole, 3); err != nil {
			return nil, "", err
		}
		return whole, "UTF-8 with byte order mark", nil
	case bytes.HasPrefix(head, []byte("\xff\xfe")), zeros(head, 1):
		return utf16(whole, unicode.LittleEndian), "UTF-16 LE", nil
	case bytes.HasPrefix(head, []byte("\xfe\xff")), zeros(head, 0):
		return utf16(whole, unicode.BigEndian), "UTF-16 BE", nil
	}
	return whole, "", nil
}

func utf16(r io.Reader, order unicode.Endianness) io.Reader {
	return transform.NewReader(r, unicode.UTF16(order, unicode.UseBOM).NewDecoder())
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
		{"PK\x03\x04", "an Excel or OpenDocument workbook, or a zip archive"},
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

// utf8Bytes returns text with each byte that is not UTF-8 decoded as Windows-1252. The second result says that
// there were any.
func utf8Bytes(text []byte) ([]byte, bool) {
	if utf8.Valid(text) {
		return text, false
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			out = utf8.AppendRune(out, charmap.Windows1252.DecodeByte(text[0]))
		} else {
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return out, true
}
