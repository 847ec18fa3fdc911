package contactlist

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"github.com/ringqueue/ringqueue/campaign"
)

// Options says how a list is to be read.
type Options struct {
	// Region is the country of numbers written without +, as an ISO 3166 code in any case. Empty means US.
	Region string
	// Columns names the header of a role's column ("phone" → "Mobile") where it is not to be found out by the headers.
	Columns map[string]string
	// IDKey keys the hash of a contact's number that is its id where the list has none. Required, and the same for all lists
	// of a campaign: the same number must get the same id.
	IDKey []byte
	// Name is the list's file name for messages. Empty means "the list".
	Name string
}

// Reader reads the contacts of one list. It is not safe for concurrent use.
type Reader struct {
	name     string
	in       *counter
	records  *records
	encoding string

	header  []string
	columns columns
	dropped []int // columns of an earlier rejects file, ascending
	first   *record

	numbering *numbering
	zones     *zones
	hash      hash.Hash
	err       error // what ended the list
}

// RejectedRow is a row without a contact. It is an error that Next returns; the list goes on behind it.
type RejectedRow struct {
	Line   int      // on which the row starts, from 1
	Reason string   // one line for people, with at most the last four digits of a number
	Record []string // the row's cells as they were, or those of its first line if it cannot be read
}

// Error implements error.
func (r *RejectedRow) Error() string { return fmt.Sprintf("line %d: %s", r.Line, r.Reason) }

// Open looks at the beginning of a list and finds its encoding, delimiter, header and columns. Errors are one line that
// says what to do; errors.Is(err, ErrEmpty) if the list has nothing in it. A list with a header and no rows is no error.
func Open(r io.Reader, o Options) (*Reader, error) {
	if o.Name == "" {
		o.Name = "the list"
	}
	list, err := open(r, o)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Name, err)
	}
	return list, nil
}

func open(in io.Reader, o Options) (*Reader, error) {
	region, err := knownRegion(o.Region)
	if err != nil {
		return nil, err
	}
	if len(o.IDKey) == 0 {
		return nil, errors.New("no key for contact ids")
	}
	r := &Reader{name: o.Name, in: &counter{r: in}, zones: newZones(region), hash: hmac.New(sha256.New, o.IDKey)}
	text, encoding, err := decoded(r.in)
	if err != nil {
		return nil, err
	}
	r.numbering = newNumbering(region)
	r.encoding = encoding
	buffered := bufio.NewReaderSize(text, sampleBytes)
	head, err := buffered.Peek(sampleBytes)
	if err == nil {
		if i := bytes.LastIndexAny(head, "\r\n"); i >= 0 {
			head = head[:i+1]
		}
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	comma, behind := separatorLine(head)
	if behind > 0 {
		head = head[behind:]
		if _, err := buffered.Discard(behind); err != nil {
			return nil, err
		}
	}
	var rows []record
	if comma != 0 {
		rows, err = sample(head, comma)
	} else {
		comma, rows, err = sniff(head)
	}
	if err != nil {
		return nil, err
	}
	r.records = newRecords(buffered, comma)
	if behind > 0 {
		r.records.line = 1
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	if err := r.mapColumns(rows, o.Columns); err != nil {
		return nil, err
	}
	return r, nil
}

// knownRegion is Options.Region as phonenumbers knows it.
func knownRegion(written string) (string, error) {
	region := strings.ToUpper(strings.TrimSpace(written))
	if region == "" {
		region = "US"
	}
	if !phonenumbers.GetSupportedRegions()[region] {
		return "", fmt.Errorf("unknown region %q: it takes a two-letter country code such as US or DE", written)
	}
	return region, nil
}

// begin reads the first record that can be read, which is the header or the first row.
func (r *Reader) begin() error {
	rec, err := r.records.next()
	if errors.Is(err, io.EOF) {
		return ErrEmpty
	}
	if err != nil {
		return err
	}
	if rec.flaw != "" {
		return fmt.Errorf("line %d, the header, cannot be read: %s", rec.line, rec.flaw)
	}
	r.first = &rec
	return nil
}

// mapColumns finds the header and the roles of its columns from the sample's rows, of which the first one is r.first.
func (r *Reader) mapColumns(rows []record, wanted map[string]string) error {
	if len(rows) == 0 || !slices.Equal(rows[0].cells, r.first.cells) { // a header longer than the sample
		rows = []record{*r.first}
	}
	cells := r.first.cells
	isHeader, named := r.hasHeader(rows)
	for i := range cells {
		name := strings.TrimFunc(cells[i], func(c rune) bool { return unicode.IsSpace(c) || c == '\ufeff' || c == '\u200b' })
		switch {
		case isHeader && (name == lineColumn || name == reasonColumn):
			r.dropped = append(r.dropped, i)
		case isHeader && name != "":
			r.header = append(r.header, name)
		default:
			r.header = append(r.header, generated(i))
		}
	}
	if isHeader {
		r.first = nil
		rows = rows[1:]
	}
	kept := make([][]string, len(rows))
	for i, row := range rows {
		kept[i] = r.keep(slices.Clone(row.cells))
	}
	looks := func(column int) bool { return r.shareOfNumbers(kept, column) >= 0.5 }
	if named {
		r.columns = detect(r.header, looks)
	} else {
		r.columns = r.byContent(kept, looks)
	}
	if err := r.columns.override(r.header, wanted); err != nil {
		return err
	}
	if len(r.columns.phones) > 0 {
		return nil
	}
	hint := `name it with --column phone="…"`
	for i := range r.header {
		if looks(i) {
			hint = fmt.Sprintf("%q looks like one: name it with --column phone=%q", short(r.header[i]), short(r.header[i]))
			break
		}
	}
	return fmt.Errorf("no column of phone numbers among %s: %s", quoteAll(r.header), hint)
}

// hasHeader tells whether the first row is a header, and whether its names say something: those that were generated
// for a list without header, and came back with a rejects file, do not.
func (r *Reader) hasHeader(rows []record) (isHeader, named bool) {
	first := rows[0].cells
	generatedNames, known := 0, false
	for i, cell := range first {
		if found, _ := r.numbering.numbers(cell, nil); len(found) > 0 {
			return false, false
		}
		name := strings.TrimSpace(cell)
		if name == generated(i) || name == lineColumn || name == reasonColumn {
			generatedNames++
		}
		folded := fold(cell)
		known = known || isPhone(folded) || maybePhone(folded) || isTimezone(folded) ||
			fullName(folded)+firstName(folded)+lastName(folded)+idRank(folded) > 0
	}
	if generatedNames == len(first) {
		return true, false
	}
	if known {
		return true, true
	}
	// No word that is known. If one column has numbers below and digits here, this row's number is just a bad one.
	rest := make([][]string, 0, len(rows))
	for _, row := range rows[1:] {
		rest = append(rest, row.cells)
	}
	for i, cell := range first {
		if countDigits(cell) >= 5 && r.shareOfNumbers(rest, i) >= 0.5 {
			return false, false
		}
	}
	return true, true
}

// byContent finds the columns of a list without header names: those of which half of the cells are numbers, else the
// one with most, and a column of IANA zones.
func (r *Reader) byContent(rows [][]string, looks func(int) bool) columns {
	c := columns{id: -1, zone: -1}
	best, most := -1, 0.0
	for i := range r.header {
		if looks(i) {
			c.phones = append(c.phones, i)
			continue
		}
		if share := r.shareOfNumbers(rows, i); share > most {
			best, most = i, share
		}
		zones, others := 0, 0
		for _, row := range rows {
			if i >= len(row) || strings.TrimSpace(row[i]) == "" {
				continue
			}
			if strings.Contains(row[i], "/") && r.zones.name(row[i]) != "" {
				zones++
			} else {
				others++
			}
		}
		if c.zone < 0 && zones > 0 && others == 0 {
			c.zone = i
		}
	}
	if c.phones == nil && best >= 0 {
		c.phones = []int{best}
	}
	return c
}

// shareOfNumbers is the part of a column's cells, empty ones aside, that are phone numbers.
func (r *Reader) shareOfNumbers(rows [][]string, column int) float64 {
	filled, numbers := 0, 0
	for _, row := range rows {
		if column >= len(row) || strings.TrimSpace(row[column]) == "" {
			continue
		}
		filled++
		if found, _ := r.numbering.numbers(row[column], nil); len(found) > 0 {
			numbers++
		}
	}
	if filled == 0 {
		return 0
	}
	return float64(numbers) / float64(filled)
}

// Header is the list's own header, with generated names (column_1, …) for columns without one.
func (r *Reader) Header() []string { return slices.Clone(r.header) }

// Mapping is the columns with a role: phone columns in the order in which their numbers are kept, name (first and last name
// may be two), id and timezone.
func (r *Reader) Mapping() []Mapped {
	var mapping []Mapped
	add := func(role Role, indexes ...int) {
		for _, i := range indexes {
			if i >= 0 {
				mapping = append(mapping, Mapped{Role: role, Header: r.header[i], Index: i})
			}
		}
	}
	add(Phone, r.columns.phones...)
	add(Name, r.columns.names...)
	add(ID, r.columns.id)
	add(Timezone, r.columns.zone)
	return mapping
}

// Delimiter is what separates the list's cells.
func (r *Reader) Delimiter() rune { return rune(r.records.comma) }

// Encoding is the list's encoding for people, as far as it was read: Windows-1252 shows when its first such byte comes.
func (r *Reader) Encoding() string {
	switch {
	case r.encoding != "":
		return r.encoding
	case r.records.latin:
		return "Windows-1252"
	}
	return "UTF-8"
}

// Offset is how many bytes were taken from the list so far, for progress. It is ahead of the rows by a buffer, and the list's
// size in the end.
func (r *Reader) Offset() int64 { return r.in.n }

// Next returns the next contact, a *RejectedRow for a row that has none, or io.EOF. After any other error, which
// is one of reading, it returns that error again.
func (r *Reader) Next() (campaign.Contact, error) {
	if r.err != nil {
		return campaign.Contact{}, r.err
	}
	for {
		rec, err := r.row()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				err = fmt.Errorf("read %s after line %d: %w", r.name, r.records.line, err)
			}
			r.err = err
			return campaign.Contact{}, err
		}
		cells := r.keep(rec.cells)
		if rec.flaw != "" {
			return campaign.Contact{}, &RejectedRow{Line: rec.line, Reason: rec.flaw, Record: cells}
		}
		if allBlank(cells) {
			continue
		}
		return r.contact(rec.line, cells)
	}
}

func (r *Reader) row() (record, error) {
	if first := r.first; first != nil {
		r.first = nil
		return *first, nil
	}
	return r.records.next()
}

// keep leaves out the columns that an earlier rejects file added. It may change cells.
func (r *Reader) keep(cells []string) []string {
	for i, column := range r.dropped {
		if column -= i; column < len(cells) {
			cells = slices.Delete(cells, column, column+1)
		}
	}
	return cells
}

// contact makes a contact of a row, or rejects it.
func (r *Reader) contact(line int, cells []string) (campaign.Contact, error) {
	for len(cells) < len(r.header) {
		cells = append(cells, "")
	}
	c := campaign.Contact{Row: line, Values: cells}
	reject := func(reason string) (campaign.Contact, error) {
		return campaign.Contact{}, &RejectedRow{Line: line, Reason: reason, Record: cells}
	}
	numbers := make([]string, 0, len(r.columns.phones))
	var reasons []string
	for _, i := range r.columns.phones {
		found, why := r.numbering.numbers(cells[i], numbers)
		numbers = found
		if why != flawNone && len(numbers) == 0 {
			value := masked(cells[i])
			if why == flawExcel {
				value = "" // its digits are not those of the number's end
			}
			reasons = append(reasons, short(r.header[i])+value+" "+string(why))
		}
	}
	if len(numbers) == 0 {
		if reasons == nil {
			return reject("no phone number: " + r.phoneHeaders() + " empty")
		}
		return reject(strings.Join(reasons, "; "))
	}
	c.Numbers = numbers
	if i := r.columns.zone; i >= 0 && strings.TrimSpace(cells[i]) != "" {
		if c.Zone = r.zones.name(cells[i]); c.Zone == "" {
			return reject(fmt.Sprintf("%s %q is no time zone; write an IANA name such as America/New_York, or leave it empty",
				short(r.header[i]), short(strings.TrimSpace(cells[i]))))
		}
	}
	c.Name = r.fullName(cells)
	c.ID = r.id(cells, numbers)
	return c, nil
}

// masked is the last digits of a cell for a reason; nothing of its text.
func masked(cell string) string {
	digits := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, strings.Map(plain, cell))
	if len(digits) <= 4 {
		return ""
	}
	return " " + campaign.Mask(digits)
}

func (r *Reader) phoneHeaders() string {
	names := make([]string, len(r.columns.phones))
	for i, column := range r.columns.phones {
		names[i] = short(r.header[column])
	}
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, ", ") + " are"
}

func (r *Reader) fullName(cells []string) string {
	switch len(r.columns.names) {
	case 0:
		return ""
	case 1:
		return strings.TrimSpace(cells[r.columns.names[0]])
	}
	parts := make([]string, 0, len(r.columns.names))
	for _, i := range r.columns.names {
		if part := strings.TrimSpace(cells[i]); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

// id is the row's own id, or a keyed hash of the number that is dialled: ids go into Redis keys, task payloads and logs, where
// nothing personal belongs.
func (r *Reader) id(cells, numbers []string) string {
	if i := r.columns.id; i >= 0 {
		id := strings.TrimFunc(cells[i], unicode.IsSpace)
		if usableID(id, numbers) && !r.numbering.isNumber(id) {
			return id
		}
	}
	r.hash.Reset()
	_, _ = r.hash.Write([]byte(numbers[0])) // a hash's Write returns no error
	var sum [sha256.Size]byte
	return hex.EncodeToString(r.hash.Sum(sum[:0])[:idBytes])
}

// usableID refuses ids that are personal data or would not fit into a key.
func usableID(id string, numbers []string) bool {
	const longest = 64 // bytes
	if id == "" || len(id) > longest || strings.ContainsRune(id, '@') {
		return false
	}
	letters, digits := 0, make([]byte, 0, longest)
	for _, c := range id {
		switch {
		case c == unicode.ReplacementChar || unicode.IsControl(c) || unicode.Is(unicode.Cf, c):
			return false
		case c >= '0' && c <= '9':
			digits = append(digits, byte(c))
		case unicode.IsLetter(c):
			letters++
		}
	}
	if len(digits) < shortest {
		return true
	}
	if letters == 0 && (id[0] == '+' || id[0] == '(') {
		return false
	}
	// A number in any of its spellings: its digits without trunk prefix end the E.164 form.
	tail := bytes.TrimLeft(digits, "0")
	for _, number := range numbers {
		if len(tail) >= shortest && strings.HasSuffix(number, string(tail)) || bytes.HasSuffix(digits, []byte(number[1:])) {
			return false
		}
	}
	return true
}

// isNumber reports whether an id is somebody's phone number. Plain digits must be ten, or begin with 0, to be taken for one:
// there are more customer numbers of eight digits than phone numbers.
func (n *numbering) isNumber(id string) bool {
	written, why := canonical(id)
	if why != flawNone || len(written) < shortest || len(written) < 10 && !dialled(written) {
		return false
	}
	_, valid := n.e164(written)
	return valid
}

func allBlank(cells []string) bool {
	for _, cell := range cells {
		if strings.TrimSpace(cell) != "" {
			return false
		}
	}
	return true
}
