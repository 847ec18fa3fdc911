package contactlist

import (
	"embed"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The vocabularies. Each line of a file is a language and its phrases, or only phrases; # begins a comment.
//
//go:embed words/*.txt
var wordFiles embed.FS

// class is what a word in a header, a label or a phone's cell says.
type class uint16

const (
	isPhone     class = 1 << iota // a phone
	isKind                        // home, work, 2: the phone stays the person's own
	isFax                         // no phone that is talked on
	isOther                       // somebody else's
	isDead                        // out of use
	isStop                        // not to be called
	isGone                        // the person is dead
	isExtension                   // an extension
	isLabel                       // what kind of phone
	isUnknown
)

// lexicon is the words of one or several files.
type lexicon struct {
	phrases map[string]class
	longest int // words of the longest phrase
	parts   int // bytes of the longest single word
}

// vocabulary is everything that headers and cells are compared with.
type vocabulary struct {
	header lexicon // for headers and labels
	cell   lexicon // for words in a phone's cell
	lists  map[string][]string
	sets   map[string]map[string]bool // of folded phrases
	yes    map[string]bool            // of values in lower case
	no     map[string]bool
}

var words = sync.OnceValue(func() *vocabulary {
	v := &vocabulary{lists: map[string][]string{}, sets: map[string]map[string]bool{}}
	for _, file := range []string{
		"fullname", "firstname", "lastname", "id", "timezone", "country", "dialcode", "areacode", "status", "total",
		"priority", "line", "notbefore", "notafter", "number", "stop", "mail", "call", "consent", "gone", "label", "or", "self", "wrong", "valid", "permit",
	} {
		v.lists[file] = phrases(file, fold)
		set := make(map[string]bool, len(v.lists[file]))
		for _, phrase := range v.lists[file] {
			set[phrase] = true
		}
		v.sets[file] = set
	}
	value := func(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
	v.yes, v.no = map[string]bool{}, map[string]bool{}
	for _, s := range phrases("yes", value) {
		v.yes[s] = true
	}
	for _, s := range phrases("no", value) {
		v.no[s] = true
	}
	// Where a word is in several files the last one counts: in doubt no phone rings.
	order := []struct {
		file string
		class
	}{
		{"kind", isKind},
		{"phone", isPhone},
		{"label", isLabel},
		{"extension", isExtension},
		{"other", isOther},
		{"fax", isFax},
		{"dead", isDead},
		{"gone", isGone},
		{"stop", isStop},
	}
	for _, o := range order {
		v.header.add(phrases(o.file, fold), o.class)
		if o.file != "label" {
			v.cell.add(phrases(o.file, fold), o.class)
		}
	}
	v.cell.add(phrases("cell", fold), isKind)
	return v
})

func phrases(file string, fold func(string) string) []string {
	text, err := wordFiles.ReadFile("words/" + file + ".txt")
	if err != nil {
		panic(err) // a mistake in this program
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if i := strings.IndexByte(line, ':'); i == 2 {
			line = line[i+1:]
		}
		for phrase := range strings.SplitSeq(line, ",") {
			if phrase = fold(phrase); phrase != "" {
				all = append(all, phrase)
			}
		}
	}
	return all
}

func (l *lexicon) add(phrases []string, c class) {
	if l.phrases == nil {
		l.phrases = map[string]class{}
	}
	for _, phrase := range phrases {
		l.phrases[phrase] = c
		l.longest = max(l.longest, 1+strings.Count(phrase, " "))
		if !strings.Contains(phrase, " ") {
			l.parts = max(l.parts, len(phrase))
		}
	}
}

// classes is what all the words of a folded text say together. isUnknown is among them if one says nothing.
func (l *lexicon) classes(folded string) class {
	tokens := strings.Fields(folded)
	var all class
	for i := 0; i < len(tokens); {
		n := min(l.longest, len(tokens)-i)
		for ; n > 0; n-- {
			if c, ok := l.phrases[strings.Join(tokens[i:i+n], " ")]; ok {
				all |= c
				break
			}
		}
		if n == 0 {
			all |= l.compound(tokens[i])
			n = 1
		}
		i += n
	}
	return all
}

// compound takes one word apart: Handynummer, arbetstelefon, 携帯電話番号. Every part must be known.
func (l *lexicon) compound(word string) class {
	const shortestPart = 3 // letters, of a language that writes words apart
	best := make([]class, len(word)+1)
	reached := make([]bool, len(word)+1)
	reached[0] = true
	for at := range word {
		if !reached[at] {
			continue
		}
		for end := at; end < len(word) && end-at < l.parts; {
			_, size := utf8.DecodeRuneInString(word[end:])
			end += size
			part := word[at:end]
			c, ok := l.phrases[part]
			first, _ := utf8.DecodeRuneInString(part)
			if !ok || !ideographic(first) && utf8.RuneCountInString(part) < shortestPart && part != "nr" && part != "no" {
				continue
			}
			if !reached[end] || best[at]|c > best[end] {
				best[end] = best[at] | c
			}
			reached[end] = true
			// Arbeit-s-telefon, Assistent-en-telefon.
			for _, link := range [...]string{"s", "en", "n", "e"} {
				if !ideographic(first) && strings.HasPrefix(word[end:], link) && end+len(link) < len(word) && !reached[end+len(link)] {
					reached[end+len(link)], best[end+len(link)] = true, best[end]
				}
			}
		}
	}
	if !reached[len(word)] {
		return isUnknown
	}
	return best[len(word)]
}

func ideographic(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}

// own reports whether words say that a phone is the person's own.
func own(c class) bool { return c&^(isPhone|isKind) == 0 }

// fold reduces a text to lower-case words without accents, digits and punctuation: "Téléphone (privé) 2" and
// "telephonePrive" are both "telephone prive".
func fold(text string) string {
	var spaced strings.Builder
	last := ' '
	for _, r := range norm.NFKC.String(text) {
		switch {
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
	var plain strings.Builder
	for _, r := range norm.NFD.String(spaced.String()) {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		switch r = unicode.ToLower(r); r {
		case 'ß':
			plain.WriteString("ss")
		case 'ø':
			plain.WriteByte('o')
		case 'ł':
			plain.WriteByte('l')
		case 'đ', 'ð':
			plain.WriteByte('d')
		case 'ı':
			plain.WriteByte('i')
		case 'æ':
			plain.WriteString("ae")
		case 'œ':
			plain.WriteString("oe")
		default:
			plain.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(norm.NFC.String(plain.String())), " ")
}

// rank is where a folded header stands in a vocabulary whose first phrase is the best, from 1; 0 is nowhere.
func rank(file, folded string) int { return 1 + slices.Index(words().lists[file], folded) }

func among(file, folded string) bool { return words().sets[file][folded] }
