package contactlist

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Role says what a column is for.
type Role string

// The roles, as Options.Columns takes them. Columns without one are kept in the contact's values.
const (
	Phone    Role = "phone"
	Name     Role = "name"
	ID       Role = "id"
	Timezone Role = "timezone"
)

// Mapped is a column with a role.
type Mapped struct {
	Role   Role
	Header string // as in Reader.Header
	Index  int    // from 0
}

// fold reduces a header to lower-case words without accents, digits and punctuation: "Téléphone (privé) 2" and
// "telephonePrive" are both "telephone prive".
func fold(header string) string {
	var spaced strings.Builder
	last := ' '
	for _, r := range norm.NFKC.String(header) {
		switch {
		case r == 'ß':
			spaced.WriteString("ss")
		case unicode.IsLetter(r) || unicode.Is(unicode.M, r):
			if unicode.IsUpper(r) && unicode.IsLower(last) {
				spaced.WriteByte(' ')
			}
			spaced.WriteRune(r)
		default:
			spaced.WriteByte(' ')
		}
		last = r
	}
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(spaced.String()))
	return strings.Join(strings.Fields(norm.NFC.String(plain)), " ")
}

// isPhone reports whether a folded header names a phone column: a word for a phone, and none for something else about it.
func isPhone(folded string) bool {
	found := false
	for word := range strings.SplitSeq(folded, " ") {
		switch word {
		case "phone", "phones", "telephone", "tel", "telno", "ph", "mobile", "mob", "cell", "cellphone", "cellular", "landline",
			"gsm", "msisdn", "phonenumber", "phoneno", "telephonenumber", "mobilephone", "mobilenumber", "mobileno", "cellnumber",
			"telefon", "telefonnummer", "telefonnr", "telnr", "handy", "handynummer", "handynr", "mobil", "mobilnummer", "mobilnr",
			"mobiltelefon", "mobiltelefonnummer", "mobilfunk", "mobilfunknummer", "festnetz", "festnetznummer", "rufnummer", "fon",
			"portable", "telefono", "movil", "celular", "cellulare", "telefoon", "telefoonnummer", "telefoonnr", "mobiel",
			"gsmnummer", "telefone", "telemovel", "puhelin", "puhelinnumero", "matkapuhelin", "telefonu", "komorka",
			"телефон", "телефона", "мобильныи", "电话", "电话号码", "手机", "手机号", "電話", "電話番号", "携帯", "携帯電話", "전화", "전화번호",
			"휴대폰", "휴대전화":
			found = true
		case "fax", "telefax", "faxnummer", "type", "typ", "label", "kind", "category", "code", "codes", "ext", "extension",
			"durchwahl", "carrier", "provider", "operator", "network", "status", "valid", "verified", "validated", "consent",
			"opt", "optin", "optout", "permission", "allowed", "note", "notes", "comment", "comments", "date", "time", "id",
			"model", "brand", "plan", "count", "calls", "email", "mail", "name", "owner", "imei", "serial", "country", "area",
			"prefix", "vorwahl", "region", "zone", "timezone", "pager", "tty", "tdd", "telex", "radio", "assistant", "emergency",
			"notfall", "spouse", "guardian", "parent", "kin", "dnc", "not", "bill", "invoice", "contract", "os", "app", "version",
			"device", "score", "agent", "notruf", "urgence", "emergencia":
			return false
		}
	}
	return found
}

// maybePhone reports whether a folded header may name a phone column, which its cells must show.
func maybePhone(folded string) bool {
	switch folded {
	case "number", "numbers", "nummer", "nr", "no", "num", "numero", "numer", "contact number", "contact no", "contact nr",
		"contact", "number to call", "dial number", "dial", "destination", "to", "callee", "lead number":
		return true
	}
	return false
}

// fullName, firstName and lastName rank folded headers: the smallest is best, 0 is none.
func fullName(folded string) int {
	return 1 + slices.Index([]string{
		"full name", "fullname", "display name", "contact name", "name", "customer name", "client name", "lead name", "person",
		"ansprechpartner", "kundenname", "vollstandiger name", "nom complet", "nom et prenom", "nom prenom", "nombre completo",
		"nome completo", "nominativo", "volledige naam", "naam", "navn", "namn", "nimi", "nazwa", "nom", "nombre", "nome",
		"kunde", "contact", "customer", "client", "имя", "姓名", "氏名", "名前", "이름",
	}, folded)
}

func firstName(folded string) int {
	return 1 + slices.Index([]string{
		"first name", "firstname", "given name", "givenname", "forename", "vorname", "prenom", "voornaam", "fornavn",
		"fornamn", "etunimi", "imie", "nombre", "nombres", "nome", "primeiro nome", "first",
	}, folded)
}

func lastName(folded string) int {
	return 1 + slices.Index([]string{
		"last name", "lastname", "surname", "family name", "familyname", "nachname", "familienname", "zuname", "nom de famille",
		"nom", "apellidos", "apellido", "cognome", "sobrenome", "apelido", "achternaam", "etternavn", "efternavn", "efternamn",
		"sukunimi", "nazwisko", "last", "name",
	}, folded)
}

func idRank(folded string) int {
	return 1 + slices.Index([]string{
		"id", "contact id", "lead id", "record id", "row id", "person id", "external id", "crm id", "uuid", "guid", "kontakt id",
		"customer id", "customer number", "customer no", "customer nr", "client id", "client number", "member id",
		"member number", "patient id", "user id", "kundennummer", "kundennr", "kunden nr", "kunden id", "kundenid",
		"numero client", "numero de client", "numero cliente", "numero de cliente", "codice cliente", "id cliente",
		"klantnummer", "kundnummer", "contactid", "leadid", "recordid", "customerid", "customernumber",
	}, folded)
}

func isTimezone(folded string) bool {
	switch folded {
	case "timezone", "time zone", "tz", "tzid", "iana timezone", "iana time zone", "tz id", "tz name", "timezone name", "time zone name", "local time zone",
		"zeitzone", "fuseau horaire", "fuseau", "zona horaria", "huso horario", "fuso orario", "fuso horario", "tijdzone",
		"tidszon", "tidssone", "tidszone", "strefa czasowa", "часовои пояс", "时区", "時区", "타임존", "시간대":
		return true
	}
	return false
}

// The columns that a rejects file has behind the list's own.
const (
	lineColumn   = "ringqueue_line"
	reasonColumn = "ringqueue_reason"
)

// generated is the name of a column that has none.
func generated(index int) string { return "column_" + strconv.Itoa(index+1) }

// columns says which cells of a row have which role; -1 is none.
type columns struct {
	phones   []int
	names    []int // joined by a space
	id, zone int
}

// detect finds the roles by the headers, and by the cells of the first rows where a header alone does not tell.
func detect(header []string, looks func(column int) bool) columns {
	c := columns{id: -1, zone: -1}
	folded := make([]string, len(header))
	for i, h := range header {
		folded[i] = fold(h)
		switch {
		case isPhone(folded[i]):
			c.phones = append(c.phones, i)
		case c.zone < 0 && isTimezone(folded[i]):
			c.zone = i
		}
	}
	if c.phones == nil {
		for i := range header {
			if maybePhone(folded[i]) && looks(i) {
				c.phones = append(c.phones, i)
			}
		}
	}
	taken := func(i int) bool { return i == c.zone || slices.Contains(c.phones, i) }
	best := func(rank func(string) int, not int) int {
		column, least := -1, 0
		for i := range header {
			if n := rank(folded[i]); n > 0 && i != not && !taken(i) && (least == 0 || n < least) {
				column, least = i, n
			}
		}
		return column
	}
	c.id = best(idRank, -1)
	c.names = names(folded, best)
	return c
}

// names picks the columns of the name: first and last name, unless there is a better one for the full name.
func names(folded []string, best func(func(string) int, int) int) []int {
	first := best(firstName, -1)
	full := best(fullName, -1)
	if first >= 0 {
		last := best(lastName, first)
		// "Name" beside "Vorname" is the last name; beside "First name" it is more likely the whole.
		if last >= 0 && (folded[last] != "name" || folded[first] == "vorname") {
			switch {
			case full < 0 || full == first || full == last || fullName(folded[full]) > fullName("name"):
				return []int{first, last}
			default:
				return []int{full}
			}
		}
	}
	for _, column := range []int{full, first, best(lastName, -1)} {
		if column >= 0 {
			return []int{column}
		}
	}
	return nil
}

// override replaces the columns of the roles that the user named.
func (c *columns) override(header []string, wanted map[string]string) error {
	for role := range wanted {
		switch Role(role) {
		case Phone, Name, ID, Timezone:
		default:
			return fmt.Errorf("unknown column role %q: it takes %s, %s, %s or %s", role, Phone, Name, ID, Timezone)
		}
	}
	found := make(map[Role][]int)
	for _, role := range []Role{Phone, Name, ID, Timezone} {
		named, ok := wanted[string(role)]
		if !ok {
			continue
		}
		if found[role] = find(header, named); found[role] == nil {
			return fmt.Errorf("there is no column %q for %s: the list has %s", named, role, quoteAll(header))
		}
		c.release(found[role][0]) // a column has the role that the user says, not what was guessed
	}
	if f := found[Phone]; f != nil {
		c.phones = f
	}
	if f := found[Name]; f != nil {
		c.names = f[:1]
	}
	if f := found[ID]; f != nil {
		c.id = f[0]
	}
	if f := found[Timezone]; f != nil {
		c.zone = f[0]
	}
	return nil
}

// release takes a column's detected role away.
func (c *columns) release(column int) {
	c.phones = slices.DeleteFunc(c.phones, func(i int) bool { return i == column })
	c.names = slices.DeleteFunc(c.names, func(i int) bool { return i == column })
	if c.id == column {
		c.id = -1
	}
	if c.zone == column {
		c.zone = -1
	}
}

// find returns the columns with the header: exactly, else whatever their case and accents.
func find(header []string, named string) []int {
	same := []func(string) bool{
		func(h string) bool { return h == named },
		func(h string) bool { return strings.EqualFold(h, strings.TrimSpace(named)) },
		func(h string) bool { f := fold(named); return f != "" && fold(h) == f },
	}
	for _, is := range same {
		var found []int
		for i, h := range header {
			if is(h) {
				found = append(found, i)
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// quoteAll lists headers for a message, not more than a line of them.
func quoteAll(header []string) string {
	const most = 20
	var b strings.Builder
	for i, h := range header {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == most {
			fmt.Fprintf(&b, "and %d more", len(header)-most)
			break
		}
		b.WriteString(strconv.Quote(short(h)))
	}
	return b.String()
}

// short bounds a header in a message.
func short(header string) string {
	const most = 40
	if runes := []rune(header); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return header
}
