package contactlist

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// mostAbove is how many rows may stand above the header: titles, a date, a letterhead.
const mostAbove = 40

// speaksOfPhone reports whether one of the cells is a header of phones.
func speaksOfPhone(cells []string) bool {
	return slices.ContainsFunc(cells, func(text string) bool {
		if len(text) > 80 || countDigits(text) > 4 {
			return false
		}
		c := headerClasses(text)
		return c&isPhone != 0 && c&isUnknown == 0
	})
}

// mapColumns finds the header and the roles of its columns from the list's first rows.
func (r *Reader) mapColumns(sampled []record) error {
	at, isHeader, named := r.findHeader(sampled)
	if sampled[at].flaw != "" {
		return fmt.Errorf("line %d, the header, cannot be read: %s", sampled[at].line, sampled[at].flaw)
	}
	first := sampled[at].cells
	r.begins, r.above = sampled[at].line, at
	var same []string
	for i, text := range first {
		name := strings.TrimFunc(text, func(c rune) bool { return unicode.IsSpace(c) || c == '\ufeff' || c == '\u200b' })
		switch {
		case isHeader && (name == lineColumn || name == ReasonColumn):
			r.dropped = append(r.dropped, i)
			continue
		case isHeader && name != "":
			r.header = append(r.header, name)
		default:
			r.header = append(r.header, generated(len(r.header)))
		}
		same = append(same, name)
	}
	rows := sampled[at:]
	if isHeader {
		r.begins++
		rows = rows[1:]
		r.same = same
	}
	var kept [][]string
	for _, row := range rows {
		if row.flaw == "" {
			kept = append(kept, r.keep(slices.Clone(row.cells)))
		}
	}
	numbers := func(column int) bool { return r.share(kept, column, r.mayBeNumber) >= 0.5 }
	certain := func(column int) bool {
		sure := r.share(kept, column, r.isNumberForSure)
		none := r.share(kept, column, func(text string) bool { return countDigits(text) == 0 })
		return sure >= 0.5 && sure+none >= 0.8
	}
	alone := len(r.header) == 1 && numbers(0)
	switch {
	case named:
		r.columns = detect(r.header, r.options.DoNotCall, func(i int) bool { return certain(i) || alone }, numbers)
	default:
		r.columns = r.byContent(kept, certain, alone)
	}
	if named && !r.options.DoNotCall {
		r.columns.several(r.header)
		var above []string
		if at > 0 {
			above = sampled[at-1].cells
		}
		if twice := r.columns.grouped(r.header, above); twice != "" && r.options.Columns[string(Phone)] == "" {
			return fmt.Errorf("several columns are called %q: give them names that say whose phones they are", short(twice))
		}
	}
	if err := r.columns.override(r.header, r.options.Columns); err != nil {
		return err
	}
	if persons := r.columns.persons(r.header); len(persons) > 1 && !r.options.DoNotCall {
		return fmt.Errorf("it has phones of %s: say whose are to be called with --column phone=%q", strings.Join(persons, " and of "),
			short(r.header[r.columns.phones[0].index]))
	}
	if !named && len(r.columns.phones) > 1 && r.options.Columns[string(Phone)] == "" && !r.options.DoNotCall {
		return fmt.Errorf("it has no header, and phones in %s: say which with --column phone=%s", r.phoneNames(" and "), r.header[r.columns.phones[0].index])
	}
	r.ofPhone = map[int]bool{}
	for _, i := range r.columns.remarks {
		r.ofPhone[i] = headerClasses(r.header[i])&isPhone != 0
	}
	for i := range r.header {
		if named && !r.columns.known(i) && certain(i) && !among("id", fold(r.header[i])) {
			r.columns.leftOut = append(r.columns.leftOut, leftOut{i, "not known by its header to be the person's own"})
		}
	}
	if len(r.columns.phones) > 0 {
		return nil
	}
	hint := `name it with --column phone="…"`
	for i := range r.header {
		if numbers(i) {
			hint = fmt.Sprintf("%q looks like one: name it with --column phone=%q", short(r.header[i]), short(r.header[i]))
			for _, l := range r.columns.leftOut {
				if l.index == i {
					hint = fmt.Sprintf("%q is %s: if it is to be called, name it with --column phone=%q", short(r.header[i]), l.why, short(r.header[i]))
				}
			}
			break
		}
	}
	return fmt.Errorf("no column of phone numbers among %s: %s", quoteAll(r.header), hint)
}

func (r *Reader) phoneNames(between string) string {
	var names []string
	for _, p := range r.columns.phones {
		names = append(names, short(r.header[p.index]))
	}
	return strings.Join(names, between)
}

// findHeader finds which row is the header, or that there is none, which leaves the first row. named says that its names say
// something: those that were generated for a list without header, and came back with a rejects file, do not.
func (r *Reader) findHeader(sampled []record) (at int, isHeader, named bool) {
	widest := 0
	for _, row := range sampled {
		widest = max(widest, filled(row.cells))
	}
	usable := func(i int) bool {
		row := sampled[i]
		return row.flaw == "" && (i == 0 || filled(row.cells) > 1 || widest == 1) && !r.hasNumber(row.cells)
	}
	top := min(len(sampled), mostAbove)
	if generatedNames(sampled[0].cells) {
		return 0, true, false
	}
	if wanted := r.options.Columns[string(Phone)]; wanted != "" {
		for i := range top {
			all := true
			for one := range strings.SplitSeq(wanted, "\n") {
				all = all && find(trimmed(sampled[i].cells), one) != nil
			}
			if all && usable(i) {
				return i, true, true
			}
		}
	}
	for i := range top {
		if usable(i) && speaksOfPhone(sampled[i].cells) {
			return i, true, true
		}
	}
	for i := range top {
		if !usable(i) {
			continue
		}
		known := 0
		for _, text := range sampled[i].cells {
			if f := fold(text); rank("fullname", f)+rank("firstname", f)+rank("lastname", f)+rank("id", f) > 0 || among("timezone", f) || among("number", f) {
				known++
			}
		}
		if known > 1 || known == 1 && i == 0 {
			return i, true, true
		}
	}
	first := sampled[0].cells
	if sampled[0].flaw != "" {
		return 0, true, true
	}
	if r.hasNumber(first) {
		return 0, false, false
	}
	// No word that is known. If one column has numbers below and digits here, this row's number is just a bad one.
	var rest [][]string
	for _, row := range sampled[1:] {
		rest = append(rest, row.cells)
	}
	for i, text := range first {
		if countDigits(text) >= 5 && r.share(rest, i, r.mayBeNumber) >= 0.5 {
			return 0, false, false
		}
	}
	return 0, true, true
}

func trimmed(cells []string) []string {
	out := make([]string, len(cells))
	for i, text := range cells {
		out[i] = strings.TrimSpace(text)
	}
	return out
}

func filled(cells []string) int {
	n := 0
	for _, text := range cells {
		if strings.TrimSpace(text) != "" {
			n++
		}
	}
	return n
}

func generatedNames(cells []string) bool {
	for i, text := range cells {
		if name := strings.TrimSpace(text); name != generated(i) && name != lineColumn && name != ReasonColumn {
			return false
		}
	}
	return true
}

func (r *Reader) hasNumber(cells []string) bool { return slices.ContainsFunc(cells, r.mayBeNumber) }

// mayBeNumber reports whether a cell has a phone number, however it is meant.
func (r *Reader) mayBeNumber(text string) bool {
	if countDigits(text) < shortest && ascii(text) {
		return false
	}
	for _, s := range []sense{national, worldwide} {
		if found, _ := r.numbering.numbers(text, way{region: r.numbering.list, sense: s, all: true}, nil); len(found) > 0 {
			return true
		}
	}
	return false
}

var (
	dateLike = regexp.MustCompile(`^\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([ T].*)?$`)
	american = regexp.MustCompile(`^(\+?1[ .-]?)?(\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}$`)
)

// isNumberForSure reports whether a cell can be nothing but a phone number: its sign, its trunk prefix or its groups show it.
// Plain digits may be a customer's number or a time.
func (r *Reader) isNumberForSure(text string) bool {
	s := tidy(text)
	if !r.mayBeNumber(s) || dateLike.MatchString(s) {
		return false
	}
	switch {
	case strings.HasPrefix(strings.TrimLeft(s, "( "), "+"), strings.HasPrefix(s, "00") && !clean(s):
		return true
	case r.numbering.list.nanp:
		return american.MatchString(s)
	}
	return strings.HasPrefix(strings.TrimLeft(s, "( "), "0") && !strings.HasPrefix(s, "000")
}

// share is the part of a column's cells, empty ones aside, that are something.
func (r *Reader) share(rows [][]string, column int, is func(string) bool) float64 {
	filled, these := 0, 0
	for _, row := range rows {
		if text := cell(row, column); strings.TrimSpace(text) != "" {
			filled++
			if is(text) {
				these++
			}
		}
	}
	if filled == 0 {
		return 0
	}
	return float64(these) / float64(filled)
}

// byContent finds the columns of a list without header names: those that can be nothing but phones, and one of IANA zones.
func (r *Reader) byContent(rows [][]string, certain func(int) bool, alone bool) columns {
	c := noColumns()
	for i := range r.header {
		if certain(i) || alone {
			c.phones = append(c.phones, phoneColumn{index: i, label: -1, area: -1})
			continue
		}
		zone := func(text string) bool { return strings.Contains(text, "/") && r.zones.name(text, "") != "" }
		if c.zone < 0 && r.share(rows, i, zone) == 1 {
			c.zone = i
		}
	}
	return c
}

// evidence is what the cells of a phone column show of how its digits are meant.
type evidence struct {
	national, international, both int
	formatted                     int // cells looked at that are not plain digits
}

// enoughFormatted is how many cells of a column that are not plain digits are looked at.
const enoughFormatted = 1000

// scan reads the whole list for what must be known before its first contact: how digits are meant, and whether everything
// that says who is not to be called can be understood.
func (r *Reader) scan() error {
	rows, err := r.file.rows()
	if err != nil {
		return err
	}
	if closer, ok := rows.(io.Closer); ok {
		defer closer.Close() //nolint:errcheck // only read
	}
	shown := make([]evidence, len(r.columns.phones))
	labels := make([][2]int, len(r.columns.phones)) // known and other ones
	hasPhones := make([]bool, len(r.columns.leftOut))
	wishes := false
	for {
		rec, err := rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if rec.line < r.begins || rec.flaw != "" {
			continue
		}
		cells := r.keep(rec.cells)
		if r.same != nil {
			again, err := r.headerAgain(rec.line, cells)
			if err != nil {
				return err
			}
			if again {
				continue
			}
		}
		if err := r.scanFlags(rec.line, cells); err != nil {
			return err
		}
		wishes = wishes || r.mayWish(cells)
		for i, l := range r.columns.leftOut {
			hasPhones[i] = hasPhones[i] || countDigits(cell(cells, l.index)) >= 6
		}
		in, asked := region{}, false
		for i := range r.columns.phones {
			p := &r.columns.phones[i]
			text := cell(cells, p.index)
			if text == "" {
				continue
			}
			if p.label >= 0 {
				if label := cell(cells, p.label); strings.TrimSpace(label) != "" {
					if labelClasses(label)&isUnknown == 0 {
						labels[i][0]++
					} else {
						labels[i][1]++
					}
				}
			}
			if text[0] == '+' || text[0] == '0' || p.area >= 0 {
				continue
			}
			if !asked {
				in, _ = r.region(cells)
				asked = true
			}
			r.scanNumber(text, in, &shown[i])
		}
	}
	said, err := senseOf(r.options.Numbers)
	if err != nil {
		return err
	}
	r.senses = make([]sense, len(shown))
	for i, e := range shown {
		r.senses[i] = e.sense()
		if said != undecided {
			r.senses[i] = said
		}
		p := &r.columns.phones[i]
		if p.label >= 0 && headerClasses(r.header[p.label])&isPhone == 0 && labels[i][0] <= labels[i][1] {
			p.label = -1 // a column of another kind, such as of customers
		}
	}
	if wishes {
		if err := r.collect(); err != nil {
			return err
		}
	}
	for i, l := range r.columns.leftOut {
		if hasPhones[i] {
			r.leftOut = append(r.leftOut, LeftOut{Header: r.header[l.index], Why: l.why})
		}
	}
	return nil
}

// sense is how a column's digits are meant, if all but a few cells that can mean one thing only agree.
func (e evidence) sense() sense {
	switch {
	case e.national > 0 && e.national >= 10*e.international && e.national >= e.both:
		return national
	case e.international > 0 && e.international >= 10*e.national:
		return international
	}
	return undecided
}

func (r *Reader) scanNumber(text string, in region, e *evidence) {
	if !clean(text) {
		if e.formatted++; e.formatted > enoughFormatted {
			return
		}
		s := tidy(text)
		if digits, written := scientific(s); written {
			s = digits
		}
		digits, why := canonical(s)
		if why != flawNone || trunk(digits) {
			return
		}
		text = digits
	}
	switch r.numbering.shows(text, in) {
	case national:
		e.national++
	case international:
		e.international++
	case undecided:
		if strings.HasPrefix(text, r.numbering.list.prefix()) && !in.nanp {
			e.both++
		}
	}
}

// headerAgain sees whether a row is the header once more. One with other columns ends the list: nobody knows what is below it.
func (r *Reader) headerAgain(line int, cells []string) (bool, error) {
	for _, p := range r.columns.phones {
		if countDigits(cell(cells, p.index)) > 2 {
			return false, nil
		}
	}
	here, elsewhere, names := 0, 0, 0
	for i, name := range r.same {
		if name == "" {
			continue
		}
		names++
		text := strings.TrimSpace(cell(cells, i))
		if text == "" {
			continue
		}
		if strings.EqualFold(text, name) {
			here++
		} else if slices.Contains(r.same, text) {
			elsewhere++
		}
	}
	switch {
	case here == names:
		r.repeated++
		if !r.isHeader(cells) {
			return true, nil // in other letters: its row is rejected for its number
		}
		return true, nil
	case here+elsewhere >= 2 && elsewhere > 0 && speaksOfPhone(cells):
		return false, fmt.Errorf("line %d is another header, with other columns than line %d: split the list there", line, r.begins-1)
	}
	for _, p := range r.columns.phones {
		text := strings.TrimSpace(cell(cells, p.index))
		if text != "" && !strings.EqualFold(text, r.same[p.index]) && len(text) < 60 && filled(cells) > 1 && here == 0 {
			if c := headerClasses(text); c&isPhone != 0 && own(c) && strings.Contains(fold(text), " ") {
				return false, fmt.Errorf("line %d seems to be another header, with other columns than line %d: split the list there", line, r.begins-1)
			}
		}
	}
	return false, nil
}

// mayWish reports whether a row may say that somebody is not to be called.
func (r *Reader) mayWish(cells []string) bool {
	if r.options.DoNotCall {
		return false
	}
	for _, f := range r.columns.flags {
		if text := cell(cells, f.index); text != "" && f.says(text) == refused {
			return true
		}
	}
	for _, i := range r.columns.remarks {
		if _, why := remark(cell(cells, i), false); why == flawStop {
			return true
		}
	}
	for _, p := range r.columns.phones {
		if strings.ContainsFunc(cell(cells, p.index), unicode.IsLetter) || p.label >= 0 && labelClasses(cell(cells, p.label))&isStop != 0 {
			return true
		}
	}
	return false
}

// collect reads the rows that say that somebody is not to be called, for their numbers: another row may have them without saying so.
func (r *Reader) collect() error {
	rows, err := r.file.rows()
	if err != nil {
		return err
	}
	if closer, ok := rows.(io.Closer); ok {
		defer closer.Close() //nolint:errcheck // only read
	}
	r.refused = map[string]bool{}
	for {
		rec, err := rows.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.line < r.begins || rec.flaw != "" {
			continue
		}
		cells := r.keep(rec.cells)
		if !r.mayWish(cells) {
			continue
		}
		if c, err := r.contact(rec.line, cells); err == nil && c.DoNotCall != "" && c.DoNotCall != elsewhereSays {
			for _, number := range c.Numbers {
				r.refused[strings.Clone(number)] = true
			}
		}
	}
}

// scanFlags refuses a list with a wish not to be called that is not understood.
func (r *Reader) scanFlags(line int, cells []string) error {
	if r.options.DoNotCall {
		return nil
	}
	for _, f := range r.columns.flags {
		text := cell(cells, f.index)
		if text != "" && f.says(text) == unclear && !sums(cells) {
			return fmt.Errorf("line %d: %s %q says neither yes nor no to not being called: write yes or no, or leave the column out with --column ignore=%q",
				line, short(r.header[f.index]), short(strings.TrimSpace(text)), short(r.header[f.index]))
		}
	}
	return nil
}
