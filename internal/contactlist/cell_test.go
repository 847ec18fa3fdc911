package contactlist

import (
	"slices"
	"testing"
)

// TestCellWords shows what words beside a number do to it.
func TestCellWords(t *testing.T) {
	t.Parallel()
	one := []string{"+16505550123"}
	tests := []struct {
		region, cell string
		want         []string
		flaw         flaw
	}{
		{"US", "650-555-0123 do not call", one, flawStop},
		{"US", "650-555-0123 (do not call)", one, flawStop},
		{"US", "650-555-0123 DNC", one, flawStop},
		{"US", "650-555-0123, do not call", one, flawStop},
		{"US", "650-555-0123; DO NOT CALL", one, flawStop},
		{"US", "650-555-0123 / DNC", one, flawStop},
		{"US", "650-555-0123\nDO NOT CALL", one, flawStop},
		{"US", "DNC; 650-555-0123", one, flawStop},
		{"US", "DNC / 650-555-0123", one, flawStop},
		{"US", "do not call: 650-555-0123", one, flawStop},
		{"US", "do not call, 650-555-0123", one, flawStop},
		{"US", "650-555-0123 and do not call", one, flawStop},
		{"US", "650-555-0123 | wrong number", nil, flawDead},
		{"US", "650-555-0123 / wrong number", nil, flawDead},
		{"US", "650-555-0123, fax", nil, flawFax},
		{"US", "fax, 650-555-0123", nil, flawFax},
		{"US", "Fax: 650-555-0123", nil, flawFax},
		{"US", "650-555-0123 & deceased", nil, flawGone},
		{"US", "650-555-0123 (deceased)", nil, flawGone},
		{"US", "650-555-0123, ext", nil, flawExtension},
		{"US", "650-555-0123, x", nil, flawExtension},
		{"US", "650-555-0123;#", nil, flawLetters},
		{"US", "650-555-0123 Ada", nil, flawLetters},
		{"US", "650-555-0123 (wife)", nil, flawOther},
		{"US", "650-555-0123 mobile", one, flawNone},
		{"US", "650-555-0123 (home)", one, flawNone},
		{"US", "m: 650-555-0123", one, flawNone},
		{"US", "650-555-0123 / 650-555-0124 wrong number", one, flawDead},
		{"US", "650-555-0123 (mobile), 650-555-0124 (fax)", one, flawFax},
		{"US", "Fax 650-555-0123 / 650-555-0124", nil, flawFax},
		{"US", "Tel 650-555-0123 Fax 650-555-0124", one, flawFax},
		{"US", "650-555-0123 cell 650-555-0124 home", []string{"+16505550123", "+16505550124"}, flawNone},
		{"US", "650-555-0123 fax 650-555-0124", nil, flawLetters},
		{"US", "650-555-0123 ::: 650-555-0124", []string{"+16505550123", "+16505550124"}, flawNone},
		{"US", "650-555-0123 or 650-555-0124", []string{"+16505550123", "+16505550124"}, flawNone},
		{"US", "(479) 234-5678", []string{"+14792345678"}, flawNone},
		{"US", "4792345678", nil, flawAmbiguous},
		{"US", "415-555-0123 4", nil, flawForeign},
		{"US", "(415) 555-0123 - 4", nil, flawForeign},
		{"DE", "030/23125101 / 0171/3920001", []string{"+493023125101", "+491713920001"}, flawNone},
		{"DE", "030/23125101/0171/3920001", []string{"+493023125101", "+491713920001"}, flawNone},
		{"DE", "030 / 23125101", []string{"+493023125101"}, flawNone},
		{"DE", "030 23125101 oder 0171 3920001", []string{"+493023125101", "+491713920001"}, flawNone},
		{"DE", "030 23125101 (privat); 0171 3920001 (Handy)", []string{"+493023125101", "+491713920001"}, flawNone},
		{"DE", "030 23125101 nicht anrufen", []string{"+493023125101"}, flawStop},
		{"DE", "030 23125101 (bitte nicht anrufen!)", []string{"+493023125101"}, flawStop},
		{"DE", "030 23125101 - verstorben", nil, flawGone},
		{"DE", "030 23125101 (falsche Nummer)", nil, flawDead},
		{"DE", "030 23125101 Faxnummer", nil, flawFax},
		{"DE", "030 23125101 (Mutter)", nil, flawOther},
		{"FR", "01 99 00 01 04 ne pas appeler", []string{"+33199000104"}, flawStop},
		{"FR", "01 99 00 01 04 ou 06 12 34 56 78", []string{"+33199000104", "+33612345678"}, flawNone},
		{"FR", "01 99 00 01 04 (décédé)", nil, flawGone},
		{"FR", "01 99 00 01 04 (télécopie)", nil, flawFax},
		{"FR", "01 99 00 01 04 faux numéro", nil, flawDead},
		{"ES", "912 345 678 no llamar", []string{"+34912345678"}, flawStop},
		{"ES", "912 345 678 (fallecido)", nil, flawGone},
		{"ES", "912 345 678 número equivocado", nil, flawDead},
		{"IT", "06 1234 5678 non chiamare", []string{"+390612345678"}, flawStop},
		{"PT", "912 345 678 não ligar", []string{"+351912345678"}, flawStop},
		{"NL", "020 123 4567 niet bellen", []string{"+31201234567"}, flawStop},
		{"NL", "020 123 4567 (overleden)", nil, flawGone},
		{"PL", "12 345 67 89 nie dzwonić", []string{"+48123456789"}, flawStop},
		{"SE", "08-465 004 04 ring inte", []string{"+46846500404"}, flawStop},
		{"SE", "08-465 004 04 (avliden)", nil, flawGone},
		{"DK", "32 12 34 56 ring ikke", []string{"+4532123456"}, flawStop},
		{"NO", "22 12 34 56 ring ikke", []string{"+4722123456"}, flawStop},
		{"FI", "09 4245 0123 älä soita", []string{"+358942450123"}, flawStop},
		{"CZ", "212 345 678 nevolat", []string{"+420212345678"}, flawStop},
		{"TR", "0212 345 67 89 aramayın", []string{"+902123456789"}, flawStop},
		{"RU", "8 (495) 123-45-67 не звонить", []string{"+74951234567"}, flawStop},
		{"RU", "8 (495) 123-45-67 умер", nil, flawGone},
		{"RU", "8 (495) 123-45-67 факс", nil, flawFax},
		{"JP", "03-1234-5678（架電禁止）", []string{"+81312345678"}, flawStop},
		{"JP", "03-1234-5678（FAX）", nil, flawFax},
		{"JP", "03-1234-5678（自宅）", []string{"+81312345678"}, flawNone},
		{"CN", "010 1234 5678 请勿致电", []string{"+861012345678"}, flawStop},
		{"CN", "010 1234 5678 空号", nil, flawDead},
		{"CN", "010 1234 5678 或 021 1234 5678", []string{"+861012345678", "+862112345678"}, flawNone},
	}
	for _, tt := range tests {
		got, why := numbersIn(tt.region, tt.cell)
		if !slices.Equal(got, tt.want) || why != tt.flaw {
			t.Errorf("%s %q = %q, %q; want %q, %q", tt.region, tt.cell, got, why, tt.want, tt.flaw)
		}
	}
}
