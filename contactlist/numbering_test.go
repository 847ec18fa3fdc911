package contactlist

import "testing"

func TestE164(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, region, written, want string }{
		{"international", "US", "+12125550123", "+12125550123"},
		{"international elsewhere", "US", "+493023125123", "+493023125123"},
		{"national", "US", "2125550123", "+12125550123"},
		{"national with trunk digit", "US", "12125550123", "+12125550123"},
		{"national in Germany", "DE", "03023125123", "+493023125123"},
		{"Italian leading zero stays", "IT", "0236618300", "+390236618300"},
		{"lost plus", "US", "493023125123", "+493023125123"},
		{"ten digits are not taken for another country's", "US", "4930231251", ""},
		{"no such area", "US", "+19995550123", ""},
		{"too short", "US", "5550123", ""},
		{"empty", "US", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, valid := newNumbering(tt.region).e164(tt.written)
			if got != tt.want || valid != (tt.want != "") {
				t.Errorf("e164(%q) = %q, %t; want %q", tt.written, got, valid, tt.want)
			}
		})
	}
}

func BenchmarkE164(b *testing.B) {
	n := newNumbering("US")
	b.ReportAllocs()
	for b.Loop() {
		if _, valid := n.e164("+12125550123"); !valid {
			b.Fatal("the number is valid")
		}
	}
}
