package contactlist

import (
	"embed"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// The names of time zones: of the tz database and CLDR's aliases, of Windows by territory, of CLDR's metazones in the languages of
// the lists, and those that depend on the country.
//
//go:embed zones/*.tsv
var zoneFiles embed.FS

// zoneNames is what the files say. All names are in lower case.
type zoneNames struct {
	iana      map[string]string            // → as the tz database writes it
	windows   map[string]map[string]string // name → territory, 001 for the world → zone
	meta      map[string][]string          // name → metazones
	metazones map[string]map[string]string // metazone → territory → zone
	local     map[string]map[string]string // name → country, * for any → zones
}

var zoneTables = sync.OnceValue(func() *zoneNames {
	t := &zoneNames{
		iana: map[string]string{}, windows: map[string]map[string]string{}, meta: map[string][]string{},
		metazones: map[string]map[string]string{}, local: map[string]map[string]string{},
	}
	put := func(m map[string]map[string]string, a, b, zone string) {
		if m[a] == nil {
			m[a] = map[string]string{}
		}
		m[a][b] = zone
	}
	zoneLines("iana", func(f []string) { t.iana[strings.ToLower(f[0])] = f[len(f)-1] })
	zoneLines("windows", func(f []string) {
		zone, _, _ := strings.Cut(f[2], " ")
		put(t.windows, strings.ToLower(f[0]), f[1], zone)
	})
	zoneLines("metazones", func(f []string) { put(t.metazones, f[0], f[1], f[2]) })
	zoneLines("names", func(f []string) {
		for _, name := range f[1:] {
			t.meta[name] = append(t.meta[name], f[0])
		}
	})
	zoneLines("local", func(f []string) {
		for name := range strings.SplitSeq(f[1], "|") {
			for country := range strings.FieldsSeq(f[0]) {
				put(t.local, name, country, strings.ReplaceAll(f[2], " ", ","))
			}
		}
	})
	return t
})

func zoneLines(file string, use func(fields []string)) {
	text, err := zoneFiles.ReadFile("zones/" + file + ".tsv")
	if err != nil {
		panic(err) // a mistake in this program
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" && line[0] != '#' {
			use(strings.Split(line, "\t"))
		}
	}
}

// zones turns the cells of a time zone column into IANA names. It remembers what it was asked, up to a bound: a list has few zones.
type zones struct {
	known map[[2]string]string
}

const maxKnownZones = 1024

func newZones() *zones { return &zones{known: make(map[[2]string]string)} }

// name returns the IANA name for a cell, several with commas between where the name means several in the country (ISO code of the
// number), or "" if it means none, or not one for sure.
func (z *zones) name(cell, country string) string {
	key := [2]string{cell, country}
	if name, ok := z.known[key]; ok {
		return name
	}
	name := resolveZone(cell, country)
	if name == "Etc/UTC" {
		name = "UTC"
	}
	if len(z.known) < maxKnownZones && len(cell) < 100 {
		// A cell is part of its row, which must not be kept.
		z.known[[2]string{strings.Clone(cell), strings.Clone(country)}] = name
	}
	return name
}

// of is the name for a cell beside a number in E.164. Most are IANA names, for which the number's country does not matter.
func (z *zones) of(text, number string) string {
	if strings.Contains(text, "/") {
		if zone := z.name(text, ""); zone != "" {
			return zone
		}
	}
	country := ""
	var parsed phonenumbers.PhoneNumber
	if phonenumbers.ParseToNumber(number, "", &parsed) == nil {
		country = phonenumbers.GetRegionCodeForNumber(&parsed)
	}
	return z.name(text, country)
}

// zoneInside is an IANA name in the brackets of a product's own: "(GMT-05:00) Eastern Standard Time (America/New_York)".
var zoneInside = regexp.MustCompile(`[(\[]([A-Za-z_]+/[A-Za-z_/+-]+)[)\]]`)

func resolveZone(cell, country string) string {
	name := strings.Join(strings.Fields(cell), " ")
	if found := zoneInside.FindStringSubmatch(name); found != nil {
		if zone := ianaZone(found[1]); zone != "" {
			return zone
		}
	}
	if strings.HasPrefix(name, "(") || strings.HasPrefix(name, "[") { // Windows shows "(UTC-05:00) Eastern Time (US & Canada)"
		if _, behind, ok := strings.Cut(name, ")"); ok {
			name = strings.TrimSpace(behind)
		} else if _, behind, ok := strings.Cut(name, "]"); ok {
			name = strings.TrimSpace(behind)
		}
	}
	common := strings.ToLower(name)
	if strings.Contains(common, "_slash_") || strings.Contains(common, "_hyphen_") { // HubSpot
		common = strings.NewReplacer("_slash_", "/", "_hyphen_", "-", "_plus_", "+", "_minus_", "-").Replace(common)
	}
	t := zoneTables()
	if zone := t.local[common][country]; zone != "" {
		return zone
	}
	if zone := t.named(common, country); zone != "" {
		return zone
	}
	if zone := t.local[common]["*"]; zone != "" {
		return zone
	}
	return ianaZone(common)
}

// named finds a name of Windows or of CLDR: the country's own zone of that name, else the only one that it means elsewhere.
func (t *zoneNames) named(common, country string) string {
	windows := t.windows[common]
	if zone := windows[country]; zone != "" {
		return zone
	}
	for _, meta := range t.meta[common] {
		if zone := t.metazones[meta][country]; zone != "" {
			return zone
		}
	}
	world := windows["001"]
	for _, meta := range t.meta[common] {
		zone := t.metazones[meta]["001"]
		if world != "" && zone != world {
			if len(t.meta[common]) > 1 || windows == nil || !sameClock(zone, world) {
				return ""
			}
			continue
		}
		world = zone
	}
	return world
}

// sameClock reports whether two zones show the same time this year and next.
func sameClock(a, b string) bool {
	x, errX := time.LoadLocation(a)
	y, errY := time.LoadLocation(b)
	if errX != nil || errY != nil {
		return false
	}
	for month := range 24 {
		at := time.Date(2026, time.January, 15, 12, 0, 0, 0, time.UTC).AddDate(0, month, 0)
		_, one := at.In(x).Zone()
		_, two := at.In(y).Zone()
		if one != two {
			return false
		}
	}
	return true
}

// ianaZone is a name of the tz database in any case, with blanks for underscores, or one of CLDR's aliases.
func ianaZone(name string) string {
	t := zoneTables()
	name = strings.ToLower(strings.TrimSpace(name))
	if zone := t.iana[strings.ReplaceAll(name, " ", "_")]; zone != "" {
		return zone
	}
	return ""
}
