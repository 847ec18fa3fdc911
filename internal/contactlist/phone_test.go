package contactlist

import (
	"slices"
	"testing"
)

func numbersIn(region, cell string) ([]string, flaw) {
	n := newNumbering(region)
	return n.numbers(cell, way{region: n.list}, nil)
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, region, cell string
		want               []string
		flaw               flaw
	}{
		{"clean", "US", "+12125550123", []string{"+12125550123"}, ""},
		{"national", "US", "(212) 555-0123", []string{"+12125550123"}, ""},
		{"dots", "US", "212.555.0123", []string{"+12125550123"}, ""},
		{"trunk one", "US", "1-212-555-0123", []string{"+12125550123"}, ""},
		{"idd", "US", "011 49 30 23125123", []string{"+493023125123"}, ""},
		{"german", "DE", "030/23125-123", []string{"+493023125123"}, ""},
		{"german, zero lost", "DE", "3023125123", []string{"+493023125123"}, ""},
		{"idd of Germany", "DE", "001 212 555 0123", []string{"+12125550123"}, ""},
		{"zero in brackets", "US", "+44 (0)20 7946 0123", []string{"+442079460123"}, ""},
		{"plus in brackets", "US", "(+44) 20 7946 0123", []string{"+442079460123"}, ""},
		{"plus lost, own country", "DE", "493023125123", []string{"+493023125123"}, ""},
		{"too short for a lost plus", "US", "4512345678", nil, flawInvalid},
		{"plus lost, another country", "US", "442079460123", nil, flawForeign},
		{"apostrophe", "US", "'+12125550123", []string{"+12125550123"}, ""},
		{"formula", "US", `="+12125550123"`, []string{"+12125550123"}, ""},
		{"formula, no quotes", "US", `=+12125550123`, []string{"+12125550123"}, ""},
		{"float", "US", "12125550123.0", []string{"+12125550123"}, ""},
		{"float, comma", "DE", "493023125123,00", []string{"+493023125123"}, ""},
		{"no-break spaces", "US", "\u00a0212\u202f555\u00a00123 ", []string{"+12125550123"}, ""},
		{"direction marks", "US", "\u202a+1 212 555 0123\u202c", []string{"+12125550123"}, ""},
		{"odd dashes", "US", "212–555‑0123", []string{"+12125550123"}, ""},
		{"full width", "JP", "０３－１２３４－５６７８", []string{"+81312345678"}, ""},
		{"arabic digits", "US", "+٤٤٢٠٧٩٤٦٠١٢٣", []string{"+442079460123"}, ""},
		{"tel", "US", "tel:+1-212-555-0123", []string{"+12125550123"}, ""},
		{"label", "US", "Tel.: 212 555 0123 (home)", []string{"+12125550123"}, ""},
		{"excel, lost", "US", "1.65055E+10", nil, flawExcel},
		{"excel, lost, comma", "DE", "4,92302E+11", nil, flawExcel},
		{"excel, all there", "US", "1.6505550123E+10", []string{"+16505550123"}, ""},
		{"excel, comma, all there", "DE", "4,93023125123E+11", []string{"+493023125123"}, ""},
		{"extension x", "US", "212 555 0123 x45", nil, flawExtension},
		{"extension ext", "US", "212-555-0123 ext. 4567", nil, flawExtension},
		{"extension hash", "US", "2125550123#45", nil, flawExtension},
		{"extension uri", "US", "tel:+12125550123;ext=45", nil, flawExtension},
		{"extension, pause", "US", "2125550123,,45", nil, flawShort},
		{"extension, slash", "DE", "030 23125100/101", nil, flawShort},
		{"two, slash", "US", "212-555-0123 / 212-555-0124", []string{"+12125550123", "+12125550124"}, ""},
		{"two, semicolon", "US", "2125550123;+442079460123", []string{"+12125550123", "+442079460123"}, ""},
		{"two, or", "US", "212 555 0123 or 212 555 0124", []string{"+12125550123", "+12125550124"}, ""},
		{"two, lines", "US", "212 555 0123\n212 555 0124", []string{"+12125550123", "+12125550124"}, ""},
		{"two, one of them bad", "US", "1112223 / 212 555 0124", []string{"+12125550124"}, flawInvalid},
		{"two the same", "US", "2125550123; +1 212 555 0123", []string{"+12125550123"}, ""},
		{"two, the second without area code", "DE", "030 23125100 / 23125101", []string{"+493023125100"}, flawInvalid},
		{"letters", "US", "1-800-FLOWERS", nil, flawLetters},
		{"do not call", "US", "do not call 2125550123", []string{"+12125550123"}, flawStop},
		{"fax", "US", "2125550123 (fax)", nil, flawFax},
		{"words", "US", "n/a", nil, flawEmpty},
		{"dash", "US", "-", nil, flawEmpty},
		{"short", "US", "555-0123", nil, flawInvalid},
		{"no such area", "US", "+19995550123", nil, flawInvalid},
		{"plus in the middle", "US", "212+5550123", nil, flawLetters},
		{"star", "US", "*67 212 555 0123", nil, flawLetters},
		{"empty", "US", "  \u00a0", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, why := numbersIn(tt.region, tt.cell)
			if !slices.Equal(got, tt.want) || why != tt.flaw {
				t.Errorf("numbers(%q) = %q, %q; want %q, %q", tt.cell, got, why, tt.want, tt.flaw)
			}
		})
	}
}
