package main

import "testing"

// TestStoredAdd looks at a list by the region and the columns with which it will be read.
func TestStoredAdd(t *testing.T) {
	r := newRig(t)
	r.file("de.yaml", "name: de\nregion: DE\ncalling_hours: always\n")
	r.file("nr.csv", "Wen anrufen;Firma\n0151 12345678;A\n0151 12345679;B\n")
	if got := r.run("stored", "add", "nr", "nr.csv"); got.code != 2 {
		t.Errorf("without region and columns: status %d: %s", got.code, got.err)
	}
	r.must("stored", "add", "nr", "nr.csv", "--campaign", "de.yaml", "--column", "phone=Wen anrufen")
	r.must("stored", "add", "nr", "nr.csv", "--region", "DE", "--column", "phone=Wen anrufen")
}
