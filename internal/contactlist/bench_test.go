package contactlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/ringqueue/ringqueue/campaign"
)

// rowsReader makes a list of any length without holding it.
type rowsReader struct {
	header string
	row    func(i int) string
	rows   int
	at     int
	rest   string
}

func (r *rowsReader) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.at > r.rows {
			return 0, io.EOF
		}
		if r.at == 0 {
			r.rest = r.header
		} else {
			r.rest = r.row(r.at)
		}
		r.at++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func cleanRow(i int) string {
	return fmt.Sprintf("C-%d,Contact %d,+1212%07d,Some Company Ltd,2026-09-01,480.00\n", i, i, 2000000+i%7999999)
}

func TestReaderMemory(t *testing.T) {
	// Not parallel: it looks at the whole process's memory.
	const rows = 300000
	r, err := Open(&rowsReader{header: "id,name,phone,company,renewal_date,amount\n", row: cleanRow, rows: rows}, Options{IDKey: []byte("k")})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	for i := range rows {
		if _, err := r.Next(); err != nil {
			t.Fatal(i, err)
		}
		if i == rows/10 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("memory has grown by %d bytes over %d rows, want none", grown, rows)
	}
}

// BenchmarkReader shows rows per second of whole lists.
func BenchmarkReader(b *testing.B) {
	for _, tt := range []struct {
		name, region, header string
		row                  func(int) string
	}{
		{"clean", "US", "id,name,phone,company,renewal_date,amount\n", cleanRow},
		{"no id", "US", "nr.,name,phone,company,renewal_date,amount\n", cleanRow},
		{"quoted national", "US", "id,name,phone,mobile,timezone,company\n", func(i int) string {
			return fmt.Sprintf("\"%d\",\"Contact, %d\",\"(212) %03d-%04d\",\"\",\"America/New_York\",\"Some \"\"Company\"\" Ltd\"\n", i, i, 200+i/10000%700, i%10000)
		}},
		{"germany national", "DE", "Kundennummer;Name;Telefon\r\n", func(i int) string {
			return fmt.Sprintf("%d;M\xfcller %d;030 %08d\r\n", i, i, 23125000+i%900000)
		}},
	} {
		b.Run(strings.ReplaceAll(tt.name, " ", "-"), func(b *testing.B) {
			list, err := io.ReadAll(&rowsReader{header: tt.header, row: tt.row, rows: 100000})
			if err != nil {
				b.Fatal(err)
			}
			var r *Reader
			open := func() {
				if r, err = Open(bytes.NewReader(list), Options{Region: tt.region, IDKey: []byte("k")}); err != nil {
					b.Fatal(err)
				}
			}
			open()
			b.ReportAllocs()
			var c campaign.Contact
			for b.Loop() {
				var next campaign.Contact
				if next, err = r.Next(); errors.Is(err, io.EOF) {
					open() // reads all the list: part of what a row costs
				} else if err != nil {
					b.Fatal(err)
				} else {
					c = next
				}
			}
			if len(c.Numbers) == 0 {
				b.Fatal("no number")
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkOpen is what a list costs before its first row.
func BenchmarkOpen(b *testing.B) {
	text := "id,name,phone,company,renewal_date,amount\n"
	for i := range 1000 {
		text += cleanRow(i)
	}
	for b.Loop() {
		if _, err := Open(strings.NewReader(text), Options{IDKey: []byte("k")}); err != nil {
			b.Fatal(err)
		}
	}
}
