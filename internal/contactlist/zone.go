package contactlist

import (
	"strings"
	"time"
)

// zones turns the cells of a time zone column into IANA names. It remembers what it was asked, up to a bound: a list has few zones.
type zones struct {
	american bool // EST and CST are those of North America
	british  bool // GMT is what London has in winter
	known    map[string]string
}

const maxKnownZones = 1024

func newZones(region string) *zones {
	return &zones{american: region == "US" || region == "CA", british: region == "GB", known: make(map[string]string)}
}

// name returns the IANA name for a cell, or "" if it means none.
func (z *zones) name(cell string) string {
	if name, ok := z.known[cell]; ok {
		return name
	}
	name := z.resolve(cell)
	if len(z.known) < maxKnownZones && len(cell) < 100 {
		z.known[strings.Clone(cell)] = name // a cell is part of its row, which must not be kept
	}
	return name
}

func (z *zones) resolve(cell string) string {
	name := strings.TrimSpace(cell)
	if strings.HasPrefix(name, "(") { // Windows shows "(UTC-05:00) Eastern Time (US & Canada)"
		if _, behind, ok := strings.Cut(name, ")"); ok {
			name = strings.TrimSpace(behind)
		}
	}
	common := strings.ToLower(strings.Join(strings.Fields(name), " "))
	if z.american {
		// The tz database has EST and MST, without daylight saving; that is not what a list means by them.
		switch common {
		case "et", "est", "edt", "eastern":
			return "America/New_York"
		case "ct", "cst", "cdt", "central":
			return "America/Chicago"
		case "mt", "mdt", "mountain":
			return "America/Denver"
		case "pt", "pst", "pdt", "pacific":
			return "America/Los_Angeles"
		}
	}
	if z.british && (common == "gmt" || common == "bst") {
		return "Europe/London"
	}
	if iana := alias(common); iana != "" {
		return iana
	}
	for _, try := range []string{name, titled(common)} {
		if unusable(try) {
			continue
		}
		if _, err := time.LoadLocation(try); err == nil {
			return try
		}
	}
	return ""
}

// unusable lists names that load, or may load on some machines, but say nothing about where a contact is.
func unusable(name string) bool {
	switch name {
	case "", "Local", "Factory", "posixrules", "localtime", "EST", "MST", "HST":
		return true
	}
	return strings.HasPrefix(name, "posix/") || strings.HasPrefix(name, "right/")
}

// titled writes a lower-case IANA name as the tz database does, so that America/new_york is found.
func titled(name string) string {
	b := []byte(strings.ReplaceAll(name, " ", "_"))
	up := true
	for i, c := range b {
		if up && c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
		up = c == '/' || c == '_' || c == '-'
	}
	return string(b)
}

// alias has names of Windows, of its display and of everyday use, in lower case.
// https://github.com/unicode-org/cldr/blob/main/common/supplemental/windowsZones.xml
func alias(common string) string {
	switch common {
	case "eastern time", "eastern standard time", "eastern daylight time", "eastern time (us & canada)", "us eastern", "est5edt", "us/eastern":
		return "America/New_York"
	case "central time", "central standard time", "central daylight time", "central time (us & canada)", "us central", "cst6cdt", "us/central":
		return "America/Chicago"
	case "mountain time", "mountain standard time", "mountain daylight time", "mountain time (us & canada)", "us mountain", "mst7mdt", "us/mountain":
		return "America/Denver"
	case "us mountain standard time", "arizona":
		return "America/Phoenix"
	case "pacific time", "pacific standard time", "pacific daylight time", "pacific time (us & canada)", "us pacific", "pst8pdt", "us/pacific":
		return "America/Los_Angeles"
	case "alaskan standard time", "alaska time", "alaska standard time", "alaska":
		return "America/Anchorage"
	case "hawaiian standard time", "hawaii time", "hawaii standard time", "hawaii", "hst":
		return "Pacific/Honolulu"
	case "atlantic time", "atlantic standard time", "atlantic time (canada)":
		return "America/Halifax"
	case "newfoundland standard time", "newfoundland time", "newfoundland":
		return "America/St_Johns"
	case "gmt standard time", "greenwich mean time", "british summer time", "british time", "uk time", "dublin, edinburgh, lisbon, london":
		return "Europe/London"
	case "w. europe standard time", "central european time", "central european standard time", "central european summer time",
		"mez", "mesz", "mitteleuropäische zeit", "cet", "cest", "amsterdam, berlin, bern, rome, stockholm, vienna":
		return "Europe/Berlin"
	case "romance standard time", "brussels, copenhagen, madrid, paris":
		return "Europe/Paris"
	case "central europe standard time":
		return "Europe/Budapest"
	case "e. europe standard time":
		return "Europe/Chisinau"
	case "gtb standard time":
		return "Europe/Bucharest"
	case "fle standard time", "eastern european time":
		return "Europe/Kyiv"
	case "turkey standard time":
		return "Europe/Istanbul"
	case "russian standard time", "moscow time":
		return "Europe/Moscow"
	case "south africa standard time":
		return "Africa/Johannesburg"
	case "egypt standard time":
		return "Africa/Cairo"
	case "israel standard time":
		return "Asia/Jerusalem"
	case "arabian standard time", "gulf standard time":
		return "Asia/Dubai"
	case "arab standard time":
		return "Asia/Riyadh"
	case "india standard time", "chennai, kolkata, mumbai, new delhi":
		return "Asia/Kolkata"
	case "pakistan standard time":
		return "Asia/Karachi"
	case "se asia standard time":
		return "Asia/Bangkok"
	case "singapore standard time", "singapore time":
		return "Asia/Singapore"
	case "china standard time":
		return "Asia/Shanghai"
	case "taipei standard time":
		return "Asia/Taipei"
	case "tokyo standard time", "japan standard time", "jst", "osaka, sapporo, tokyo":
		return "Asia/Tokyo"
	case "korea standard time", "kst":
		return "Asia/Seoul"
	case "w. australia standard time", "awst":
		return "Australia/Perth"
	case "cen. australia standard time":
		return "Australia/Adelaide"
	case "aus central standard time":
		return "Australia/Darwin"
	case "e. australia standard time":
		return "Australia/Brisbane"
	case "aus eastern standard time", "canberra, melbourne, sydney":
		return "Australia/Sydney"
	case "new zealand standard time", "nzst", "nzdt":
		return "Pacific/Auckland"
	case "e. south america standard time", "brasilia", "brasilia time", "brt":
		return "America/Sao_Paulo"
	case "argentina standard time":
		return "America/Argentina/Buenos_Aires"
	case "pacific sa standard time":
		return "America/Santiago"
	case "sa pacific standard time":
		return "America/Bogota"
	case "central standard time (mexico)":
		return "America/Mexico_City"
	case "utc", "coordinated universal time", "etc/utc":
		return "UTC"
	}
	return ""
}
