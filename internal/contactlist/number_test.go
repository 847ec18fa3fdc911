package contactlist

import "testing"

func TestNumber(t *testing.T) {
	t.Parallel()
	tests := []struct{ written, region, want, err string }{
		{"(212) 555-0123", "", "+12125550123", ""},
		{"030 23125 123", "de", "+493023125123", ""},
		{"", "US", "", "the number is empty"},
		{"Ana 12345 Quill", "US", "", "the number …2345 has letters or signs that no phone number has"},
		{"212 555 0123 / 212 555 0124", "US", "", "give one number at a time"},
		{"+12125550123", "Narnia", "", `unknown region "Narnia": it takes a two-letter country code such as US or DE`},
	}
	for _, tt := range tests {
		got, err := Number(tt.written, tt.region)
		message := ""
		if err != nil {
			message = err.Error()
		}
		if got != tt.want || message != tt.err {
			t.Errorf("Number(%q, %q) = %q, %q; want %q, %q", tt.written, tt.region, got, message, tt.want, tt.err)
		}
	}
}

func TestContactIDIsTheReaders(t *testing.T) {
	t.Parallel()
	_, contacts, _ := readAll(t, "phone\n212 555 0123\n", Options{IDKey: []byte("secret")})
	if got, want := contacts[0].ID, ContactID([]byte("secret"), "+12125550123"); got != want {
		t.Errorf("the list's id is %s, ContactID says %s", got, want)
	}
}
