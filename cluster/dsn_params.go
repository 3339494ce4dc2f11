package cluster

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
)

func (p *dsnParser) params(text string) error {
	if text == "" {
		return nil
	}
	q, err := url.ParseQuery(text)
	if err != nil {
		return p.fail("the parameters after ? cannot be read", "write ?name=value&name=value and percent-encode special characters")
	}
	return p.values(q)
}

func (p *dsnParser) values(q url.Values) error {
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names) // the same mistake is always the one that is named
	for _, name := range names {
		if err := p.param(name, q.Get(name)); err != nil {
			return err
		}
	}
	return nil
}

func (p *dsnParser) param(name, value string) error {
	switch strings.ReplaceAll(strings.ToLower(name), "_", "-") {
	case "tls", "ssl-mode", "sslmode":
		mode, ok := parseTLSMode(value)
		if !ok {
			return p.fail(fmt.Sprintf("%s=%q is not a TLS mode", name, value),
				"write tls=disabled, preferred, required, verify-ca or verify-identity")
		}
		p.cfg.TLS = mode
	case "ssl-ca":
		p.cfg.CAFile = value
	case "ssl-cert":
		p.cfg.CertFile = value
	case "ssl-key":
		p.cfg.KeyFile = value
	case "server-name":
		p.cfg.ServerName = value
	case "password":
		return p.password(value)
	default:
		return p.fail(fmt.Sprintf("the DSN has an unknown parameter %q", name),
			"known are tls, ssl-ca, ssl-cert, ssl-key and server-name; crosscheck sets up its sessions itself")
	}
	return nil
}

// parseTLSMode knows MySQL's names, with - or _, and those of Go's driver.
func parseTLSMode(s string) (TLSMode, bool) {
	switch strings.ReplaceAll(strings.ToLower(s), "_", "-") {
	case "auto":
		return TLSAuto, true
	case "disabled", "false", "0", "off":
		return TLSDisabled, true
	case "preferred":
		return TLSPreferred, true
	case "required", "skip-verify":
		return TLSRequired, true
	case "verify-ca":
		return TLSVerifyCA, true
	case "verify-identity", "true", "1", "on":
		return TLSVerifyIdentity, true
	}
	return "", false
}

// finish checks what only the whole shows.
func (p *dsnParser) finish() error {
	c := &p.cfg
	if c.User == "" {
		return p.fail("no user is named", dsnForms)
	}
	if c.TLS == "" {
		c.TLS = TLSAuto
		if c.CAFile != "" {
			c.TLS = TLSVerifyCA // who names an authority wants it checked, as MySQL's clients have it
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return p.fail("a client certificate needs both ssl-cert and ssl-key", "give both or neither")
	}
	for _, f := range []struct{ name, path string }{{"ssl-ca", c.CAFile}, {"ssl-cert", c.CertFile}, {"ssl-key", c.KeyFile}} {
		if f.path == "" {
			continue
		}
		if _, err := os.Stat(f.path); err != nil {
			return &ConfigError{Label: c.Label, Problem: "the file of " + f.name + " cannot be used", Mend: "correct the path", Err: err}
		}
	}
	return nil
}
