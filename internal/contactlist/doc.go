// Package contactlist turns a call list, a file as people really have it, into contacts.
//
// The rule: where a cell can mean two people, no phone rings. Every row is either a contact or a rejected row with its line
// and a reason; one bad row never ends the list. What cannot be known of the whole list refuses it before its first contact, with the
// way to say what is meant. Duplicates are not looked for here: that needs a memory of what was seen, which is the ledger's. What
// is read and refused is told in docs/lists.md.
//
// # In which order
//
// Open reads the list once to its end, in constant memory, and Next reads it again. encoding.go and charset.go find what the bytes
// mean, workbook.go reads Excel's, sniff.go finds the delimiter, record.go cuts the text into rows. scan.go finds the header and what
// the whole list shows: how digits without + are meant, and whether every wish not to be called can be understood. header.go finds the
// roles of the columns, by the vocabularies under words/. For each row country.go finds the region, phone.go takes its cells apart,
// numbering.go makes them E.164, flag.go sees who said no, and zone.go finds the time zone, by the tables under zones/.
//
// # The vocabularies
//
// Headers, labels and words beside numbers are compared without letter case, accents, digits and punctuation; camelCase counts as two words,
// and a word may be put together of known ones (Handynummer, 携帯電話番号). Each file under words/ is one thing that a word may say. Where
// a word is in several files, the one that keeps a phone from ringing counts.
//
// # Records
//
// Quoted cells may have line ends. Text behind a closing quote belongs to the cell, as in Excel. Missing cells of a short row are empty,
// further cells of a long one are kept, and blank rows are skipped. A record ends at the latest after 1 MiB or 1,000
// lines: if a quote is not closed by then, or is closed in the midst of a later line's text, the line that opened it
// is rejected and reading goes on at the next line.
//
// The columns ringqueue_line and ringqueue_reason, which a rejects file has, are left out when it is imported again. A list without
// header gets the names column_1, column_2, ….
package contactlist
