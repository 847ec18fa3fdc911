package contactlist

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/ringqueue/ringqueue/campaign"
)

// readAll opens text and reads it to its end.
func readAll(t *testing.T, text string, o Options) (*Reader, []campaign.Contact, []*RejectedRow) {
	t.Helper()
	if o.IDKey == nil {
		o.IDKey = []byte("key")
	}
	r, err := Open(strings.NewReader(text), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	contacts, rejected := rest(t, r)
	return r, contacts, rejected
}

func rest(t *testing.T, r *Reader) (contacts []campaign.Contact, rejected []*RejectedRow) {
	t.Helper()
	for {
		c, err := r.Next()
		var row *RejectedRow
		switch {
		case err == nil:
			contacts = append(contacts, c)
		case errors.As(err, &row):
			rejected = append(rejected, row)
		case errors.Is(err, io.EOF):
			if _, again := r.Next(); !errors.Is(again, io.EOF) {
				t.Errorf("Next after the end: %v, want io.EOF", again)
			}
			return contacts, rejected
		default:
			t.Fatalf("Next: %v", err)
		}
	}
}

func numbersOf(contacts []campaign.Contact) []string {
	var numbers []string
	for _, c := range contacts {
		numbers = append(numbers, strings.Join(c.Numbers, " "))
	}
	return numbers
}

func rolesOf(r *Reader) string {
	var roles []string
	for _, m := range r.Mapping() {
		roles = append(roles, string(m.Role)+"="+m.Header)
	}
	return strings.Join(roles, " ")
}

func TestReader(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		options    Options
		roles      string
		numbers    []string
		rows       []int // lines of the contacts
		rejected   []int // lines of the rejected rows
	}{
		{
			name:    "plain",
			text:    "id,name,phone\n7,Ana,+12125550123\n8,Bo,212-555-0124\n",
			roles:   "phone=phone name=name id=id",
			numbers: []string{"+12125550123", "+12125550124"},
			rows:    []int{2, 3},
		},
		{
			name:    "semicolons, CRLF, no end of line",
			text:    "Name;Telefon\r\nAna, Dr.;030 23125123\r\nBo;030 23125124",
			options: Options{Region: "de"},
			roles:   "phone=Telefon name=Name",
			numbers: []string{"+493023125123", "+493023125124"},
			rows:    []int{2, 3},
		},
		{
			name:    "tabs",
			text:    "name\tmobile\nA, B, C\t2125550123\n",
			roles:   "phone=mobile name=name",
			numbers: []string{"+12125550123"},
			rows:    []int{2},
		},
		{
			name:    "pipes",
			text:    "name|cell\nAna|2125550123\n",
			roles:   "phone=cell name=name",
			numbers: []string{"+12125550123"},
			rows:    []int{2},
		},
		{
			name:    "delimiter inside quotes is none",
			text:    "name,phone\n\"a;b;c\",2125550123\n\"d;e;f\",2125550124\n",
			roles:   "phone=phone name=name",
			numbers: []string{"+12125550123", "+12125550124"},
			rows:    []int{2, 3},
		},
		{
			name:    "Excel's separator line",
			text:    "sep=;\r\nname;phone\r\nAna;2125550123\r\n",
			roles:   "phone=phone name=name",
			numbers: []string{"+12125550123"},
			rows:    []int{3},
		},
		{
			name:    "lone CR",
			text:    "name,phone\rAna,2125550123\rBo,2125550124\r",
			roles:   "phone=phone name=name",
			numbers: []string{"+12125550123", "+12125550124"},
			rows:    []int{2, 3},
		},
		{
			name:    "quoted line ends count as lines",
			text:    "name,note,phone\n\"An\"\"a\",\"one\ntwo\r\nthree\",2125550123\nBo,,2125550124\n",
			roles:   "phone=phone name=name",
			numbers: []string{"+12125550123", "+12125550124"},
			rows:    []int{2, 5},
		},
		{
			name:    "blank and empty rows are skipped",
			text:    "\n\nname,phone\n\n,,\n\"\",\"\"\nAna,2125550123\n   \n",
			roles:   "phone=phone name=name",
			numbers: []string{"+12125550123"},
			rows:    []int{7},
		},
		{
			name:     "ragged",
			text:     "name,phone,mobile\nAna,2125550123\nBo\nCy,,2125550124,more,cells\n",
			roles:    "phone=phone phone=mobile name=name",
			numbers:  []string{"+12125550123", "+12125550124"},
			rows:     []int{2, 4},
			rejected: []int{3},
		},
		{
			name:    "no header",
			text:    "Ana,212-555-0123,x\nBo,212-555-0124,y\n",
			roles:   "phone=column_2",
			numbers: []string{"+12125550123", "+12125550124"},
			rows:    []int{1, 2},
		},
		{
			name:     "no header, and the first number is bad",
			text:     "Ana,12345\nBo,212-555-0124\nCy,212-555-0125\nDi,(212) 555-0126\nEd,+1 212 555 0127\n",
			roles:    "phone=column_2",
			numbers:  []string{"+12125550124", "+12125550125", "+12125550126", "+12125550127"},
			rows:     []int{2, 3, 4, 5},
			rejected: []int{1},
		},
		{
			name:    "numbers only",
			text:    "+12125550123\n+12125550124\n",
			roles:   "phone=column_1",
			numbers: []string{"+12125550123", "+12125550124"},
			rows:    []int{1, 2},
		},
		{
			name:    "no header, zones",
			text:    "212-555-0123,America/New_York\n415-555-0123,America/Los_Angeles\n",
			roles:   "phone=column_1 timezone=column_2",
			numbers: []string{"+12125550123", "+14155550123"},
			rows:    []int{1, 2},
		},
		{
			name:     "all numbers are kept, the first valid one is dialled",
			text:     "phone,mobile,fax\nbad,2125550123,2125550199\n2125550124 / 2125550125,2125550124,\n,,2125550199\n",
			roles:    "phone=phone phone=mobile",
			numbers:  []string{"+12125550123", "+12125550124 +12125550125"},
			rows:     []int{2, 3},
			rejected: []int{4},
		},
		{
			name:    "the user's columns",
			text:    "Phone,Mobile,Who\n2125550123,2125550124,Ana\n",
			options: Options{Columns: map[string]string{"phone": "mobile", "name": "Who", "id": "Who"}},
			roles:   "phone=Mobile name=Who id=Who",
			numbers: []string{"+12125550124"},
			rows:    []int{2},
		},
		{
			name:    "number is a phone by its cells",
			text:    "name,number\nAna,212-555-0123\nBo,212-555-0124\n",
			roles:   "phone=number name=name",
			numbers: []string{"+12125550123", "+12125550124"},
			rows:    []int{2, 3},
		},
		{
			name:    "number is none beside a phone",
			text:    "number,phone\n2125550199,2125550123\n",
			roles:   "phone=phone",
			numbers: []string{"+12125550123"},
			rows:    []int{2},
		},
		{
			name:     "a quote that is never closed",
			text:     "name,phone\n\"Ana,2125550123\nBo,2125550124\nCy,2125550125\n",
			roles:    "phone=phone name=name",
			numbers:  []string{"+12125550124", "+12125550125"},
			rows:     []int{3, 4},
			rejected: []int{2},
		},
		{
			name:     "a quote that the next quoted cell would close",
			text:     "name,phone\n\"Ana,2125550123\n\"Bo\",2125550124\n\"Cy\",2125550125\n",
			roles:    "phone=phone name=name",
			numbers:  []string{"+12125550124", "+12125550125"},
			rows:     []int{3, 4},
			rejected: []int{2},
		},
		{
			name:    "quotes in the midst of cells",
			text:    "name,note,phone\nAna,5\" tall,2125550123\n\"Bo\" the great,\"x\",2125550124\n",
			roles:   "phone=phone name=name",
			numbers: []string{"+12125550123", "+12125550124"},
			rows:    []int{2, 3},
		},
		{
			name:     "zones",
			text:     "phone,Time Zone\n2125550123,Europe/Berlin\n2125550124,Eastern Time\n2125550125,Mars/Olympus\n2125550126,\n2125550127,UTC+2\n",
			roles:    "phone=phone timezone=Time Zone",
			numbers:  []string{"+12125550123", "+12125550124", "+12125550126"},
			rows:     []int{2, 3, 5},
			rejected: []int{4, 6},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, contacts, rejected := readAll(t, tt.text, tt.options)
			if got := rolesOf(r); got != tt.roles {
				t.Errorf("roles: got %s, want %s", got, tt.roles)
			}
			if got := numbersOf(contacts); !slices.Equal(got, tt.numbers) {
				t.Errorf("numbers: got %q, want %q", got, tt.numbers)
			}
			var rows, lines []int
			for _, c := range contacts {
				rows = append(rows, c.Row)
			}
			for _, row := range rejected {
				lines = append(lines, row.Line)
			}
			if !slices.Equal(rows, tt.rows) {
				t.Errorf("lines of contacts: got %v, want %v", rows, tt.rows)
			}
			if !slices.Equal(lines, tt.rejected) {
				t.Errorf("lines of rejected rows: got %v, want %v", lines, tt.rejected)
			}
			if r.Offset() != int64(len(tt.text)) {
				t.Errorf("Offset = %d, want %d", r.Offset(), len(tt.text))
			}
		})
	}
}

func TestReaderContact(t *testing.T) {
	t.Parallel()
	text := "customer number,first name,last name,phone,mobile,tz,amount\n" +
		"K-17, Ana ,Pérez,212 555 0123,+44 20 7946 0123,eastern, 12.50 \n"
	_, contacts, rejected := readAll(t, text, Options{})
	if len(contacts) != 1 || rejected != nil {
		t.Fatalf("got %d contacts, rejected %v", len(contacts), rejected)
	}
	c := contacts[0]
	if c.ID != "K-17" || c.Row != 2 || c.Name != "Ana Pérez" || c.Zone != "America/New_York" {
		t.Errorf("got %+v", c)
	}
	if want := []string{"+12125550123", "+442079460123"}; !slices.Equal(c.Numbers, want) {
		t.Errorf("Numbers = %q, want %q", c.Numbers, want)
	}
	want := []string{"K-17", " Ana ", "Pérez", "212 555 0123", "+44 20 7946 0123", "eastern", " 12.50 "}
	if !slices.Equal(c.Values, want) {
		t.Errorf("Values = %q, want %q as they were", c.Values, want)
	}
}

func TestReaderID(t *testing.T) {
	t.Parallel()
	id := func(cell, key string) string {
		t.Helper()
		_, contacts, rejected := readAll(t, "id,phone\n"+cell+",+12125550123\n", Options{IDKey: []byte(key)})
		if len(contacts) != 1 {
			t.Fatalf("id %q: rejected %v", cell, rejected)
		}
		return contacts[0].ID
	}
	hashed := id("", "k")
	if len(hashed) != 20 || strings.Trim(hashed, "0123456789abcdef") != "" {
		t.Errorf("hashed id is %q, want 20 hexadecimal digits", hashed)
	}
	if id("", "other") == hashed {
		t.Error("the hash does not depend on the key")
	}
	for _, personal := range []string{
		"+12125550123", "(212) 555-0123", "2125550123", "5550123", "+44 20 7946 0123", "02079460123x", "ana@example.com",
		strings.Repeat("x", 65), "a\x00b", "a\u202eb", "4155550123",
	} {
		if got := id(personal, "k"); got != hashed && personal != "02079460123x" {
			t.Errorf("id %q was kept as %q", personal, got)
		}
	}
	for _, kept := range []string{"1", "10000042", "K-2125559999", "2024-0001", "c0ffee", "Müller 7"} {
		if got := id(kept, "k"); got != kept {
			t.Errorf("id %q became %q", kept, got)
		}
	}
}

func TestReaderEncodings(t *testing.T) {
	t.Parallel()
	text := "Name;Téléphone;Straße\r\nZoë Übel;+33199001234;Größe – „5“\r\n"
	encoded := func(e encoding.Encoding) string {
		t.Helper()
		s, err := e.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	tests := []struct{ name, text, encoding string }{
		{"UTF-8", text, "UTF-8"},
		{"UTF-8 with mark", "\ufeff" + text, "UTF-8 with byte order mark"},
		{"UTF-16 LE with mark", encoded(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)), "UTF-16 LE"},
		{"UTF-16 BE with mark", encoded(unicode.UTF16(unicode.BigEndian, unicode.UseBOM)), "UTF-16 BE"},
		{"UTF-16 LE", encoded(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)), "UTF-16 LE"},
		{"UTF-16 BE", encoded(unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)), "UTF-16 BE"},
		{"Windows-1252", encoded(charmap.Windows1252), "Windows-1252"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, in := range []io.Reader{strings.NewReader(tt.text), iotest.OneByteReader(strings.NewReader(tt.text))} {
				r, err := Open(in, Options{IDKey: []byte("k")})
				if err != nil {
					t.Fatal(err)
				}
				contacts, rejected := rest(t, r)
				if len(contacts) != 1 || rejected != nil {
					t.Fatalf("got %d contacts, rejected %v", len(contacts), rejected)
				}
				if want := []string{"Name", "Téléphone", "Straße"}; !slices.Equal(r.Header(), want) {
					t.Errorf("Header = %q, want %q", r.Header(), want)
				}
				if c := contacts[0]; c.Name != "Zoë Übel" || c.Values[2] != "Größe – „5“" {
					t.Errorf("got %q", c.Values)
				}
				if r.Encoding() != tt.encoding {
					t.Errorf("Encoding = %s, want %s", r.Encoding(), tt.encoding)
				}
			}
		})
	}
}

func TestReaderLateWindows1252(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("name,phone\n")
	for range 10000 {
		b.WriteString("Plain,+12125550123\n")
	}
	b.WriteString("M\xfcller \"& S\xf6hne\",+12125550124\n\"Z\xfcrich\",+12125550125\nZürich,+12125550126\n")
	r, contacts, rejected := readAll(t, b.String(), Options{})
	if len(contacts) != 10003 || rejected != nil {
		t.Fatalf("got %d contacts, rejected %v", len(contacts), rejected)
	}
	for i, want := range []string{`Müller "& Söhne"`, "Zürich", "Zürich"} {
		if got := contacts[10000+i].Name; got != want {
			t.Errorf("name is %q, want %q", got, want)
		}
	}
	if r.Encoding() != "Windows-1252" {
		t.Errorf("Encoding = %s", r.Encoding())
	}
}

func TestReaderReasons(t *testing.T) {
	t.Parallel()
	text := "name,phone,mobile,timezone\n" +
		"Secret Person,1.65055E+10,,\n" +
		"Secret Person,,,\n" +
		"Secret Person,Secret 212 555 01,999-555-0199,\n" +
		"Secret Person,212 555 0123 x7,,\n" +
		"Secret Person,2125550123,,Neverland\n"
	_, _, rejected := readAll(t, text, Options{Name: "list.csv"})
	want := []string{
		"line 2: phone was shortened by a spreadsheet and its last digits are lost; make the column text there and export again",
		"line 3: no phone number: phone, mobile are empty",
		"line 4: phone …5501 has letters or signs that no phone number has; mobile …0199 is not a valid number; write it with + and country code",
		"line 5: phone …1237 has an extension, which RingOut cannot dial; give a direct number",
		`line 6: timezone "Neverland" is no time zone; write an IANA name such as America/New_York, or leave it empty`,
	}
	if len(rejected) != len(want) {
		t.Fatalf("got %d rejected rows, want %d", len(rejected), len(want))
	}
	for i, row := range rejected {
		if row.Error() != want[i] {
			t.Errorf("got  %s\nwant %s", row, want[i])
		}
		if row.Record[0] != "Secret Person" || strings.Contains(row.Error(), "Secret") {
			t.Errorf("row %d: record %q, reason %q", row.Line, row.Record, row.Reason)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	key := []byte("k")
	tests := []struct {
		name, text string
		options    Options
		want       string
	}{
		{"empty", "", Options{IDKey: key, Name: "a.csv"}, "read a.csv: the list is empty"},
		{"blank", "\n \r\n\n", Options{IDKey: key, Name: "a.csv"}, "read a.csv: the list is empty"},
		{"only a mark", "\ufeff", Options{IDKey: key, Name: "a.csv"}, "read a.csv: the list is empty"},
		{"only commas", ",,\n,,\n", Options{IDKey: key, Name: "a.csv"}, "read a.csv: the list is empty"},
		{
			"no number column", "name,email\nAna,a@example.com\n",
			Options{IDKey: key, Name: "a.csv"},
			`read a.csv: no column of phone numbers among "name", "email": name it with --column phone="…"`,
		},
		{
			"unknown word for a number column", "name,kontakt\nAna,2125550123\n",
			Options{IDKey: key, Name: "a.csv"},
			`read a.csv: no column of phone numbers among "name", "kontakt": "kontakt" looks like one: name it with --column phone="kontakt"`,
		},
		{
			"false friends", "customer number,invoice number,fax\n2125550123,2125550123,2125550123\n",
			Options{IDKey: key, Columns: map[string]string{"name": "fax"}},
			`read the list: no column of phone numbers among`,
		},
		{
			"unknown role", "phone\n2125550123\n",
			Options{IDKey: key, Columns: map[string]string{"telephone": "phone"}},
			`read the list: unknown column role "telephone": it takes phone, name, id, timezone, country, dnc, ignore, priority, line, not_before or not_after`,
		},
		{
			"unknown header", "phone,mobile\n2125550123,\n",
			Options{IDKey: key, Columns: map[string]string{"phone": "Handy"}},
			`read the list: there is no column "Handy" for phone: the list has "phone", "mobile"`,
		},
		{
			"workbook", "PK\x03\x04\x14\x00",
			Options{IDKey: key},
			`read the list: this is an OpenDocument workbook or a zip archive, not a CSV file; save it as "CSV UTF-8" first`,
		},
		{
			"region", "phone\n",
			Options{IDKey: key, Region: "XX"},
			`read the list: unknown region "XX": it takes a two-letter country code such as US or DE`,
		},
		{"no key", "phone\n", Options{}, "read the list: no key for contact ids"},
		{
			"header with an open quote", "\"phone\n2125550123\n",
			Options{IDKey: key},
			"read the list: line 1, the header, cannot be read: a quote is not closed",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(strings.NewReader(tt.text), tt.options)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			if wantEmpty := strings.HasSuffix(tt.want, "empty"); errors.Is(err, ErrEmpty) != wantEmpty {
				t.Errorf("errors.Is(err, ErrEmpty) = %t", !wantEmpty)
			}
		})
	}
}

func TestOpenHeaderOnly(t *testing.T) {
	t.Parallel()
	_, contacts, rejected := readAll(t, "name,phone\n", Options{})
	if contacts != nil || rejected != nil {
		t.Errorf("got %v, %v, want neither contacts nor rejected rows", contacts, rejected)
	}
}

func TestReaderReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	in := io.MultiReader(strings.NewReader("phone\n"+strings.Repeat("2125550123\n", 10000)), iotest.ErrReader(broken))
	_, err := Open(in, Options{IDKey: []byte("k"), Name: "a.csv"})
	if !errors.Is(err, broken) || err.Error() != "read a.csv: disk on fire" {
		t.Errorf("got %v, want the error before the first contact", err)
	}
	if _, err := Open(iotest.ErrReader(broken), Options{IDKey: []byte("k")}); !errors.Is(err, broken) {
		t.Errorf("Open: %v", err)
	}
}

func TestReaderZones(t *testing.T) {
	t.Parallel()
	tests := []struct{ region, cell, want string }{
		{"US", "America/Chicago", "America/Chicago"},
		{"US", " america/new_york ", "America/New_York"},
		{"US", "America/Argentina/Buenos Aires", "America/Argentina/Buenos_Aires"},
		{"US", "(UTC-05:00) Eastern Time (US & Canada)", "America/New_York"},
		{"US", "W. Europe Standard Time", "Europe/Berlin"},
		{"US", "EST5EDT", "America/New_York"},
		{"US", "EST", "America/New_York"},
		{"US", "pst", "America/Los_Angeles"},
		{"US", "MST", ""}, // Denver or Phoenix
		{"AU", "EST", "Australia/Sydney,Australia/Brisbane"},
		{"DE", "CST", ""},
		{"GB", "GMT", "Europe/London"},
		{"US", "UTC", "UTC"},
		{"US", "Local", ""},
		{"US", "local", ""},
		{"US", "../../etc/passwd", ""},
		{"US", "posix/America/New_York", ""},
		{"US", "+02:00", ""},
		{"US", "Berlin", ""},
	}
	for _, tt := range tests {
		z := newZones()
		for range 2 { // the second time from memory
			if got := z.name(tt.cell, tt.region); got != tt.want {
				t.Errorf("%s in %s: got %q, want %q", tt.cell, tt.region, got, tt.want)
			}
		}
	}
}

func TestZonesAreBounded(t *testing.T) {
	t.Parallel()
	z := newZones()
	for n := range 2 * maxKnownZones {
		if got := z.name("Nowhere/"+strconv.Itoa(n), "US"); got != "" {
			t.Fatalf("got %q", got)
		}
	}
	if len(z.known) > maxKnownZones {
		t.Errorf("%d zones are remembered, want at most %d", len(z.known), maxKnownZones)
	}
}

func TestAliasesLoad(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Eastern Standard Time", "Central Standard Time", "Mountain Standard Time", "Pacific Standard Time", "Arizona",
		"Alaskan Standard Time", "Hawaiian Standard Time", "GMT Standard Time", "Romance Standard Time", "FLE Standard Time",
		"E. South America Standard Time", "Tokyo Standard Time", "AUS Eastern Standard Time", "India Standard Time",
		"New Zealand Standard Time", "China Standard Time", "Newfoundland Standard Time", "E. Europe Standard Time",
	} {
		iana := newZones().name(name, "US")
		if _, err := time.LoadLocation(iana); err != nil || iana == "" {
			t.Errorf("%s is %q: %v", name, iana, err)
		}
	}
}
