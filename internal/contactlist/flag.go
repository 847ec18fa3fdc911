package contactlist

import (
	"strings"
	"time"
)

// verdict is what a cell of a flag column says.
type verdict int

const (
	unclear verdict = iota
	allowed
	refused
)

// flagOf reads the header of a column that says who is not to be called. A wish about e-mail, letters or fax alone is none.
func flagOf(folded string, column int) (flagColumn, bool) {
	calls, other := false, false
	padded := " " + folded + " "
	for token := range strings.FieldsSeq(folded) {
		calls = calls || among("call", token)
		other = other || among("mail", token)
	}
	if other && !calls {
		return flagColumn{}, false
	}
	date := false
	for _, word := range []string{" date ", " datum ", " at ", " on ", " since ", " time ", " timestamp ", " seit ", " am ", " le ", " depuis ", " fecha ", " desde ", " data ", " dato ", " datum ", " дата "} {
		date = date || strings.Contains(padded, word)
	}
	return flagColumn{index: column, date: date, gone: headerIsDeath(folded)}, true
}

// headerIsDeath reports whether a header is of a column that says who is dead, or since when.
func headerIsDeath(folded string) bool { return words().header.classes(folded)&isGone != 0 }

// says reads a cell of the column.
func (f flagColumn) says(cell string) verdict {
	value := strings.ToLower(strings.TrimSpace(cell))
	if value == "" {
		return allowed
	}
	yes, no := words().yes[value], words().no[value]
	switch {
	case yes && !no:
		if f.consent || f.wrong {
			return allowed
		}
		return refused
	case no && !yes:
		if (f.consent || f.wrong) && (value != "-" && value != "–" && value != "—" && value != "null") {
			return refused
		}
		return allowed
	}
	folded := fold(value)
	if f.wrong {
		if words().cell.classes(folded)&isDead != 0 {
			return refused
		}
		return allowed
	}
	if folded != "" && saysNo(folded) {
		return refused
	}
	if f.consent {
		return allowed // the date or the source of a consent; only a plain no is none
	}
	if (f.date || f.gone) && isDate(value) {
		return refused
	}
	return unclear
}

func isDate(value string) bool {
	value, _, _ = strings.Cut(strings.ReplaceAll(value, "t", " "), " ")
	for _, layout := range []string{"2006-01-02", "02.01.2006", "2.1.2006", "01/02/2006", "02/01/2006", "1/2/2006", "2/1/2006", "2006/01/02", "02-01-2006", "01-02-2006", "02.01.06", "20060102"} {
		if _, err := time.Parse(layout, value); err == nil {
			return true
		}
	}
	return false
}

// saysNo reports whether a folded text is one of the phrases for "do not call", with nothing else that is not one of them.
func saysNo(folded string) bool {
	c := words().cell.classes(folded)
	return c&isStop != 0 && c&^(isStop|isKind|isPhone) == 0
}

// saysDead reports whether a folded text says that the person is dead.
func saysDead(folded string) bool {
	c := words().cell.classes(folded)
	return c&isGone != 0 && c&^(isGone|isKind) == 0
}

// longestRemark is how much of a remark is looked at.
const longestRemark = 2000

// remark reads a status, a tag or a note: whether one of its parts is a wish not to be called (flawStop), or says that the person is
// dead (flawGone) or that the number is wrong (flawDead). ofPhone says that the column speaks of the phone. It returns the part.
func remark(cell string, ofPhone bool) (part string, why flaw) {
	if len(cell) < 2 {
		return "", flawNone
	}
	if len(cell) > longestRemark {
		cell = cell[:longestRemark]
	}
	for one := range strings.FieldsFuncSeq(cell, func(r rune) bool { return strings.ContainsRune(",;|:/.!\n\r()[]*–—", r) }) {
		folded := fold(one)
		switch {
		case folded == "":
		case among("wrong", folded), ofPhone && words().cell.classes(folded)&isDead != 0:
			return strings.TrimSpace(one), flawDead
		case among("stop", folded) && !vague(folded), !aboutMail(folded) && saysNo(folded) && !vague(folded):
			return strings.TrimSpace(one), flawStop
		case !aboutMail(folded) && saysDead(folded) && folded != "late" && folded != "morto" && folded != "rip":
			return strings.TrimSpace(one), flawGone
		}
	}
	return "", flawNone
}

// vague lists words that, in a remark, may be about something else than calls.
func vague(folded string) bool {
	switch folded {
	case "stop", "block", "suppress", "revoked", "objection", "objected", "widerspruch", "sperre", "abbestellt", "opposition", "oposicion",
		"opposizione", "sprzeciw", "rezygnacja", "bezwaar", "baja", "拒否", "停止", "配信停止", "unsubscribe", "unsubscribed", "widerruf", "rezervert":
		return true
	}
	return false
}

func aboutMail(folded string) bool {
	mail, call := false, false
	for token := range strings.FieldsSeq(folded) {
		mail = mail || among("mail", token)
		call = call || among("call", token)
	}
	return mail && !call
}
