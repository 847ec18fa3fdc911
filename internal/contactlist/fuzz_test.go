package contactlist

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/ringqueue/ringqueue/campaign"
)

// FuzzReader checks that every list comes to an end, that each row is a contact with valid numbers or a rejected row, and that
// rows come in the order of their lines.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"",
		"id,name,phone\n7,Ana,+12125550123\n",
		"Name;Telefon\r\nAna;030 23125123\r\n",
		"sep=;\r\nname;phone\r\nAna;2125550123\r\n",
		"\ufeffname\tmobile\nA\t2125550123\n",
		"\xff\xfep\x00h\x00o\x00n\x00e\x00\n\x002\x00",
		"\xfe\xff\x00p\x00h\x00o\x00n\x00e\x00\n\x002",
		"p\x00h\x00o\x00n\x00e\x00\n\x00",
		"name,phone\rM\xfcller,2125550123\r",
		"name,phone\n\"Ana,2125550123\nBo,2125550124\n",
		"name,phone\n\"a\nb\",2125550123\n\"\"\"\"\"\",\"\n",
		"+12125550123\n1.65055E+10\n1.6505550123E+10\n'2125550123\n=\"2125550123\"\n2125550123.0\n",
		"phone\n442079460123\ntel:+1-212-555-0123;ext=5\n212 555 0123 x7\n212-555-0123 / 212-555-0124\n０３１２３４\n",
		"phone|mobile|tz\n2125550123||Mars/Olympus\n|2125550124|eastern\n,,,\n",
		"column_1,ringqueue_line,ringqueue_reason\n2125550123,1,x\n",
		"PK\x03\x04", "phone\n\x00\x00\n", "\r", "\"", ",", "\"\n\"\n\"",
	} {
		for _, region := range []string{"US", "DE"} {
			f.Add([]byte(seed), region)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, region string) {
		r, err := Open(bytes.NewReader(text), Options{Region: region, IDKey: []byte("k")})
		if err != nil {
			return
		}
		if len(r.Header()) == 0 || len(r.Mapping()) == 0 {
			t.Fatalf("header %q, mapping %v", r.Header(), r.Mapping())
		}
		line := 0
		for {
			c, err := r.Next()
			var row *RejectedRow
			switch {
			case err == nil:
				if c.Row <= line || c.ID == "" || len(c.ID) > 64 || len(c.Values) < len(r.Header()) || len(c.Numbers) == 0 {
					t.Fatalf("contact %+v behind line %d", c, line)
				}
				line = c.Row
				for _, e164 := range c.Numbers {
					number, err := phonenumbers.Parse(e164, "")
					if err != nil || !phonenumbers.IsValidNumber(number) || phonenumbers.Format(number, phonenumbers.E164) != e164 {
						t.Fatalf("%q is not a valid number in E.164: %v", e164, err)
					}
				}
				for zone := range strings.SplitSeq(c.Zone, ",") {
					if _, ok := campaign.LoadZone(zone); !ok && zone != "" {
						t.Fatalf("zone %q is not known to the gate", zone)
					}
				}
			case errors.As(err, &row):
				if row.Line <= line || row.Reason == "" || len(row.Record) == 0 {
					t.Fatalf("rejected row %+v behind line %d", row, line)
				}
				line = row.Line
			case errors.Is(err, io.EOF):
				if r.Offset() != int64(len(text)) {
					t.Fatalf("Offset = %d of %d", r.Offset(), len(text))
				}
				return
			default:
				t.Fatal(err)
			}
		}
	})
}

// FuzzNumbers checks that a cell is either found to have numbers, found to be empty, or has a flaw, and that numbers are what
// phonenumbers makes of the same cell where it can read it.
func FuzzNumbers(f *testing.F) {
	for _, seed := range []string{
		"+12125550123", "(212) 555-0123", "1.65055E+10", "='+49 30 23125 123'", "030/23125-123", "212 555 0123 x4", "a;b", "+", "++1",
		"tel:", "٣", "０３-1234-5678", "2125550123.0", "1 / 2", "'", "\"", "\u202a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		found, why := numbersIn("US", cell)
		if len(found) == 0 && why == flawNone && strings.TrimSpace(tidy(cell)) != "" {
			t.Fatal("neither numbers nor a flaw")
		}
		for _, e164 := range found {
			number, err := phonenumbers.Parse(e164, "")
			if err != nil || !phonenumbers.IsValidNumber(number) || phonenumbers.Format(number, phonenumbers.E164) != e164 {
				t.Fatalf("%q is not a valid number in E.164: %v", e164, err)
			}
		}
	})
}
