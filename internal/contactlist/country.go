package contactlist

import (
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// countryNames has the names of countries in the languages of the lists, and in each country's own, folded.
var countryNames = sync.OnceValue(func() map[string]string {
	names := map[string]string{}
	clash := map[string]bool{}
	add := func(name, code string) {
		folded := fold(name)
		if folded == "" || clash[folded] {
			return
		}
		if other, there := names[folded]; there && other != code {
			clash[folded] = true
			delete(names, folded)
			return
		}
		names[folded] = code
	}
	supported := phonenumbers.GetSupportedRegions()
	for _, tag := range []language.Tag{
		language.English, language.German, language.French, language.Spanish, language.Italian, language.Portuguese, language.Dutch,
		language.Polish, language.Swedish, language.Danish, language.Norwegian, language.Finnish, language.Czech, language.Slovak,
		language.Turkish, language.Hungarian, language.Romanian, language.Croatian, language.Greek, language.Russian, language.Ukrainian,
		language.Bulgarian, language.Japanese, language.SimplifiedChinese, language.TraditionalChinese, language.Korean, language.Arabic,
		language.Hebrew, language.Vietnamese, language.Indonesian, language.Thai,
	} {
		namer := display.Regions(tag)
		if namer == nil {
			continue
		}
		for code := range supported {
			if r, err := language.ParseRegion(code); err == nil {
				add(namer.Name(r), code)
			}
		}
	}
	for code := range supported {
		own, err := language.Parse("und-" + code)
		if err != nil {
			continue
		}
		base, _ := own.Base()
		r, err := language.ParseRegion(code)
		if err != nil {
			continue
		}
		if tag, err := language.Compose(base); err == nil {
			if namer := display.Regions(tag); namer != nil {
				add(namer.Name(r), code)
			}
		}
	}
	text, err := wordFiles.ReadFile("words/countries.txt")
	if err != nil {
		panic(err) // a mistake in this program
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		code, rest, ok := strings.Cut(strings.TrimSpace(line), ",")
		if !ok {
			continue
		}
		for name := range strings.SplitSeq(rest, ",") {
			if name = fold(name); name != "" {
				names[name] = code // what is written here by hand goes before
			}
		}
	}
	return names
})

// countries turns the cells of country columns into regions. It remembers what it was asked, up to a bound.
type countries struct {
	known map[string]string
}

// notACountry is a cell that names none.
const notACountry = "?"

// code is the ISO code for a cell: a dialling code, an ISO code of two or three letters, or a name. A dialling code that several
// countries share gives the largest. It is "" for an empty cell and notACountry for one that is not known.
func (c *countries) code(cell string) string {
	if code, ok := c.known[cell]; ok {
		return code
	}
	code := countryCode(cell)
	if c.known == nil {
		c.known = map[string]string{}
	}
	if len(c.known) < 4096 && len(cell) < 100 {
		c.known[strings.Clone(cell)] = code
	}
	return code
}

func countryCode(cell string) string {
	s := strings.TrimSpace(tidy(cell))
	if s == "" || s == "-" || s == "0" {
		return ""
	}
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
	if digits != "" {
		digits = strings.TrimLeft(digits, "0")
		// "44", "+44", "0044", "(+44)", "GB +44": signs and a name beside it are no harm if the name is the same country's.
		code, err := strconv.Atoi(digits)
		if err != nil || len(digits) > 4 {
			return notACountry
		}
		region := phonenumbers.GetRegionCodeForCountryCode(code)
		if len(digits) == 4 && digits[0] == '1' { // +1 809
			var number phonenumbers.PhoneNumber
			if phonenumbers.ParseToNumber("+"+digits+"2345678", "US", &number) == nil {
				region = phonenumbers.GetRegionCodeForNumber(&number)
			}
		}
		if region == "" || region == "ZZ" || region == "001" {
			return notACountry
		}
		if name := fold(s); name != "" {
			if named := countryByName(s, name); named == notACountry || phonenumbers.GetCountryCodeForRegion(named) != code {
				return notACountry
			}
		}
		return region
	}
	return countryByName(s, fold(s))
}

func countryByName(s, folded string) string {
	letters := strings.ToUpper(strings.ReplaceAll(folded, " ", ""))
	supported := phonenumbers.GetSupportedRegions()
	if code, ok := countryNames()[folded]; ok {
		return code
	}
	if len(letters) == 2 && supported[letters] {
		return letters
	}
	if len(letters) == 3 {
		if r, err := language.ParseRegion(letters); err == nil && supported[r.String()] {
			return r.String()
		}
	}
	// "Germany (DE)", "Deutschland / Germany", "DE - Germany": every part must say the same.
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("()/-–,;[]|", r) })
	if len(parts) < 2 {
		return notACountry
	}
	found := ""
	for _, part := range parts {
		name := fold(part)
		if name == "" {
			continue
		}
		code, ok := countryNames()[name]
		if !ok {
			if code = strings.ToUpper(name); len(code) != 2 || !supported[code] {
				return notACountry
			}
		}
		if found != "" && found != code {
			return notACountry
		}
		found = code
	}
	if found == "" {
		return notACountry
	}
	return found
}
