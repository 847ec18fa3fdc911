package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// areas are area codes in the time zones of the United States and Canada.
var areas = []int{212, 312, 415, 602, 206, 305, 713, 303, 617, 404, 416, 604}

// number is the n-th of a million numbers and more, as a list has it: area code, exchange, line.
func number(n int) (area, exchange, line int) {
	area, n = areas[n%len(areas)], n/len(areas)
	return area, 220 + n/10_000, n % 10_000
}

// e164 is the n-th number in E.164.
func e164(n int) string {
	area, exchange, line := number(n)
	return fmt.Sprintf("+1%03d%03d%04d", area, exchange, line)
}

// writeList writes a call list of rows as a customer's system exports it, about 100 bytes each.
func writeList(w io.Writer, rows int) error {
	out := bufio.NewWriterSize(w, 1<<16)
	if _, err := out.WriteString("name,phone,company,city,renewal_date,amount\n"); err != nil {
		return err
	}
	for i := range rows {
		area, exchange, line := number(i)
		if _, err := fmt.Fprintf(out, "\"Contact, Number %d\",(%03d) %03d-%04d,Company %d & Daughters,Springfield,2026-09-%02d,%d.50\n",
			i, area, exchange, line, i%997, 1+i%28, 100+i%900); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (b *bench) listFile(name string, rows int) (string, error) {
	path := b.path(name)
	f, err := os.Create(path) //nolint:gosec // in the bench's own folder
	if err != nil {
		return "", fmt.Errorf("call list: %w", err)
	}
	if err := errors.Join(writeList(f, rows), f.Close()); err != nil {
		return "", fmt.Errorf("call list: %w", err)
	}
	return path, nil
}
