// Package contactlist turns a call list, a CSV file as people really have it, into contacts.
//
// A list is read in one pass and in constant memory. Every row is either a contact or a rejected row with
// its line and a reason; one bad row never ends the list. Duplicates are not looked for here: that needs a
// memory of what was seen, which is the ledger's.
//
// # The file
//
// UTF-8 with or without a byte order mark, UTF-16 in both orders with a mark (or without one, where the zero bytes
// show it), and Windows-1252: bytes that are not UTF-8 are taken for Windows-1252, record by record, so it does not
// matter how late in a file the first one stands. Cells are separated by comma, semicolon, tab or pipe, found out
// from the first rows, or as Excel's first line "sep=;" says. Lines end with LF, CRLF or CR. Quoted cells may
// have line ends. Text behind a closing quote belongs to the cell, as in Excel. Missing cells of a short row are empty,
// further cells of a long one are kept, and blank rows are skipped. A record ends at the latest after 1 MiB or 1,000
// lines: if a quote is not closed by then, or is closed in the midst of a later line's text, the line that opened it
// is rejected and reading goes on at the next line.
//
// # The columns
//
// Headers are compared without letter case, accents, digits and punctuation; camelCase counts as two words.
//
//   - phone, several are possible: a header with one of the words phone, telephone, tel, mobile, cell, landline,
//     telefon, handy, mobil, rufnummer, festnetz, téléphone, portable, teléfono, móvil, celular, telefono, cellulare,
//     telefoon, mobiel, telefone, telemóvel, puhelin, телефон, 电话, 手机, 電話, 携帯, 전화 and their usual
//     compounds ("Phone Number", "Mobile (private)", "Tel.", "Handynummer"), unless another word says that it is
//     something else, such as fax, type, label, ext, country, emergency or assistant. "Number", "Numero", "Nummer",
//     "Contact number" and "Destination" are taken only if there is no better column and half of their cells are
//     phone numbers. "Customer number", "Invoice number" and "Fax" never are.
//   - name: name, full name, contact name, customer name, contact, ansprechpartner, nom complet, nombre completo, …;
//     first and last name (vorname and nachname, prénom and nom, nombre and apellidos, …) are joined.
//   - id: id, contact id, lead id, record id, uuid, …, else customer id, customer number, kundennummer, member id, ….
//   - timezone: timezone, time zone, tz, zeitzone, fuseau horaire, zona horaria, fuso orario, ….
//
// Options.Columns names the column of a role instead. A list has no header if its first row has a valid phone
// number; its columns are called column_1, column_2, … then, and the phone columns are those whose cells are phone numbers.
// The columns ringqueue_line and ringqueue_reason, which a rejects file has, are left out when it is imported again.
//
// # The numbers
//
// Numbers become E.164 and must be valid by libphonenumber's rules. A number without + is taken for one of
// Options.Region; if it is not valid there and has 11 digits or more, it is tried as an international one that has
// lost its +. What spreadsheets add is taken away: a leading apostrophe, ="…", .0 at the end, invisible characters,
// full-width digits, labels such as "tel:" or "(home)". 1.6505550123E+10 still has all its digits and is read;
// 1.65055E+10 has not, and the row is rejected with advice. So are extensions, which RingOut cannot dial, and numbers
// with letters. A cell may hold two numbers ("a / b", "a; b"). Of all phone columns the valid numbers are kept in order, and a
// row is rejected only when there is none.
//
// # The time zone
//
// An IANA name, a Windows name ("W. Europe Standard Time") or a common one ("Eastern Time"). A row with another is
// rejected; offsets such as UTC+2 are, too, since they know no daylight saving. An empty cell leaves it to the number.
package contactlist
