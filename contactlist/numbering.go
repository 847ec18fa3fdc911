package contactlist

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// numbering answers which numbers are valid, from the metadata of package phonenumbers and with its answers.
// phonenumbers needs 10 µs to parse and check one number, most of it for expressions that are looked up and matched
// again and again; a list has a million. So the check runs on automata made of the same expressions, and numbers in clean
// international form, which phonenumbers.Parse would take as they are, are not parsed at all. What is not decided
// that way goes to phonenumbers. The tests compare both for every region. Not safe for concurrent use.
type numbering struct {
	region string
	home   home
	nanp   bool             // region writes its own numbers as [1]NXXNXXXXXX
	plans  [1000]*plan      // by country calling code; nil: not looked at yet
	byID   map[string]*meta // region → metadata
	global map[int]*meta    // country calling code of no country → metadata
	number phonenumbers.PhoneNumber
}

type meta = phonenumbers.PhoneMetadata

// home is how the region's own numbers are written without country code.
type home struct {
	code  string // its country calling code
	plain bool   // trunk is plain digits, or there is none
	trunk string
	idd   *matcher // what stands before foreign numbers; nil: nothing
}

// plan has what is dialled behind one country calling code.
type plan struct {
	regions []region // in the order in which phonenumbers tries them; empty: there is no such code
	trunk   *matcher // what Parse would strip from the front, such as a national prefix; nil: nothing
}

// region has the valid numbers of one region.
type region struct {
	leading *matcher // nil: the region is found by its valid numbers
	general kind
	kinds   []kind
}

// kind is one kind of number: fixed line, mobile, toll free, and so on.
type kind struct {
	lengths uint32 // bit n: n digits are possible; 0: not restricted
	matcher matcher
}

// matcher is an automaton, or a plain expression where it cannot be one.
type matcher struct {
	fast   *automaton
	whole  *regexp.Regexp
	prefix *regexp.Regexp
}

// newNumbering reads numbers without + as numbers of the region, an upper-case ISO 3166 code that phonenumbers knows.
func newNumbering(region string) (*numbering, error) {
	collection, err := phonenumbers.MetadataCollection()
	if err != nil {
		return nil, fmt.Errorf("load the numbering plans: %w", err)
	}
	n := &numbering{
		region: region,
		nanp:   region == "US" || region == "CA",
		byID:   make(map[string]*meta),
		global: make(map[int]*meta),
	}
	for _, m := range collection.GetMetadata() {
		if m.GetId() == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY {
			n.global[int(m.GetCountryCode())] = m
		} else {
			n.byID[m.GetId()] = m
		}
	}
	own := n.byID[region]
	trunk := own.GetNationalPrefixForParsing()
	n.home = home{
		code:  strconv.Itoa(int(own.GetCountryCode())),
		plain: all(trunk, isDigit) && own.GetNationalPrefixTransformRule() == "",
		trunk: trunk,
	}
	if idd := own.GetInternationalPrefix(); idd != "" {
		if n.home.idd, err = newMatcher(idd); err != nil {
			return nil, fmt.Errorf("international prefix of %s: %w", region, err)
		}
	}
	return n, nil
}

// e164 returns the number that is written as digits, with or without a leading +, and whether it is valid.
func (n *numbering) e164(written string) (string, bool, error) {
	if written == "" {
		return "", false, nil
	}
	if written[0] == '+' {
		if code, national, ok := n.split(written[1:]); ok {
			p, err := n.plan(code)
			if err != nil {
				return "", false, err
			}
			if p.trunk == nil || !p.trunk.begins(national) {
				return written, p.valid(national), nil
			}
		}
		return n.parse(written)
	}
	if n.nanp {
		if len(written) == 11 && written[0] == '1' && written[1] >= '2' {
			return n.e164("+" + written)
		}
		if len(written) == 10 && written[0] >= '2' {
			return n.e164("+1" + written)
		}
	}
	if number, valid, err := n.own(written); err != nil || valid {
		return number, valid, err
	}
	number, valid, err := n.parse(written)
	if err != nil || valid || len(written) < 11 || written[0] == '0' {
		return number, valid, err
	}
	// Too long for a mistyped number of most regions: the + is what is missing.
	return n.e164("+" + written)
}

// own reads a number of the region's own that Parse would only take the national prefix from. Not valid means not decided.
func (n *numbering) own(written string) (string, bool, error) {
	h := &n.home
	if !h.plain || strings.HasPrefix(written, h.code) || h.idd != nil && h.idd.begins(written) {
		return "", false, nil
	}
	code, err := strconv.Atoi(h.code)
	if err != nil {
		return "", false, err
	}
	p, err := n.plan(code)
	if err != nil {
		return "", false, err
	}
	national := strings.TrimPrefix(written, h.trunk)
	if len(national) > phonenumbers.MAX_LENGTH_FOR_NSN || !p.valid(national) {
		return "", false, nil
	}
	return "+" + h.code + national, true, nil
}

// split takes the country calling code off the digits of an international number, as long as Parse would find the same.
func (n *numbering) split(digits string) (code int, national string, ok bool) {
	for i := range min(3, len(digits)) {
		code = 10*code + int(digits[i]-'0')
		if code == 0 {
			return 0, "", false
		}
		if p, err := n.plan(code); err != nil || len(p.regions) > 0 {
			national = digits[i+1:]
			ok = err == nil && len(national) >= phonenumbers.MIN_LENGTH_FOR_NSN && len(national) <= phonenumbers.MAX_LENGTH_FOR_NSN
			return code, national, ok
		}
	}
	return 0, "", false
}

// parse is the long way, for everything that phonenumbers must take apart first.
func (n *numbering) parse(written string) (string, bool, error) {
	n.number.Reset()
	if err := phonenumbers.ParseToNumber(written, n.region, &n.number); err != nil {
		return "", false, nil // not a number is an answer here, not a failure
	}
	p, err := n.plan(int(n.number.GetCountryCode()))
	if err != nil {
		return "", false, err
	}
	number := phonenumbers.Format(&n.number, phonenumbers.E164)
	return number, p.valid(phonenumbers.GetNationalSignificantNumber(&n.number)), nil
}

// plan returns the plan behind a country calling code, with no regions where there is no such code.
func (n *numbering) plan(code int) (*plan, error) {
	if code <= 0 || code >= len(n.plans) {
		return &plan{}, nil
	}
	if p := n.plans[code]; p != nil {
		return p, nil
	}
	p := &plan{}
	for i, id := range phonenumbers.GetRegionCodesForCountryCode(code) {
		m := n.byID[id]
		if id == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY {
			m = n.global[code]
		}
		r, err := newRegion(m)
		if err != nil {
			return nil, fmt.Errorf("numbering plan of %s: %w", id, err)
		}
		p.regions = append(p.regions, r)
		if trunk := m.GetNationalPrefixForParsing(); i == 0 && trunk != "" {
			if p.trunk, err = newMatcher(trunk); err != nil {
				return nil, fmt.Errorf("national prefix of %s: %w", id, err)
			}
		}
	}
	n.plans[code] = p
	return p, nil
}

// valid says what phonenumbers.IsValidNumber says: the number's region is found first, by its leading digits or by
// being valid there, and the number must be valid in that very region.
func (p *plan) valid(national string) bool {
	if len(p.regions) == 1 {
		return p.regions[0].valid(national)
	}
	for i := range p.regions {
		r := &p.regions[i]
		if r.leading != nil {
			if r.leading.begins(national) {
				return r.valid(national)
			}
		} else if r.valid(national) {
			return true
		}
	}
	return false
}

func newRegion(m *meta) (region, error) {
	var r region
	if m == nil {
		return r, nil
	}
	var err error
	if leading := m.GetLeadingDigits(); leading != "" {
		if r.leading, err = newMatcher(leading); err != nil {
			return r, err
		}
	}
	if r.general, err = newKind(m.GetGeneralDesc()); err != nil {
		return r, err
	}
	for _, desc := range []*phonenumbers.PhoneNumberDesc{
		m.GetFixedLine(), m.GetMobile(), m.GetTollFree(), m.GetVoip(), m.GetPremiumRate(),
		m.GetSharedCost(), m.GetPersonalNumber(), m.GetPager(), m.GetUan(), m.GetVoicemail(),
	} {
		if desc.GetNationalNumberPattern() == "" {
			continue
		}
		k, err := newKind(desc)
		if err != nil {
			return r, err
		}
		r.kinds = append(r.kinds, k)
	}
	return r, nil
}

func (r *region) valid(national string) bool {
	if !r.general.valid(national) {
		return false
	}
	for i := range r.kinds {
		if r.kinds[i].valid(national) {
			return true
		}
	}
	return false
}

func newKind(desc *phonenumbers.PhoneNumberDesc) (kind, error) {
	var k kind
	for _, length := range desc.GetPossibleLength() {
		if length >= 0 && length < 31 {
			k.lengths |= 1 << length
		} else {
			k.lengths |= 1 << 31 // no number is that long: the kind does not exist in the region
		}
	}
	m, err := newMatcher(desc.GetNationalNumberPattern())
	if err != nil {
		return k, err
	}
	k.matcher = *m
	return k, nil
}

func (k *kind) valid(national string) bool {
	if k.lengths != 0 && k.lengths&(1<<len(national)) == 0 {
		return false
	}
	return k.matcher.matches(national)
}

func newMatcher(pattern string) (*matcher, error) {
	if a, err := compile(pattern); err == nil {
		return &matcher{fast: a}, nil
	}
	whole, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return nil, err
	}
	prefix, err := regexp.Compile("^(?:" + pattern + ")")
	if err != nil {
		return nil, err
	}
	return &matcher{whole: whole, prefix: prefix}, nil
}

func (m *matcher) matches(digits string) bool {
	if m.fast != nil {
		return m.fast.whole(digits)
	}
	return m.whole.MatchString(digits)
}

func (m *matcher) begins(digits string) bool {
	if m.fast != nil {
		return m.fast.prefix(digits)
	}
	return m.prefix.MatchString(digits)
}
