package contactlist

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Role says what a column is for.
type Role string

// The roles, as Options.Columns takes them. Columns without one are kept in the contact's values.
const (
	Phone     Role = "phone" // several: in this order
	Name      Role = "name"
	ID        Role = "id"
	Timezone  Role = "timezone"
	Country   Role = "country"  // of the row: its name, its ISO code or its dialling code
	DoNotCall Role = "dnc"      // yes in it: not to be called
	Ignore    Role = "ignore"   // what the header says of it does not matter
	Priority  Role = "priority" // a whole number, more is earlier
	Line      Role = "line"
	NotBefore Role = "not_before"
	NotAfter  Role = "not_after"
)

var roles = []Role{Phone, Name, ID, Timezone, Country, DoNotCall, Ignore, Priority, Line, NotBefore, NotAfter}

// Mapped is a column with a role.
type Mapped struct {
	Role   Role
	Header string // as in Reader.Header
	Index  int    // from 0
}

// LeftOut is a column of phones that are not called.
type LeftOut struct {
	Header string
	Why    string
}

// The columns that a rejects file has behind the list's own.
const (
	lineColumn = "ringqueue_line"

	// ReasonColumn is by what a rejects file is known.
	ReasonColumn = "ringqueue_reason"
)

// generated is the name of a column that has none.
func generated(index int) string { return "column_" + strconv.Itoa(index+1) }

// columns says which cells of a row have which role; -1 is none.
type columns struct {
	phones    []phoneColumn
	names     []int // joined by a space
	id, zone  int
	countries []int
	dial      []int // dialling codes of their own
	flags     []flagColumn
	remarks   []int // may say, among other things, that somebody is not to be called
	priority  int
	line      int
	notBefore int
	notAfter  int
	leftOut   []leftOut
}

// phoneColumn is a column of phones, with those beside it that say more of them; -1 is none.
type phoneColumn struct {
	index     int
	label     int
	area      int
	extension []int
	notes     []int // remarks about this phone
	said      bool  // by the list's owner: what the header says does not matter
}

// leftOut is a column that has phones, if it is not empty, which are nobody's to call.
type leftOut struct {
	index int
	why   string
}

// flagColumn is a column that says whether somebody is not to be called.
type flagColumn struct {
	index   int
	consent bool // yes allows calls
	date    bool // a date is a yes
	gone    bool // of whether the person is dead
	wrong   bool // of whether the phone is right: no says that it is not
}

func noColumns() columns {
	return columns{id: -1, zone: -1, priority: -1, line: -1, notBefore: -1, notAfter: -1}
}

// typeWord is how vCard names a kind of phone: TEL;TYPE=CELL.
var typeWord = regexp.MustCompile(`(?i)[;,]?\s*type=`)

// longDigits is digits in a header that are no small count, such as a year.
var longDigits = regexp.MustCompile(`[0-9]{3,}`)

// headerClasses is what the words of a header say.
func headerClasses(header string) class {
	header = typeWord.ReplaceAllString(header, " ")
	c := words().header.classes(fold(header))
	if digits := longDigits.FindString(header); digits != "" && digits != "164" {
		c |= isUnknown
	}
	return c
}

// stem is what two headers share that speak of the same phone: "Phone 1 - Value" and "Phone 1 - Label".
func stem(header string, without class) string {
	var kept []string
	for token := range strings.FieldsSeq(fold(typeWord.ReplaceAllString(header, " "))) {
		c := words().header.classes(token)
		if c&without != 0 || token == "value" || token == "number" || token == "nr" || token == "no" || token == "wert" || token == "valeur" || token == "valor" {
			continue
		}
		kept = append(kept, token)
	}
	for _, r := range header {
		if r >= '0' && r <= '9' {
			kept = append(kept, string(r))
		}
	}
	slices.Sort(kept)
	return strings.Join(kept, " ")
}

// why says for people why a column of phones is not taken; "" if its header does not speak of phones.
func (c class) why() string {
	switch {
	case c&isStop != 0:
		return "not to be called"
	case c&(isDead|isGone) != 0 && c&(isPhone|isFax) != 0:
		return "out of use"
	case c&isFax != 0:
		return "fax, pager or the like"
	case c&isOther != 0 && c&isPhone != 0:
		return "somebody else's"
	case c&isPhone != 0 && c&(isUnknown|isExtension) != 0:
		return "not known by its header to be the person's own"
	}
	return ""
}

// detect finds the roles by the headers. certain tells of columns whose header alone does not show it whether their cells can
// be nothing but phones; numbers, whether most of a column's cells may be phones.
func detect(header []string, all bool, certain, numbers func(column int) bool) columns {
	c := noColumns()
	folded := make([]string, len(header))
	classes := make([]class, len(header))
	areas := map[int]bool{}
	var labels, extensions, notes []int
	for i, h := range header {
		folded[i] = fold(h)
		f := folded[i]
		classes[i] = headerClasses(h)
		switch k := classes[i]; {
		case f == "":
		case c.priority < 0 && among("priority", f):
			c.priority = i
		case c.line < 0 && among("line", f):
			c.line = i
		case c.notBefore < 0 && among("notbefore", f):
			c.notBefore = i
		case c.notAfter < 0 && among("notafter", f):
			c.notAfter = i
		case among("dialcode", f):
			c.dial = append(c.dial, i)
		case among("country", f):
			c.countries = append(c.countries, i)
		case among("areacode", f):
			areas[i] = true
		case c.zone < 0 && among("timezone", f):
			c.zone = i
		case among("consent", f) && !numbers(i), permits(f) && k&(isStop|isGone) == 0 && !numbers(i):
			c.flags = append(c.flags, flagColumn{index: i, consent: true})
		case among("valid", f) && !numbers(i):
			c.flags = append(c.flags, flagColumn{index: i, wrong: true})
		case statusWord(f) && !numbers(i) && k&isStop == 0:
			c.remarks = append(c.remarks, i)
			if k&isLabel != 0 {
				labels = append(labels, i)
			} else if k&isPhone != 0 {
				notes = append(notes, i)
			}
		case k&(isStop|isGone) != 0 && k&isUnknown == 0 && !numbers(i), k&isStop != 0 && !numbers(i):
			if flag, ok := flagOf(f, i); ok {
				c.flags = append(c.flags, flag)
			}
		case own(k) && k&isPhone != 0, all && k&(isPhone|isFax|isStop) != 0 && k&(isLabel|isExtension) == 0 && numbers(i):
			c.phones = append(c.phones, phoneColumn{index: i, label: -1, area: -1})
		case k&isLabel != 0 && k&(isUnknown|isStop|isDead) == 0:
			labels = append(labels, i)
		case k&isExtension != 0 && k&isUnknown == 0:
			extensions = append(extensions, i)
		case k.why() != "":
			c.leftOut = append(c.leftOut, leftOut{i, k.why()})
		}
	}
	if c.phones == nil {
		for i := range header {
			if among("number", folded[i]) && certain(i) {
				c.phones = append(c.phones, phoneColumn{index: i, label: -1, area: -1})
			}
		}
	}
	c.beside(header, classes, areas, labels, extensions, numbers)
	for _, n := range notes {
		for i := range c.phones {
			if stem(withoutStatus(header[n]), 0) == stem(header[c.phones[i].index], 0) {
				c.phones[i].notes = append(c.phones[i].notes, n)
			}
		}
	}
	taken := func(i int) bool {
		return i == c.zone || slices.Contains(c.countries, i) || slices.Contains(c.dial, i) || c.isPhone(i)
	}
	best := func(file string, not int) int {
		column, least := -1, 0
		for i := range header {
			if n := rank(file, folded[i]); n > 0 && i != not && !taken(i) && (least == 0 || n < least) {
				column, least = i, n
			}
		}
		return column
	}
	c.id = best("id", -1)
	c.names = names(folded, best)
	return c
}

// permits reports whether a header speaks of calls and of a consent to them.
func permits(folded string) bool {
	calls, consent, other := false, false, false
	for token := range strings.FieldsSeq(folded) {
		calls = calls || among("call", token)
		other = other || among("mail", token)
		consent = consent || among("permit", token)
	}
	return calls && consent && !other
}

// statusWord reports whether a header, or a word of it, is one of a status, a tag or a note.
func statusWord(folded string) bool {
	if among("status", folded) {
		return true
	}
	for token := range strings.FieldsSeq(folded) {
		if among("status", token) && !among("label", token) {
			return true
		}
	}
	return false
}

// withoutStatus is a header without its words for a status or a note, digits kept.
func withoutStatus(header string) string {
	return strings.Join(slices.DeleteFunc(strings.FieldsFunc(header, func(r rune) bool { return strings.ContainsRune(" _-:()", r) }),
		func(word string) bool { return among("status", fold(word)) }), " ")
}

// beside finds the columns that say more of a column of phones: its label, its area code, its extension.
func (c *columns) beside(header []string, classes []class, areas map[int]bool, labels, extensions []int, numbers func(int) bool) {
	for i := range c.phones {
		p := &c.phones[i]
		if areas[p.index-1] {
			p.area = p.index - 1
		}
		for _, label := range labels {
			named := classes[label]&isPhone != 0
			if named && stem(header[label], isLabel) == stem(header[p.index], isLabel) ||
				!named && p.label < 0 && (label == p.index+1 || label == p.index-1) && !c.isPhone(label) {
				p.label = label
			}
		}
	}
	for _, e := range extensions {
		var belongs []int
		if classes[e]&(isPhone|isKind) != 0 {
			for i := range c.phones {
				if stem(header[e], isExtension) == stem(header[c.phones[i].index], isExtension) {
					belongs = append(belongs, i)
				}
			}
		}
		if belongs == nil && e > 0 && numbers(e-1) && !c.isPhone(e-1) {
			continue // of a phone that is not called
		}
		if belongs == nil {
			for i := range c.phones {
				if c.phones[i].index == e-1 {
					belongs = append(belongs, i)
				}
			}
		}
		for i := range c.phones {
			if belongs == nil || slices.Contains(belongs, i) {
				c.phones[i].extension = append(c.phones[i].extension, e)
			}
		}
	}
}

func (c *columns) isPhone(column int) bool {
	return slices.ContainsFunc(c.phones, func(p phoneColumn) bool { return p.index == column })
}

// known reports whether a column has a role, or was left out.
func (c *columns) known(column int) bool {
	if c.isPhone(column) || slices.Contains(c.names, column) || slices.Contains(c.countries, column) || slices.Contains(c.dial, column) ||
		slices.Contains(c.remarks, column) || column == c.id || column == c.zone || column == c.line {
		return true
	}
	for _, p := range c.phones {
		if p.label == column || p.area == column || slices.Contains(p.extension, column) {
			return true
		}
	}
	return slices.ContainsFunc(c.leftOut, func(l leftOut) bool { return l.index == column }) ||
		slices.ContainsFunc(c.flags, func(f flagColumn) bool { return f.index == column })
}

// numbered is a person in a header who is not the first of several: "Contact 2 Phone". "Phone 2" is the same person's.
var numbered = regexp.MustCompile(`(?i)(contact|person|people|applicant|borrower|customer|client|guest|adult|tenant|member|student|owner|kontakt|ansprechpartner|kunde|teilnehmer|contacto|persona|cliente|contatto|contato|kontaktperson|personne|osoba|лицо|контакт|联系人|連絡先)[ _.#-]*([2-9])([^0-9]|$)`)

// nameDigit is a column of a numbered name: "Name 2".
var nameDigit = regexp.MustCompile(`(?i)(name|nom|prénom|nombre|nome|naam|navn|namn|nimi|имя|姓名|氏名)[ _.#-]*([1-9])([^0-9]|$)`)

// lastDigit is the number of a header, if it has one.
var lastDigit = regexp.MustCompile(`[1-9]`)

// several leaves out the phones of the second and further persons of a row, whose names or headers are numbered.
func (c *columns) several(header []string) {
	digits := map[string]bool{}
	for _, h := range header {
		if found := nameDigit.FindStringSubmatch(h); found != nil {
			digits[found[2]] = true
		}
	}
	c.phones = slices.DeleteFunc(c.phones, func(p phoneColumn) bool {
		h := header[p.index]
		another := numbered.MatchString(h)
		if d := lastDigit.FindString(h); d != "" && d != "1" && digits[d] && len(digits) > 1 {
			another = true
		}
		if another {
			c.leftOut = append(c.leftOut, leftOut{p.index, "another person's of the same row"})
		}
		return another
	})
}

// grouped leaves out the phones that a line above the header gives to somebody else, where several columns have one name:
// "Student,,Mother," over "Name,Phone,Name,Phone". It returns a name that still is several columns'.
func (c *columns) grouped(header, above []string) string {
	times := map[string]int{}
	for _, p := range c.phones {
		times[header[p.index]]++
	}
	if above != nil {
		c.phones = slices.DeleteFunc(c.phones, func(p phoneColumn) bool {
			if times[header[p.index]] < 2 {
				return false
			}
			group := ""
			for i := min(p.index, len(above)-1); i >= 0 && group == ""; i-- {
				group = strings.TrimSpace(above[i])
			}
			if headerClasses(group)&(isOther|isDead|isFax|isStop) == 0 {
				return false
			}
			times[header[p.index]]--
			c.leftOut = append(c.leftOut, leftOut{p.index, "under " + strconv.Quote(short(group)) + ", which is somebody else"})
			return true
		})
	}
	for _, p := range c.phones {
		if times[header[p.index]] > 1 {
			return header[p.index]
		}
	}
	return ""
}

// persons are the different people of whom the headers of phones speak, such as customer and employee.
func (c *columns) persons(header []string) []string {
	var found []string
	for _, p := range c.phones {
		if p.said {
			continue
		}
		for token := range strings.FieldsSeq(fold(header[p.index])) {
			for _, person := range words().lists["self"] {
				if token == person && !slices.Contains(found, person) {
					found = append(found, person)
				}
			}
		}
	}
	return found
}

// names picks the columns of the name: first and last name, unless there is a better one for the full name.
func names(folded []string, best func(file string, not int) int) []int {
	first := best("firstname", -1)
	full := best("fullname", -1)
	if first >= 0 {
		last := best("lastname", first)
		// "Name" beside "Vorname" is the last name; beside "First name" it is more likely the whole.
		if last >= 0 && (folded[last] != "name" || folded[first] == "vorname") {
			switch {
			case full < 0 || full == first || full == last || rank("fullname", folded[full]) > rank("fullname", "name"):
				return []int{first, last}
			default:
				return []int{full}
			}
		}
	}
	for _, column := range []int{full, first, best("lastname", -1)} {
		if column >= 0 {
			return []int{column}
		}
	}
	return nil
}

// override gives columns the roles that the user named. Several headers of one role are apart by line ends.
func (c *columns) override(header []string, wanted map[string]string) error {
	for role := range wanted {
		if !slices.Contains(roles, Role(role)) {
			return fmt.Errorf("unknown column role %q: it takes phone, name, id, timezone, country, dnc, ignore, priority, line, not_before or not_after", role)
		}
	}
	found := make(map[Role][]int)
	for _, role := range roles {
		named, ok := wanted[string(role)]
		if !ok {
			continue
		}
		for one := range strings.SplitSeq(named, "\n") {
			columns := find(header, one)
			if columns == nil {
				return fmt.Errorf("there is no column %q for %s: the list has %s", one, role, quoteAll(header))
			}
			if role == Phone || role == Ignore {
				found[role] = append(found[role], columns...)
			} else {
				found[role] = append(found[role], columns[0])
			}
		}
	}
	if f := found[Phone]; f != nil {
		for _, column := range f {
			if !c.isPhone(column) {
				c.release(column)
			}
		}
		before := c.phones
		c.phones = nil
		for _, column := range f {
			p := phoneColumn{index: column, label: -1, area: -1}
			if i := slices.IndexFunc(before, func(p phoneColumn) bool { return p.index == column }); i >= 0 {
				p = before[i]
			}
			p.said = true
			if !c.isPhone(column) {
				c.phones = append(c.phones, p)
			}
		}
	}
	single := func(role Role, to *int) {
		if f := found[role]; f != nil {
			if role != ID { // an id may be a name, too
				c.release(f[0])
			}
			*to = f[0]
		}
	}
	if f := found[Name]; f != nil {
		c.release(f[0])
		c.names = f[:1]
	}
	for _, column := range found[Ignore] {
		c.release(column)
	}
	single(ID, &c.id)
	single(Timezone, &c.zone)
	single(Priority, &c.priority)
	single(Line, &c.line)
	single(NotBefore, &c.notBefore)
	single(NotAfter, &c.notAfter)
	if f := found[Country]; f != nil {
		c.countries, c.dial = nil, nil
		for _, column := range f {
			c.release(column)
		}
		c.countries = f
	}
	for _, column := range found[DoNotCall] {
		c.release(column)
		c.flags = append(c.flags, flagColumn{index: column})
	}
	return nil
}

// release takes a column's detected role away.
func (c *columns) release(column int) {
	is := func(i int) bool { return i == column }
	c.phones = slices.DeleteFunc(c.phones, func(p phoneColumn) bool { return p.index == column })
	for i := range c.phones {
		p := &c.phones[i]
		p.extension = slices.DeleteFunc(p.extension, is)
		if p.label == column {
			p.label = -1
		}
		if p.area == column {
			p.area = -1
		}
	}
	c.names = slices.DeleteFunc(c.names, is)
	c.countries = slices.DeleteFunc(c.countries, is)
	c.dial = slices.DeleteFunc(c.dial, is)
	c.remarks = slices.DeleteFunc(c.remarks, is)
	c.flags = slices.DeleteFunc(c.flags, func(f flagColumn) bool { return f.index == column })
	c.leftOut = slices.DeleteFunc(c.leftOut, func(l leftOut) bool { return l.index == column })
	for _, role := range []*int{&c.id, &c.zone, &c.priority, &c.line, &c.notBefore, &c.notAfter} {
		if *role == column {
			*role = -1
		}
	}
}

// find returns the columns with the header: exactly, else whatever their case and accents.
func find(header []string, named string) []int {
	same := []func(string) bool{
		func(h string) bool { return h == named },
		func(h string) bool { return strings.EqualFold(h, strings.TrimSpace(named)) },
		func(h string) bool { f := fold(named); return f != "" && fold(h) == f },
	}
	for _, is := range same {
		var found []int
		for i, h := range header {
			if is(h) {
				found = append(found, i)
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// quoteAll lists headers for a message, not more than a line of them.
func quoteAll(header []string) string {
	const most = 20
	var b strings.Builder
	for i, h := range header {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == most {
			fmt.Fprintf(&b, "and %d more", len(header)-most)
			break
		}
		b.WriteString(strconv.Quote(short(h)))
	}
	return b.String()
}

// short bounds a header in a message.
func short(header string) string {
	const most = 40
	if runes := []rune(header); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return header
}
