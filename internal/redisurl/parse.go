package redisurl

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// kind is what stands behind an address.
type kind string

const (
	single   kind = "redis"
	sentinel kind = "sentinel"
	cluster  kind = "cluster"
)

// schemes are all that there are.
var schemes = map[string]struct {
	kind kind
	tls  bool
}{
	"redis": {single, false}, "rediss": {single, true},
	"redis-sentinel": {sentinel, false}, "rediss-sentinel": {sentinel, true},
	"redis-cluster": {cluster, false}, "rediss-cluster": {cluster, true},
}

// address is a REDIS_URL that was understood.
type address struct {
	scheme string
	kind   kind
	tls    bool
	user   *url.Userinfo // nil for none
	hosts  []string      // host:port
	db     int
	query  url.Values
}

const (
	defaultPort         = "6379"
	defaultSentinelPort = "26379"
)

// encode is the advice for a password that is no plain word. It says nothing of the address.
const encode = "it cannot be told where the password ends and the host begins: in user and password, write each character that is no letter " +
	"and no digit in its percent-encoded form, such as %2F for /, %23 for #, %3F for ?, %40 for @, %25 for % and %3A for :"

// parse reads an address by rules that leave no doubt what is its password and what its host. What may be read in two ways is
// refused. Errors hold no piece of the address.
func parse(text string) (address, error) {
	var a address
	refuse := func(why string) (address, error) {
		return address{}, fmt.Errorf("%w: %s; %s", ErrURL, why, forms)
	}
	scheme, rest, ok := strings.Cut(text, "://")
	known, found := schemes[scheme]
	if !ok || !found {
		return refuse("has no scheme of Redis")
	}
	a.scheme, a.kind, a.tls = scheme, known.kind, known.tls
	if strings.ContainsRune(rest, '#') || strings.Count(rest, "@") > 1 {
		return refuse(encode)
	}
	if user, hosts, found := strings.Cut(rest, "@"); found {
		if a.user, ok = userinfo(user); !ok {
			return refuse(encode)
		}
		rest = hosts
	}
	if strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return refuse("has a space or a control character")
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	hosts, tail := rest[:end], rest[end:]
	path, query, _ := strings.Cut(tail, "?")
	if a.hosts, ok = hostports(hosts, a.kind); !ok {
		if hosts == "" || strings.HasPrefix(hosts, ":") {
			return refuse("has no host")
		}
		return refuse("its host, or one of them, is not a valid host:port")
	}
	if a.kind == single && len(a.hosts) > 1 {
		return refuse("has several hosts, which only redis-sentinel and redis-cluster take")
	}
	if path = strings.TrimPrefix(path, "/"); path != "" {
		n, err := strconv.ParseUint(path, 10, 31)
		if err != nil {
			return refuse("its database is not a valid number")
		}
		if a.kind == cluster && n > 0 {
			return refuse("a cluster has no databases")
		}
		a.db = int(n)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return refuse("its parameters cannot be read")
	}
	a.query = values
	if a.kind == sentinel {
		if a.query.Get("master") == "" {
			return refuse("redis-sentinel needs ?master=NAME")
		}
		for name := range a.query {
			if !slices.Contains([]string{"master", "sentinel_username", "sentinel_password"}, name) {
				return refuse("has a parameter that redis-sentinel does not take: it takes master, sentinel_username and sentinel_password")
			}
		}
	}
	return a, nil
}

// plain is what stands in user and password as it is: RFC 3986's userinfo, without what people take for the end of it.
var plain = regexp.MustCompile(`^(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*$`)

func userinfo(text string) (*url.Userinfo, bool) {
	if !plain.MatchString(text) {
		return nil, false
	}
	name, password, given := strings.Cut(text, ":")
	name, err := url.PathUnescape(name)
	if err != nil {
		return nil, false
	}
	if !given {
		return url.User(name), true
	}
	password, err = url.PathUnescape(password)
	if err != nil {
		return nil, false
	}
	return url.UserPassword(name, password), true
}

var hostname = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?$`)

// hostports reads hosts with or without ports.
func hostports(text string, k kind) ([]string, bool) {
	var list []string
	for one := range strings.SplitSeq(text, ",") {
		host, port := one, defaultPort
		if k == sentinel {
			port = defaultSentinelPort
		}
		switch {
		case strings.HasPrefix(one, "[") && strings.HasSuffix(one, "]"): // an IPv6 address without a port
			host = strings.TrimSuffix(strings.TrimPrefix(one, "["), "]")
		case strings.Contains(one, ":"):
			var err error
			if host, port, err = net.SplitHostPort(one); err != nil {
				return nil, false
			}
		}
		if strings.HasPrefix(one, "[") {
			if ip := net.ParseIP(host); ip == nil || !strings.Contains(host, ":") {
				return nil, false
			}
		} else if !hostname.MatchString(host) {
			return nil, false
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, false
		}
		list = append(list, net.JoinHostPort(host, port))
	}
	return list, true
}

// url is the address as go-redis's parsers take it, with the first of its hosts.
func (a address) url() *url.URL {
	u := &url.URL{Scheme: "redis", User: a.user, Host: a.hosts[0]}
	if a.tls {
		u.Scheme = "rediss"
	}
	if a.kind == single {
		u.Path = "/" + strconv.Itoa(a.db)
	}
	query := url.Values{}
	maps.Copy(query, a.query)
	for _, h := range a.hosts[1:] {
		query.Add("addr", h)
	}
	u.RawQuery = query.Encode()
	return u
}
