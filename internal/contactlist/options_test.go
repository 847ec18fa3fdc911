package contactlist

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"

	"github.com/ringqueue/ringqueue/campaign"
)

// summary is what becomes of a list, one line.
func summary(t *testing.T, text string, o Options) string {
	t.Helper()
	if o.IDKey == nil {
		o.IDKey = []byte("k")
	}
	r, err := Open(strings.NewReader(text), o)
	if err != nil {
		return "refused: " + strings.TrimPrefix(err.Error(), "read the list: ")
	}
	var b strings.Builder
	for {
		c, err := r.Next()
		var row *RejectedRow
		switch {
		case errors.Is(err, io.EOF):
			return strings.TrimSpace(b.String())
		case errors.As(err, &row):
			b.WriteString("rejected ")
		case err != nil:
			t.Fatal(err)
		case c.DoNotCall != "":
			b.WriteString("-" + strings.Join(c.Numbers, ",") + " ")
		default:
			b.WriteString(strings.Join(c.Numbers, ",") + " ")
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	columns := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	tests := []struct {
		name, text string
		options    Options
		want       string
	}{
		{"two columns in the order said", "Name,A,B\nAda,650-253-0101,650-253-0102\n", Options{Columns: columns("phone", "B\nA")}, "+16502530102,+16502530101"},
		{"a column that is somebody else's, if the owner says so", "Name,Phone,Guardian Phone\nAda,650-253-0101,650-253-0102\n", Options{Columns: columns("phone", "Guardian Phone")}, "+16502530102"},
		{"a column of no header", "Ada,6502530101\n", Options{Columns: columns("phone", "column_2")}, "+16502530101"},
		{"a wish that is not one", "Phone,Do Not Call\n650-253-0101,maybe\n", Options{Columns: columns("ignore", "Do Not Call")}, "+16502530101"},
		{"a wish under another name", "Phone,Sperre7\n650-253-0101,1\n", Options{Columns: columns("dnc", "Sperre7")}, "-+16502530101"},
		{"a country under another name", "Phone,Where\n020 7946 0101,GB\n", Options{Columns: columns("country", "Where")}, "+442079460101"},
		{"international", "Phone\n442079460101\n491713920001\n14155550123\n", Options{Numbers: "international"}, "+442079460101 +491713920001 +14155550123"},
		{"national", "Telefon\n4915112345678\n", Options{Region: "DE", Numbers: "national"}, "rejected"},
		{"international in Germany", "Telefon\n4915112345678\n447400123456\n", Options{Region: "DE", Numbers: "international"}, "+4915112345678 +447400123456"},
		{"another word", "Phone\n1\n", Options{Numbers: "both"}, `refused: numbers are "both": it takes national or international`},
		{"people of two kinds", "Customer Phone,Employee Phone\n650-253-0101,650-253-0102\n", Options{}, `refused: it has phones of customer and of employee: say whose are to be called with --column phone="Customer Phone"`},
		{"two columns without a header", "650-253-0101,650-253-0102\n", Options{}, `refused: it has no header, and phones in column_1 and column_2: say which with --column phone=column_1`},
		{"only somebody else's", "Name,Mother Phone\nAda,650-253-0101\n", Options{}, `refused: no column of phone numbers among "Name", "Mother Phone": "Mother Phone" is somebody else's: if it is to be called, name it with --column phone="Mother Phone"`},
		{"a list of those not to be called", "Name,DNC Phone,Fax\nAda,650-253-0101 do not call,650-253-0102\n", Options{DoNotCall: true}, "+16502530101,+16502530102"},
		{"opt-outs of e-mail", "Phone,Email Opt Out,SMS opt-out,Newsletter abbestellt,Fax opt out\n650-253-0101,1,1,1,1\n", Options{}, "+16502530101"},
		{"opt-outs of calls", "Phone,Call Opt Out\n650-253-0101,1\n650-253-0102,\n", Options{}, "-+16502530101 +16502530102"},
		{"allowed or not", "Phone,Ok to call\n650-253-0101,no\n650-253-0102,yes\n650-253-0103,2024-01-01\n", Options{}, "-+16502530101 +16502530102 +16502530103"},
		{"another row of the same number", "Phone,Mobile,Do Not Call\n650-253-0101,,no\n650-253-0102,650-253-0101,no\n650-253-0101,,yes\n", Options{}, "-+16502530101 +16502530102 -+16502530101"},
		{"consent in other words", "Telefon,Einwilligung Telefonwerbung\n030 23125101,nein\n030 23125102,ja\n", Options{Region: "DE"}, "-+493023125101 +493023125102"},
		{"calls wished for", "Telefon,Anrufe erwünscht\n030 23125101,nein\n030 23125102,\n", Options{Region: "DE"}, "-+493023125101 +493023125102"},
		{"call?", "Phone,Call?\n650-253-0101,no\n650-253-0102,yes\n", Options{}, "-+16502530101 +16502530102"},
		{"wrong numbers", "Phone,Call Status,Phone Valid\n650-253-0101,Wrong number,\n650-253-0102,Disconnected,\n650-253-0103,,false\n650-253-0104,Answered,true\n", Options{}, "rejected rejected rejected +16502530104"},
		{"a wish in words", "Phone,Contact preference\n650-253-0101,email only\n650-253-0102,no phone\n650-253-0103,phone\n", Options{}, "-+16502530101 -+16502530102 +16502530103"},
		{"notes about one phone", "Phone 1,Phone 1 Notes,Phone 2\n650-253-0101,wife's,650-253-0102\n", Options{}, "+16502530102"},
		{"letters of cars for countries", "Telefon;Land\n0664 1234567;A\n030 23125102;D\n", Options{Region: "DE"}, "+436641234567 +493023125102"},
		{"several persons of one row", "Name 1,Phone 1,Name 2,Phone 2\nAda,650-253-0101,Ben,650-253-0102\n", Options{}, "+16502530101"},
		{"numbered persons", "Contact 1 Phone,Contact 2 Phone\n650-253-0101,650-253-0102\n,650-253-0102\n", Options{}, "+16502530101 rejected"},
		{"several phones of one person", "Contact Phone 1,Contact Phone 2\n650-253-0101,650-253-0102\n", Options{}, "+16502530101,+16502530102"},
		{"a header of two lines", "Student,,Mother,\nName,Phone,Name,Phone\nAda,650-253-0101,Eve,650-253-0102\nBen,,Eve,650-253-0102\n", Options{}, "+16502530101 rejected"},
		{"two columns of one name", "Name,Phone,Phone\nAda,650-253-0101,650-253-0102\n", Options{}, `refused: several columns are called "Phone": give them names that say whose phones they are`},
		{"another contact", "Name,Primary Contact Phone,Secondary Contact Phone\nAda,650-253-0101,650-253-0102\n", Options{}, "+16502530101"},
		{"since when", "Phone,DNC date\n650-253-0101,2024-01-01\n650-253-0102,\n", Options{}, "-+16502530101 +16502530102"},
		{"dialler's status", "Phone,Status\n650-253-0101,DNC\n650-253-0102,DNCL\n650-253-0103,DNCC\n650-253-0104,NA\n650-253-0105,Do not call\n", Options{}, "-+16502530101 -+16502530102 -+16502530103 +16502530104 -+16502530105"},
		{"a note", "Phone,Notes\n650-253-0101,\"Met in May. Do not call!\"\n650-253-0102,call again\n650-253-0103,do not email\n", Options{}, "-+16502530101 +16502530102 +16502530103"},
		{"an extension of one of two phones", "Work Phone,Home Phone,Work Phone Ext\n650-253-0101,650-253-0102,12\n", Options{}, "+16502530102"},
		{"a label of customers is none of phones", "Phone,Type\n650-253-0101,Customer\n650-253-0102,Reseller\n", Options{}, "+16502530101 +16502530102"},
		{"a label without the phone's name", "Phone,Type\n650-253-0101,Mobile\n650-253-0102,Fax\n650-253-0103,Home\n", Options{}, "+16502530101 rejected +16502530103"},
		{"one country, said twice differently", "Phone,Country,Country Code\n20 7946 0101,UK,44\n20 7946 0102,UK,49\n", Options{}, "+442079460101 rejected"},
		{"dialling codes", "Phone,Dial Code\n2079460101,+44\n2079460102,0044\n2079460103,44\n2079460104,(44)\n", Options{}, "+442079460101 +442079460102 +442079460103 +442079460104"},
		{"countries in their own language", "Telefon,Land\n020 7946 0101,Großbritannien\n030 23125102,Deutschland\n01 99 00 01 03,Frankreich\n01 99 00 01 04,France\n", Options{Region: "DE"}, "+442079460101 +493023125102 +33199000103 +33199000104"},
		{"a number that contradicts its country", "Phone,Country\n+49 30 23125101,FRA\n", Options{}, "rejected"},
		{"encoding", "Name,Phone\nOnd\xf8ej,650-253-0101\n", Options{Encoding: "windows-1250"}, "+16502530101"},
		{"no such encoding", "Name,Phone\n", Options{Encoding: "klingon"}, `refused: unknown encoding "klingon": it takes utf-8, windows-1250 to windows-1258, macintosh, shift_jis, gbk, big5, euc-kr, iso-8859-2 and the like`},
		{"times of the contact's clock", "Phone,not_before,not_after\n650-253-0101,2026-12-01,2026-11-01\n", Options{}, "rejected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := summary(t, tt.text, tt.options); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestTypoStaysAtHome: American numbers with one digit too many are nobody's abroad.
func TestTypoStaysAtHome(t *testing.T) {
	t.Parallel()
	n := newNumbering("US")
	for area := 200; area < 1000; area++ {
		base := string([]byte{byte('0' + area/100), byte('0' + area/10%10), byte('0' + area%10)}) + "5550123"
		for d := range 10 {
			for _, s := range []sense{undecided, national, international} {
				if got, why := n.e164(base+string(rune('0'+d)), n.list, s); why == flawNone {
					t.Fatalf("%s%d is read as %s", base, d, got)
				}
			}
		}
	}
}

// TestGateTakesZones: every name of a zone that a list may have, in every country, is one that the calling hours know.
func TestGateTakesZones(t *testing.T) {
	t.Parallel()
	tables := zoneTables()
	names := map[string]bool{}
	for name := range tables.iana {
		names[name] = true
	}
	for name := range tables.windows {
		names[name] = true
	}
	for name := range tables.meta {
		names[name] = true
	}
	for name := range tables.local {
		names[name] = true
	}
	for name := range names {
		for _, country := range []string{"", "US", "DE", "AU"} {
			for zone := range strings.SplitSeq(resolveZone(name, country), ",") {
				if _, ok := campaign.LoadZone(zone); !ok && zone != "" {
					t.Fatalf("%q in %q is %q, which the gate does not know", name, country, zone)
				}
			}
		}
	}
	if len(names) < 5000 {
		t.Errorf("only %d names", len(names))
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, region, text, encoding string
		charmap                      *charmap.Charmap
	}{
		{"German", "DE", "Name;Telefon\nJürgen Groß;030 23125101\n", "Windows-1252", charmap.Windows1252},
		{"German of a Mac", "DE", "Name;Telefon\nJürgen Groß;030 23125101\n", "Macintosh", charmap.Macintosh},
		{"German in an American campaign", "US", "Name;Phone\nJürgen Groß;+49 30 23125101\n", "Windows-1252", charmap.Windows1252},
		{"Spanish", "US", "Name,Phone\nPeña,650-253-0101\n", "Windows-1252", charmap.Windows1252},
		{"Polish", "US", "Name,Phone\nŁukasz,650-253-0101\n", "Windows-1250", charmap.Windows1250},
		{"Czech", "US", "Name,Phone\nDvořák,650-253-0101\n", "Windows-1250", charmap.Windows1250},
		{"Hungarian", "HU", "Név,Telefon\nŐry Gyűrű,+36 1 234 5601\n", "Windows-1250", charmap.Windows1250},
		{"Turkish", "US", "Name,Phone\nŞahin Yıldırım,650-253-0101\n", "Windows-1254", charmap.Windows1254},
		{"Russian", "US", "Name,Phone\nПётр Иванов,650-253-0101\n", "Windows-1251", charmap.Windows1251},
		{"Greek", "US", "Name,Phone\nΓιώργος,650-253-0101\n", "Windows-1253", charmap.Windows1253},
		{"a Mac's letters in an American campaign", "US", "Name,Phone\nMüller Peña,650-253-0101\n", "Macintosh", charmap.Macintosh},
		{"Irish", "US", "Name,Phone\nO’Brien,650-253-0101\n", "Windows-1252", charmap.Windows1252},
		{"a dash", "US", "Name,Phone\nAda – Ben,650-253-0101\n", "Windows-1252", charmap.Windows1252},
		{"pounds", "GB", "Name,Phone,Owed\nAda,020 7946 0101,£5\n", "Windows-1252", charmap.Windows1252},
		{"euros", "US", "Name,Phone,Owed\nAda,650-253-0101,€5\n", "Windows-1252", charmap.Windows1252},
		{"DOS", "US", "Name,Phone\nMüller,650-253-0101\n", "IBM850", charmap.CodePage850},
		{"Danish", "DK", "Navn,Telefon\nSøren,32 12 34 01\n", "Windows-1252", charmap.Windows1252},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			encoded, err := tt.charmap.NewEncoder().String(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			r, contacts, _ := readAll(t, encoded, Options{Region: tt.region})
			want, _, _ := strings.Cut(strings.NewReplacer(";", ",").Replace(strings.Split(tt.text, "\n")[1]), ",")
			if len(contacts) != 1 || contacts[0].Name != want || r.Encoding() != tt.encoding {
				t.Errorf("got %+v in %s, want %s in %s", contacts, r.Encoding(), want, tt.encoding)
			}
		})
	}
}

// A list that cannot be read twice is kept in a file that has no name any more.
func TestKeptList(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	r, err := Open(&rowsReader{header: "id,name,phone,company,renewal_date,amount\n", row: cleanRow, rows: 50000}, Options{IDKey: []byte("k")})
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 0 {
		t.Errorf("left in the folder for temporary files: %v, %v", files, err)
	}
	if contacts, _ := rest(t, r); len(contacts) != 50000 {
		t.Errorf("got %d contacts", len(contacts))
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
