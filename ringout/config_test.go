package ringout

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func validConfig() Config {
	return Config{
		Server: "https://platform.ringcentral.com", ClientID: "app", ClientSecret: "the-client-secret", JWT: "the-jwt",
	}
}

func TestNewValidates(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string // in the error; "" for none
	}{
		{"valid", func(*Config) {}, ""},
		{"base path", func(c *Config) { c.Server += "/base/" }, ""},
		{"http on loopback", func(c *Config) { c.Server = "http://127.9.0.1:8080" }, ""},
		{"http on ::1", func(c *Config) { c.Server = "http://[::1]:8080" }, ""},
		{"http on localhost", func(c *Config) { c.Server = "http://LocalHost:8080" }, ""},
		{"a newline after the JWT", func(c *Config) { c.JWT += "\n" }, ""},
		{"no server", func(c *Config) { c.Server = "" }, "Server is empty"},
		{"http elsewhere", func(c *Config) { c.Server = "http://platform.ringcentral.com" }, "Server is plain http"},
		{"http on a look-alike", func(c *Config) { c.Server = "http://127.0.0.1.example.com" }, "Server is plain http"},
		{"http on a look-alike name", func(c *Config) { c.Server = "http://localhost.example.com" }, "Server is plain http"},
		{"http on 0.0.0.0", func(c *Config) { c.Server = "http://0.0.0.0" }, "Server is plain http"},
		{"other scheme", func(c *Config) { c.Server = "ftp://127.0.0.1" }, "Server is no https address"},
		{"no scheme", func(c *Config) { c.Server = "platform.ringcentral.com" }, "Server is no https address"},
		{"no host", func(c *Config) { c.Server = "https:///base" }, "Server is no https address"},
		{"only a port", func(c *Config) { c.Server = "https://:443" }, "Server is no https address"},
		{"user", func(c *Config) { c.Server = "https://joe:hunter22@example.com" }, "Server contains a user name"},
		{"query", func(c *Config) { c.Server += "?a=hunter22" }, "Server contains a query"},
		{"fragment", func(c *Config) { c.Server += "#" }, "Server contains a query"},
		{"no address", func(c *Config) { c.Server = "https://joe:hunter22@exa mple.com" }, "Server is no address"},
		{"no client id", func(c *Config) { c.ClientID = "" }, "ClientID is empty"},
		{"no client secret", func(c *Config) { c.ClientSecret = " " }, "ClientSecret is empty"},
		{"no JWT", func(c *Config) { c.JWT = "" }, "JWT is empty"},
		{"blank in the JWT", func(c *Config) { c.JWT = "hunter22 x" }, "JWT contains blanks"},
		{"line break in the secret", func(c *Config) { c.ClientSecret = "hunter22\r\nX: y" }, "ClientSecret contains blanks"},
		{"colon in the client id", func(c *Config) { c.ClientID = "a:b" }, "ClientID contains a colon"},
		{"negative timeout", func(c *Config) { c.Timeout = -time.Second }, "Timeout is -1s"},
		{"several", func(c *Config) { c.ClientID, c.JWT = "", "" }, "ClientID is empty; JWT is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := validConfig()
			test.change(&config)
			c, err := New(config)
			if test.want == "" {
				if err != nil || c == nil {
					t.Fatalf("New = %v, %v; want a client", c, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("New: error %v, want one line with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "hunter22") {
				t.Errorf("New: error %v quotes a secret", err)
			}
		})
	}
}

func TestPrintingHidesSecrets(t *testing.T) {
	t.Parallel()
	config := validConfig()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{config, &config, c} {
			got := fmt.Sprintf(format, value)
			if strings.Contains(got, "the-client-secret") || strings.Contains(got, "the-jwt") {
				t.Errorf("%s of a %T shows a secret: %s", format, value, got)
			}
		}
	}
}

func TestTransports(t *testing.T) {
	t.Parallel()
	given := &http.Transport{ForceAttemptHTTP2: true}
	for name, rt := range map[string]http.RoundTripper{"own": nil, "given": given} {
		config := validConfig()
		config.Transport = rt
		c, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		fresh, ok := c.fresh.(*http.Transport)
		if !ok || !fresh.DisableKeepAlives || !fresh.Protocols.HTTP1() || fresh.Protocols.HTTP2() {
			t.Errorf("%s transport: Place goes through %+v, want HTTP/1.1 on a connection of its own", name, c.fresh)
		}
	}
	if given.DisableKeepAlives {
		t.Error("the given transport was changed")
	}
}
