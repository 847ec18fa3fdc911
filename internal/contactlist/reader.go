package contactlist

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"github.com/ringqueue/ringqueue/campaign"
)

// Options says how a list is to be read.
type Options struct {
	// Region is the country of numbers written without +, as an ISO 3166 code in any case. Empty means US.
	Region string
	// Columns names the header of a role's column ("phone" → "Mobile") where it is not to be found out by the headers. Several
	// headers of one role ("phone", "dnc", "ignore") are apart by line ends.
	Columns map[string]string
	// Numbers is how digits without + are meant that can be read with and without a country code: "national" or
	// "international". Empty leaves it to the column's other cells.
	Numbers string
	// Encoding is the name of the text's encoding, such as windows-1250. Empty finds it out.
	Encoding string
	// Sheet is the name of a workbook's sheet. Empty takes the only one that has rows.
	Sheet string
	// DoNotCall says that the list is one of phones that are not to be called: every phone of a row is taken, whoever's it is and
	// whatever is said of it.
	DoNotCall bool
	// IDKey keys the hash of a contact's number that is its id where the list has none. Required, and the same for all lists
	// of a campaign: the same number must get the same id.
	IDKey []byte
	// Name is the list's file name for messages. Empty means "the list".
	Name string
}

// Reader reads the contacts of one list. It is not safe for concurrent use.
type Reader struct {
	name    string
	file    *file
	rows    rows
	options Options

	header  []string
	columns columns
	begins  int          // line of the first row behind the header, or of the first row
	ofPhone map[int]bool // of columns.remarks: those that speak of the phone
	dropped []int        // columns of an earlier rejects file, ascending
	same    []string

	numbering *numbering
	senses    []sense // by phone column
	countries countries
	zones     *zones
	hash      hash.Hash
	err       error // what ended the list

	numbers  []string        // scratch
	refused  map[string]bool // numbers that some row of the list says not to call
	unread   string          // what Unread returns
	leftOut  []LeftOut
	above    int // lines left out above the header
	repeated int // headers in the midst of the list
	abroad   int // contacts with a time zone that their number's country does not have
	wishes   int // contacts that the list says not to call
}

// rows is the records of a list, one after the other.
type rows interface {
	// next returns the next record that is not blank, or io.EOF. Its cells stay valid.
	next() (record, error)
}

// RejectedRow is a row without a contact. It is an error that Next returns; the list goes on behind it.
type RejectedRow struct {
	Line   int      // on which the row starts, from 1
	Reason string   // one line for people, with at most the last four digits of a number
	Record []string // the row's cells as they were, or those of its first line if it cannot be read
}

// Error implements error.
func (r *RejectedRow) Error() string { return fmt.Sprintf("line %d: %s", r.Line, r.Reason) }

// Open reads a list once from its beginning to its end, and finds its encoding, delimiter, header and columns, how its numbers are
// written, and whether its columns can be understood; Next then reads it again. What cannot be read twice is kept in a
// temporary file meanwhile. Errors are one line that says what to do; errors.Is(err, ErrEmpty) if the list has nothing in
// it. A list with a header and no rows is no error. Close is to be called after it.
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
	r := &Reader{name: o.Name, options: o, zones: newZones(), hash: hmac.New(sha256.New, o.IDKey)}
	r.numbering = newNumbering(region)
	if _, err := senseOf(o.Numbers); err != nil {
		return nil, err
	}
	if r.file, err = openFile(in, o); err != nil {
		return nil, err
	}
	if err := r.prepare(); err != nil {
		_ = r.file.close() // only read
		return nil, err
	}
	return r, nil
}

// senseOf is Options.Numbers.
func senseOf(numbers string) (sense, error) {
	switch numbers {
	case "":
		return undecided, nil
	case "national":
		return national, nil
	case "international":
		return worldwide, nil
	}
	return undecided, fmt.Errorf("numbers are %q: it takes national or international", numbers)
}

func (r *Reader) prepare() error {
	sample, err := r.file.sample()
	if err != nil {
		return err
	}
	if err := r.mapColumns(sample); err != nil {
		return err
	}
	if err := r.scan(); err != nil {
		return err
	}
	r.rows, err = r.file.rows()
	return err
}

// Close gives back what a list that cannot be read twice was kept in. Reading to the end does so, too.
func (r *Reader) Close() error { return r.file.close() }

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

// Header is the list's own header, with generated names (column_1, …) for columns without one.
func (r *Reader) Header() []string { return slices.Clone(r.header) }

// Mapping is the columns with a role: phone columns in the order in which their numbers are kept, name (first and last name
// may be two), id and timezone, and those that say more of a row.
func (r *Reader) Mapping() []Mapped {
	var mapping []Mapped
	add := func(role Role, indexes ...int) {
		for _, i := range indexes {
			if i >= 0 {
				mapping = append(mapping, Mapped{Role: role, Header: r.header[i], Index: i})
			}
		}
	}
	c := &r.columns
	for _, p := range c.phones {
		add(Phone, p.index)
	}
	add(Name, c.names...)
	add(ID, c.id)
	add(Timezone, c.zone)
	add(Country, c.dial...)
	add(Country, c.countries...)
	for _, f := range c.flags {
		add(DoNotCall, f.index)
	}
	add(Priority, c.priority)
	add(Line, c.line)
	add(NotBefore, c.notBefore)
	add(NotAfter, c.notAfter)
	return mapping
}

// LeftOut is the columns with phones in them that are not called, and why.
func (r *Reader) LeftOut() []LeftOut { return slices.Clone(r.leftOut) }

// Notes is what else the list's owner should know, a line each; complete once Next has returned io.EOF.
func (r *Reader) Notes() []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if r.above > 0 {
		add("the header is on line %d; %s above it left out", r.begins-1, count(r.above, "line", "is", "are"))
	}
	if r.repeated > 0 {
		add("the header comes again %s", count(r.repeated, "time", "", ""))
	}
	for _, l := range r.leftOut {
		add("column %q is left out: %s", short(l.Header), l.Why)
	}
	if r.wishes > 0 {
		add("%s not to be called, as the list itself says", count(r.wishes, "contact", "is", "are"))
	}
	if r.abroad > 0 {
		add("%s a time zone that the country of the number does not have: called only when both are open", count(r.abroad, "contact", "has", "have"))
	}
	return notes
}

func count(n int, what, one, many string) string {
	if n == 1 {
		return strings.TrimSpace("1 " + what + " " + one)
	}
	return strings.TrimSpace(strconv.Itoa(n) + " " + what + "s " + many)
}

// Delimiter is what separates the list's cells; a comma in a workbook.
func (r *Reader) Delimiter() rune { return rune(r.file.comma) }

// Encoding is the list's encoding for people.
func (r *Reader) Encoding() string { return r.file.encoding }

// Offset is how many bytes were taken from the list so far, for progress. It is ahead of the rows by a buffer, and the list's
// size in the end.
func (r *Reader) Offset() int64 { return r.file.offset() }

// Next returns the next contact, a *RejectedRow for a row that has none, or io.EOF. After any other error, which
// is one of reading, it returns that error again. A contact with DoNotCall is not to be called.
func (r *Reader) Next() (campaign.Contact, error) {
	if r.err != nil {
		return campaign.Contact{}, r.err
	}
	for {
		rec, err := r.rows.next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				err = fmt.Errorf("read %s: %w", r.name, err)
			}
			_ = r.file.close() // it was only read
			r.err = err
			return campaign.Contact{}, err
		}
		if rec.line < r.begins {
			continue
		}
		cells := r.keep(rec.cells)
		if rec.flaw != "" {
			return campaign.Contact{}, &RejectedRow{Line: rec.line, Reason: rec.flaw, Record: cells}
		}
		if allBlank(cells) || r.isHeader(cells) {
			continue
		}
		c, err := r.contact(rec.line, cells)
		if err == nil {
			if c.DoNotCall != "" {
				r.wishes++
			}
			if campaign.ZoneAbroad(c) {
				r.abroad++
			}
		}
		return c, err
	}
}

// Unread is why some of the phones of the contact that Next returned last were not taken, or "".
func (r *Reader) Unread() string { return r.unread }

// isHeader reports whether a row is the list's header again.
func (r *Reader) isHeader(cells []string) bool {
	if r.same == nil || len(cells) < len(r.same) {
		return false
	}
	for i, name := range r.same {
		if strings.TrimSpace(cells[i]) != name {
			return false
		}
	}
	return true
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

// cell is a cell of a row that may be shorter than the header; column -1 is empty.
func cell(cells []string, column int) string {
	if column < 0 || column >= len(cells) {
		return ""
	}
	return cells[column]
}

// region is the country in which a row's numbers without + are read. The flaw says that the row's columns do not agree, or name
// none that is known.
func (r *Reader) region(cells []string) (in region, why string) {
	in = r.numbering.list
	if len(r.columns.dial)+len(r.columns.countries) == 0 {
		return in, ""
	}
	look := func(columns []int, apart bool) {
		for _, i := range columns {
			code := r.countries.code(cell(cells, i))
			switch code {
			case "":
			case notACountry:
				if why == "" {
					why = fmt.Sprintf("%s %q is no country", short(r.header[i]), short(strings.TrimSpace(cells[i])))
				}
			default:
				other := r.numbering.region(code)
				switch {
				case !in.said:
					in, in.said, in.apart = other, true, apart
				case in.code != other.code:
					why = "its countries are not the same"
				case !apart && in.code == other.code:
					named := in.apart
					in, in.said, in.apart = other, true, named
				}
			}
		}
	}
	look(r.columns.dial, true)
	look(r.columns.countries, false)
	return in, why
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
	if sums(cells) {
		return reject("is a sum of the rows, not a contact")
	}
	in, why := r.region(cells)
	found := r.numbers[:0]
	var reasons []string
	for i := range r.columns.phones {
		p := &r.columns.phones[i]
		before := len(found)
		var bad flaw
		found, bad = r.phone(p, cells, in, why, r.senses[i], found)
		if bad == flawGone && !r.options.DoNotCall {
			return reject(short(r.header[p.index]) + " " + string(bad))
		}
		if bad == flawStop && c.DoNotCall == "" && !r.options.DoNotCall {
			c.DoNotCall = short(r.header[p.index])
		}
		if bad == flawNone {
			continue
		}
		value := masked(cells[p.index])
		if bad == flawExcel {
			value = "" // its digits are not those of the number's end
		}
		text := string(bad)
		if bad == flawCountry && why != "" {
			text = "needs + and country code, since " + why
		}
		if len(found) == before || r.options.DoNotCall {
			reasons = append(reasons, short(r.header[p.index])+value+" "+text)
		}
	}
	r.numbers = found
	if len(found) == 0 {
		if reasons == nil {
			return reject("no phone number: " + r.phoneHeaders() + " empty")
		}
		return reject(strings.Join(reasons, "; "))
	}
	r.unread = strings.Join(reasons, "; ")
	c.Numbers = slices.Clone(found)
	if text := cell(cells, r.columns.zone); strings.TrimSpace(text) != "" && !r.options.DoNotCall {
		if c.Zone = r.zones.of(text, found[0]); c.Zone == "" {
			return reject(fmt.Sprintf("%s %q is no time zone; write an IANA name such as America/New_York, or leave it empty",
				short(r.header[r.columns.zone]), short(strings.TrimSpace(text))))
		}
	}
	c.Name = r.fullName(cells)
	c.ID = r.id(cells, found)
	if r.options.DoNotCall {
		return c, nil
	}
	if reason := r.wish(cells, &c); reason != "" {
		return reject(reason)
	}
	r.elsewhere(&c)
	if reason := r.asked(cells, &c); reason != "" {
		return reject(reason)
	}
	return c, nil
}

const elsewhereSays = "another row with this number says so"

// elsewhere takes away the numbers that another row of the list says not to call.
func (r *Reader) elsewhere(c *campaign.Contact) {
	if c.DoNotCall != "" || len(r.refused) == 0 || !slices.ContainsFunc(c.Numbers, func(n string) bool { return r.refused[n] }) {
		return
	}
	left := slices.DeleteFunc(slices.Clone(c.Numbers), func(n string) bool { return r.refused[n] })
	if len(left) == 0 {
		c.DoNotCall = elsewhereSays
		return
	}
	c.Numbers = left
}

// phone adds the numbers of a phone's cell to those found before.
func (r *Reader) phone(p *phoneColumn, cells []string, in region, badCountry string, s sense, found []string) ([]string, flaw) {
	text := cells[p.index]
	if strings.TrimSpace(text) == "" {
		return found, flawNone
	}
	all := r.options.DoNotCall
	before := len(found)
	stop := flawNone
	if label := strings.TrimSpace(cell(cells, p.label)); label != "" && !all {
		if why := flawOf(labelClasses(label)); why == flawStop || why == flawGone {
			stop = why
		} else if why != flawNone {
			if why == flawLetters {
				why = flawLabel
			}
			return found, why
		}
	}
	for _, note := range p.notes {
		if all {
			break
		}
		c := words().cell.classes(fold(cell(cells, note)))
		if why := flawOf(c & (isOther | isFax | isDead)); why != flawNone {
			return found, why
		}
	}
	for _, e := range p.extension {
		if strings.Trim(cell(cells, e), " 0") == "" {
			continue
		}
		if digits := countDigits(tidy(cell(cells, e))); digits > 0 && digits < shortest {
			return found, flawExtension
		}
	}
	if p.area >= 0 {
		var why flaw
		if text, in, why = r.withArea(cell(cells, p.area), text, in); why != flawNone {
			return found, why
		}
	}
	if badCountry != "" {
		in.said = false
		if t := strings.TrimLeft(tidy(text), "( "); !strings.HasPrefix(t, "+") && !strings.HasPrefix(t, "00") {
			return found, flawCountry
		}
	}
	found, why := r.numbering.numbers(text, way{region: in, sense: s, all: all}, found)
	switch {
	case stop == flawGone || why == flawGone:
		return found[:before], flawGone
	case stop != flawNone && len(found) > before:
		return found, stop
	case why == flawStop && len(found) == before:
		return found, flawStop
	case why != flawNone && why != flawStop && len(found) > before && !all:
		return found, flawNone
	}
	return found, why
}

// withArea puts the area code of a column of its own before a number.
func (r *Reader) withArea(area, text string, in region) (string, region, flaw) {
	area, number := tidy(area), tidy(text)
	if strings.HasPrefix(number, "+") || strings.HasPrefix(number, "0") {
		return text, in, flawNone
	}
	if area == "" {
		if in.nanp {
			return text, in, flawNone
		}
		return text, in, flawArea
	}
	digits, why := canonical(area)
	if why != flawNone && countDigits(area) < 3 && countDigits(area) > 0 && !strings.ContainsFunc(area, unicode.IsLetter) {
		digits, why = strings.TrimFunc(area, func(c rune) bool { return c < '0' || c > '9' }), flawNone
	}
	if why != flawNone || len(digits) > 7 {
		return text, in, flawArea
	}
	if rest, why := canonical(number); why == flawNone && in.nanp && len(rest) >= 10 {
		return text, in, flawNone
	}
	if digits[0] != '+' && digits[0] != '0' && !in.nanp {
		if ndd := phonenumbers.GetNddPrefixForRegion(in.name, true); ndd == "0" {
			digits = "0" + digits // the zero that area codes are often written without
		}
	}
	return digits + " " + number, in, flawNone
}

// labelClasses is what the label beside a phone says of it. Apple's is in signs: _$!<Mobile>!$_.
func labelClasses(label string) class {
	c := class(0)
	for part := range strings.FieldsFuncSeq(label, func(r rune) bool { return strings.ContainsRune(",;/|:&+", r) }) {
		folded := fold(typeWord.ReplaceAllString(part, " "))
		if folded == "" || folded == "type" {
			continue
		}
		c |= words().cell.classes(folded)
	}
	return c
}

// wish sees whether the list itself says that a contact is not to be called. It returns why the row is rejected.
func (r *Reader) wish(cells []string, c *campaign.Contact) string {
	for _, f := range r.columns.flags {
		text := cell(cells, f.index)
		switch f.says(text) {
		case refused:
			if f.wrong {
				return fmt.Sprintf("%s is %q: the number is not the person's", short(r.header[f.index]), short(strings.TrimSpace(text)))
			}
			if f.gone {
				return short(r.header[f.index]) + " says that the person is dead"
			}
			c.DoNotCall = fmt.Sprintf("%s is %q", short(r.header[f.index]), short(strings.TrimSpace(text)))
		case unclear: // the scan lets none pass, but the file may have changed
			return fmt.Sprintf("%s %q says neither yes nor no", short(r.header[f.index]), short(strings.TrimSpace(text)))
		}
	}
	for _, i := range r.columns.remarks {
		switch part, why := remark(cell(cells, i), r.ofPhone[i]); why {
		case flawGone:
			return short(r.header[i]) + " says that the person is dead"
		case flawDead:
			return fmt.Sprintf("%s says %q: the number is not the person's", short(r.header[i]), short(part))
		case flawStop:
			c.DoNotCall = fmt.Sprintf("%s says %q", short(r.header[i]), short(part))
		}
	}
	return ""
}

// asked reads what a row asks for beside its number.
func (r *Reader) asked(cells []string, c *campaign.Contact) string {
	if text := strings.TrimSpace(cell(cells, r.columns.priority)); text != "" {
		n, err := strconv.Atoi(strings.TrimSuffix(text, ".0"))
		if err != nil || n < -1000 || n > 1000 {
			return fmt.Sprintf("%s %q is no whole number from -1000 to 1000", short(r.header[r.columns.priority]), short(text))
		}
		c.Priority = n
	}
	c.Line = strings.TrimSpace(cell(cells, r.columns.line))
	zones, _ := campaign.Zones(*c)
	for _, one := range []struct {
		column int
		to     *time.Time
		end    bool
	}{{r.columns.notBefore, &c.NotBefore, false}, {r.columns.notAfter, &c.NotAfter, true}} {
		text := strings.TrimSpace(cell(cells, one.column))
		if text == "" {
			continue
		}
		at, ok := instant(text, zones, one.end)
		if !ok {
			return fmt.Sprintf("%s %q is no time; write 2026-11-25 or 2026-11-25 14:30, of the contact's clock, or 2026-11-25T14:30:00Z",
				short(r.header[one.column]), short(text))
		}
		*one.to = at
	}
	if !c.NotBefore.IsZero() && !c.NotAfter.IsZero() && !c.NotBefore.Before(c.NotAfter) {
		return "not_after is not after not_before"
	}
	return ""
}

// instant reads a time, of the zones' clocks where it names none: the latest of them, or the earliest for an end. A day alone
// begins at its midnight, or ends there.
func instant(text string, zones []string, end bool) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, true
	}
	var best time.Time
	for _, name := range zones {
		loc, ok := campaign.LoadZone(name)
		if !ok {
			return best, false
		}
		for _, layout := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
			at, err := time.ParseInLocation(layout, text, loc)
			if err != nil {
				continue
			}
			if end && len(layout) == len("2006-01-02") {
				at = at.AddDate(0, 0, 1)
			}
			if best.IsZero() || end == at.Before(best) {
				best = at
			}
		}
	}
	return best.UTC(), !best.IsZero()
}

// sums reports whether a row sums up the others.
func sums(cells []string) bool {
	for _, text := range cells {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if text[0] >= '0' && text[0] <= '9' || len(text) > 60 {
			return false
		}
		return among("total", fold(text))
	}
	return false
}

func (r *Reader) phoneHeaders() string {
	names := make([]string, len(r.columns.phones))
	for i, p := range r.columns.phones {
		names[i] = short(r.header[p.index])
	}
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, ", ") + " are"
}

// masked is the last digits of a cell for a reason; nothing of its text.
func masked(cell string) string {
	cell = tidy(cell)
	if whole, written := scientific(cell); written {
		cell = whole
	}
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
	if why != flawNone || len(written) < shortest || len(written) < 10 && !trunk(written) {
		return false
	}
	return n.any(written)
}

func allBlank(cells []string) bool {
	for _, cell := range cells {
		if strings.TrimSpace(cell) != "" {
			return false
		}
	}
	return true
}
