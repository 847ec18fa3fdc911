package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// ParseProxies reads addresses and networks with commas between them.
func ParseProxies(text string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(entry)
		if addr, bad := netip.ParseAddr(entry); bad == nil {
			prefix, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is neither an address nor a network; takes those of the proxies, such as 127.0.0.1,10.0.0.0/24", entry)
		case prefix.Bits() == 0:
			return nil, fmt.Errorf("%s is everybody: anybody could say who they are; takes the proxies' own addresses", entry)
		}
		list = append(list, prefix.Masked())
	}
	return list, nil
}

// ParseURL reads where people reach the console.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("is no address of a page; takes one such as https://calls.example.com/ringqueue")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if strings.ContainsFunc(u.Path, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._~-", r)
	}) || strings.Contains(u.Path+"/", "/.") || strings.Contains(u.Path, "//") {
		return nil, fmt.Errorf("the path takes letters, digits and - _ ~, such as /ringqueue")
	}
	if slices.Contains([]string{"api", "campaigns", "events", "healthz", "lines", "login", "logout", "metrics", "monitor", "readyz", "static"}, first) {
		return nil, fmt.Errorf("the path cannot begin with /%s, which is a page of the console; takes one such as /ringqueue", first)
	}
	return u, nil
}

// Loopback says whether a host is this machine and nobody else.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// peer is who is at the other end of the connection; not valid if that cannot be told.
func peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// hostOf is a request's Host without port.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return strings.Trim(host, "[]")
}

func (m *Middleware) isProxy(addr netip.Addr) bool {
	return slices.ContainsFunc(m.Proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// client is the address that a request comes from. Each proxy appends to X-Forwarded-For whom it has the request from, and
// what stands before the first entry of a proxy that we know may be anybody's invention. So: from the right, the first one
// that is no proxy of ours.
func (m *Middleware) client(r *http.Request) netip.Addr {
	addr := peer(r)
	if !m.isProxy(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		hop = strings.TrimSpace(hop)
		next, err := netip.ParseAddr(strings.Trim(hop, "[]"))
		if at, bad := netip.ParseAddrPort(hop); bad == nil {
			next, err = at.Addr(), nil
		}
		if err != nil {
			break
		}
		if addr = next.Unmap().WithZone(""); !m.isProxy(addr) {
			break
		}
	}
	return addr
}

// secure says whether the browser speaks TLS, with us or with a proxy of ours.
func (m *Middleware) secure(r *http.Request) bool {
	if m.TLS || r.TLS != nil {
		return true
	}
	if !m.isProxy(peer(r)) {
		return false
	}
	said := r.Header.Values("X-Forwarded-Proto")
	if len(said) > 0 && strings.EqualFold(strings.TrimSpace(said[len(said)-1]), "https") {
		return true
	}
	return m.URL != nil && m.URL.Scheme == "https" // TLS ends at a proxy before ours
}

// What proxies add to requests, in lower case.
var forwarded = []string{
	"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for", "x-original-host", "x-envoy-external-address",
	"true-client-ip", "cf-connecting-ip", "cf-ray", "fastly-client-ip", "fly-client-ip", "x-azure-clientip", "x-appengine-user-ip", "cdn-loop",
}

// straight says whether a request comes from this machine with nobody in between. A proxy on this machine says that it is one,
// or asks for the name that people use, or, as nginx does where it is told nothing, speaks HTTP/1.0, which no browser does.
func straight(r *http.Request) bool {
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-forwarded") || slices.Contains(forwarded, name) {
			return false
		}
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "null" {
		if u, err := url.Parse(origin); err != nil || !Loopback(u.Hostname()) {
			return false
		}
	}
	return peer(r).IsLoopback() && Loopback(hostOf(r)) && r.ProtoAtLeast(1, 1)
}
