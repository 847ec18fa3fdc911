package contactlist

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wlynxg/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// singleBytes are the encodings with one byte a letter, and the languages written in them: their letters beyond ASCII.
var singleBytes = []struct {
	name      string
	charmap   *charmap.Charmap
	languages string // into letters
}{
	{"Windows-1252", charmap.Windows1252, "de fr es pt it nl da sv is ca"},
	{"Windows-1250", charmap.Windows1250, "pl cs sk hu hr ro de"},
	{"Windows-1251", charmap.Windows1251, "ru uk bg"},
	{"Windows-1253", charmap.Windows1253, "el"},
	{"Windows-1254", charmap.Windows1254, "tr de fr"},
	{"Windows-1257", charmap.Windows1257, "lt lv et"},
	{"Macintosh", charmap.Macintosh, "de fr es pt it nl da sv is ca"},
	{"ISO-8859-2", charmap.ISO8859_2, "pl cs sk hu hr ro"},
	{"IBM850", charmap.CodePage850, "de fr es pt it nl da sv"},
	{"KOI8-R", charmap.KOI8R, "ru"},
}

// rare are encodings that today's programs do not write unless they are told to.
var rare = map[string]bool{"ISO-8859-2": true, "IBM850": true, "KOI8-R": true}

// vowels of the languages that are not written in Latin letters: of a text misread as one of them there are too many or too few.
var vowels = map[string]string{"ru": "аеёиоуыэюя", "uk": "аеєиіїоуюя", "bg": "аеиоуъюя", "el": "αάεέηήιίϊΐοόυύϋΰωώ"}

// letters beyond ASCII of each language, in lower case.
var letters = map[string]string{
	"de": "äöüß", "fr": "àâæçéèêëîïôœùûüÿ", "es": "áéíóúüñ", "pt": "áâãàçéêíóôõúü", "it": "àèéìíîòóùú", "nl": "éèëïóöüá",
	"da": "æøåéö", "sv": "åäöéü", "is": "áéíóúýþæöð", "ca": "àçéèíïóòúü",
	"pl": "ąćęłńóśźż", "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž", "hu": "áéíóöőúüű", "hr": "čćđšž", "ro": "ăâîșțşţ",
	"tr": "çğıiöşüâîû", "lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž", "et": "äöõüšž",
	"ru": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя", "bg": "абвгдежзийклмнопрстуфхцчшщъьюя",
	"el": "αάβγδεέζηήθιίϊΐκλμνξοόπρσςτυύϋΰφχψωώ",
}

// spoken are the languages of a region's names, which decide between two readings that are as good.
var spoken = map[string]string{
	"DE": "de", "AT": "de", "CH": "de fr it", "LI": "de", "LU": "fr de", "FR": "fr", "BE": "nl fr", "NL": "nl", "ES": "es ca", "PT": "pt",
	"BR": "pt", "IT": "it", "DK": "da", "NO": "da", "SE": "sv", "FI": "sv", "IS": "is", "PL": "pl", "CZ": "cs", "SK": "sk", "HU": "hu",
	"HR": "hr", "SI": "hr", "RS": "hr", "BA": "hr", "RO": "ro", "TR": "tr", "LT": "lt", "LV": "lv", "EE": "et", "RU": "ru", "UA": "uk",
	"BY": "ru", "KZ": "ru", "BG": "bg", "GR": "el", "CY": "el", "MX": "es", "AR": "es", "CL": "es", "CO": "es", "PE": "es", "VE": "es",
	"US": "es fr de", "": "es fr de", "CA": "fr", "GB": "fr de es", "IE": "fr", "AU": "fr de es", "NZ": "fr", "ZA": "de",
}

// guess is an encoding that was found out.
type guess struct {
	name   string
	single *charmap.Charmap // for bytes that are not UTF-8
	multi  encoding.Encoding
}

// reading is a sample in one of the encodings.
type reading struct {
	guess
	text     string
	score    float64 // of 1: how much of what is beyond ASCII is letters of one language, in their places
	language string
}

// guessEncoding finds the encoding of lines that are not UTF-8. What can be read in two ways is refused, with a line of it.
func guessEncoding(sample []byte, mixed bool, region string) (guess, error) {
	if g, ok := guessMultiByte(sample, region); ok {
		return g, nil
	}
	var best, second reading
	for _, s := range singleBytes {
		decoded, err := s.charmap.NewDecoder().Bytes(sample)
		if mixed || err != nil {
			decoded = utf8Bytes(sample, s.charmap)
		}
		r := reading{guess: guess{name: s.name, single: s.charmap}, text: string(decoded)}
		r.score, r.language = score(r.text, s.languages)
		if r.language == "" && s.charmap == charmap.Windows1252 {
			r.score += 0.25 // dashes and quotes only: the one that most programs write
		}
		if rare[s.name] {
			r.score -= 0.1
		}
		if r.language != "" && containsWord(spoken[region], r.language) {
			r.score += 0.01
		}
		switch {
		case r.score > best.score+1e-9:
			if best.text != r.text {
				second = best
			}
			best = r
		case r.text != best.text && r.score > second.score:
			second = r
		}
	}
	const enough, margin = 0.7, 0.03
	native := func(r reading) bool { return containsWord(spoken[region], r.language) }
	if best.score >= enough && second.score > best.score-margin && native(second) && !native(best) {
		best, second = second, best
	}
	if best.score < enough || second.score > best.score-margin && !native(best) {
		return guess{}, doubtful(best, second, sample)
	}
	return best.guess, nil
}

func doubtful(best, second reading, sample []byte) error {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	show := func(r reading) string {
		for one := range strings.Lines(r.text) {
			if utf8.Valid(line) || one != "" {
				return around(strings.TrimSpace(one))
			}
		}
		return ""
	}
	if best.text == "" {
		return errors.New("its encoding cannot be found out: save it as UTF-8, or name it with --encoding")
	}
	if second.text == "" {
		return fmt.Errorf("its encoding cannot be found out: %q looks wrong, read as %s; save it as UTF-8, or name it with --encoding", show(best), best.name)
	}
	return fmt.Errorf("its encoding cannot be found out: it may say %q (%s) or %q (%s); save it as UTF-8, or name it with --encoding",
		show(best), best.name, show(second), second.name)
}

// around is the first word of a line that has a letter beyond ASCII.
func around(line string) string {
	for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(" ,;\t|\"", r) }) {
		for i := range len(word) {
			if word[i] >= utf8.RuneSelf {
				return short(word)
			}
		}
	}
	return ""
}

// score says how much of a text beyond ASCII is letters of one of the languages, in their places.
func score(text, languages string) (best float64, language string) {
	total, wrong, signs := 0, 0, 0
	counts := map[rune]int{}
	prev := rune(0)
	runes := []rune(text)
	for i, r := range runes {
		next := rune(0)
		if i+1 < len(runes) {
			next = runes[i+1]
		}
		if r >= utf8.RuneSelf {
			switch judge(prev, r, next) {
			case 1:
				total++
				counts[unicode.ToLower(r)]++
			case 2:
				total++
				signs++
			case -1:
				total++
				wrong++
			}
		}
		prev = r
	}
	if total == 0 {
		return 0.5, ""
	}
	var all strings.Builder
	for l := range strings.FieldsSeq(languages) {
		all.WriteString(letters[l])
	}
	for l := range strings.FieldsSeq(languages) {
		sum := float64(signs)
		for r, n := range counts {
			switch {
			case strings.ContainsRune(letters[l], r):
				sum += float64(n)
			case strings.ContainsRune(all.String(), r):
				sum += 0.5 * float64(n)
			}
		}
		s := (sum - float64(wrong)) / float64(total)
		if l == "is" || l == "lt" || l == "lv" {
			s -= 0.1 // their letters are other languages' misread ones
		}
		if v := vowels[l]; v != "" {
			share := 0.0
			for r, n := range counts {
				if strings.ContainsRune(v, r) {
					share += float64(n) / float64(total)
				}
			}
			s -= 0.3 * math.Abs(share-0.43)
		}
		if s > best {
			best, language = s, l
		}
	}
	return best, language
}

// judge is 1 for a letter in its place, 2 for another sign in its place, -1 for what stands where it cannot, and 0 for what says
// nothing.
func judge(prev, r, next rune) int {
	letter := unicode.IsLetter(prev) || unicode.IsLetter(next)
	digit := unicode.IsDigit(prev) || unicode.IsDigit(next)
	switch {
	case r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.Co):
		return -1
	case unicode.IsLetter(r) && r != 'ª' && r != 'º':
		latin := unicode.Is(unicode.Latin, r)
		for _, other := range []rune{prev, next} {
			if unicode.IsLetter(other) && unicode.Is(unicode.Latin, other) != latin {
				return -1
			}
		}
		switch {
		case digit && !letter, latin && !letter && !strings.ContainsRune("àáéèêóòöøåæíúÀÁÉÈÓÖØÅÆÍÚ", r):
			return -1
		case !letter:
			return 0
		case unicode.IsUpper(r) && (unicode.IsLower(prev) || unicode.IsLetter(prev) && unicode.IsLower(next)):
			return -1
		case unicode.IsLower(r) && unicode.IsUpper(next):
			return -1
		}
		return 1
	case strings.ContainsRune("’‘´", r):
		if unicode.IsLetter(prev) && unicode.IsLetter(next) {
			return 2
		}
		return 0
	case strings.ContainsRune("–—", r):
		if unicode.IsLower(prev) && unicode.IsLower(next) {
			return -1
		}
		return 0
	case strings.ContainsRune("-·«»„“”…\u00a0", r):
		return 0
	case strings.ContainsRune("£€¥¢", r) && digit && !letter:
		return 2
	case strings.ContainsRune("°ºª®™©", r):
		if unicode.IsLetter(next) {
			return -1
		}
		return 0
	}
	if letter {
		return -1
	}
	return 0
}

// multiBytes are the encodings with two bytes a letter, and the regions that use them.
var multiBytes = []struct {
	name, detected, regions string
	encoding                encoding.Encoding
}{
	{"Shift-JIS", "shift_jis cp932", "JP", japanese.ShiftJIS},
	{"EUC-JP", "euc-jp", "JP", japanese.EUCJP},
	{"GBK", "gb2312 gbk gb18030", "CN SG", simplifiedchinese.GB18030},
	{"Big5", "big5", "TW HK MO", traditionalchinese.Big5},
	{"EUC-KR", "euc-kr cp949", "KR", korean.EUCKR},
}

// guessMultiByte finds East Asian encodings: those that the region uses, or that the detector is sure of, if all of the text can be
// read in it.
func guessMultiByte(sample []byte, region string) (guess, bool) {
	high, paired := 0, 0
	for i, b := range sample {
		if b >= utf8.RuneSelf {
			high++
			if i+1 < len(sample) && sample[i+1] >= utf8.RuneSelf || i > 0 && sample[i-1] >= utf8.RuneSelf {
				paired++
			}
		}
	}
	if high == 0 {
		return guess{}, false
	}
	found := chardet.Detect(sample)
	detected := strings.ToLower(found.Encoding)
	for pass := range 2 {
		for _, m := range multiBytes {
			home := strings.Contains(m.regions, region) && region != ""
			sure := found.Confidence >= 0.9 && containsWord(m.detected, detected) && paired*10 >= high*6
			if pass == 0 && !sure || pass == 1 && !home {
				continue
			}
			text, err := m.encoding.NewDecoder().Bytes(sample)
			if err != nil || bytes.ContainsRune(text, utf8.RuneError) || !eastAsian(string(text), m.name) {
				continue
			}
			return guess{name: m.name, multi: m.encoding}, true
		}
	}
	return guess{}, false
}

func containsWord(list, word string) bool {
	for one := range strings.FieldsSeq(list) {
		if one == word {
			return true
		}
	}
	return false
}

// eastAsian reports whether what is beyond ASCII is letters of the encoding's language, without odd ones.
func eastAsian(text, name string) bool {
	good, odd := 0, 0
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf:
		case r >= 0xff61 && r <= 0xff9f: // half-width kana: what other encodings look like
			odd++
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana):
			good++
		case unicode.Is(unicode.Hangul, r) && name == "EUC-KR":
			good++
		case unicode.IsPunct(r) || unicode.IsSymbol(r) || unicode.IsSpace(r) || r >= 0xff00 && r <= 0xffef || r == 'ー':
		default:
			odd++
		}
	}
	return good > 0 && odd*10 <= good
}
