package cluster

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config is how to reach one server. ParseDSN makes it.
type Config struct {
	Label    string // "old" or "new", in messages
	Net      string // "tcp" or "unix"
	Addr     string // "host:port", "[v6]:port", or a socket's path
	User     string
	Password Secret
	TLS      TLSMode // empty: TLSAuto
	CAFile   string  // PEM; empty: the system's authorities
	CertFile string  // client certificate, with KeyFile
	KeyFile  string
	// ServerName is the name that the server's certificate must carry under
	// TLSVerifyIdentity; empty: the host of Addr.
	ServerName string
	// Prompt asks for a password that nothing gave; Open calls it only when
	// the server refuses the account without one. Nil: nobody can be asked.
	Prompt func(user, addr string) (string, error)
	// Quiet is how long a connection may be silent before the server is asked
	// whether it lives; 0: 10 s.
	Quiet time.Duration
}

// TLSMode says how much protection a connection needs.
type TLSMode string

// The modes, with the meaning they have in MySQL's own clients.
const (
	// TLSAuto is the default: preferred, but over the loopback interface, where
	// nobody listens in and encryption costs both ends much of their CPU
	// time, only if the server refuses the account without.
	TLSAuto           TLSMode = "auto"
	TLSDisabled       TLSMode = "disabled"
	TLSPreferred      TLSMode = "preferred" // encrypted where the server offers it
	TLSRequired       TLSMode = "required"  // encrypted, certificate not checked
	TLSVerifyCA       TLSMode = "verify-ca"
	TLSVerifyIdentity TLSMode = "verify-identity"
)

// DSNOptions is what ParseDSN may look at besides the DSN.
type DSNOptions struct {
	Label        string                  // "old" or "new"
	DefaultsFile string                  // option file; empty: HomeDir/.my.cnf
	HomeDir      string                  // of the user
	Getenv       func(key string) string // nil: no environment
	Prompt       func(user, addr string) (string, error)
	// AllowPassword accepts a password inside the DSN: for a DSN that came
	// from the environment. One from the command line is visible to every
	// user of the machine, and is refused.
	AllowPassword bool
}

// PasswordEnv is the environment variable that holds the password for a label:
// CROSSCHECK_NEW_1_PASSWORD for new-1.
func PasswordEnv(label string) string {
	if label == "" {
		return "CROSSCHECK_PASSWORD"
	}
	return "CROSSCHECK_" + strings.ToUpper(strings.ReplaceAll(label, "-", "_")) + "_PASSWORD"
}

// ConfigError is a mistake in a DSN, an option file or a TLS setting. Its text
// is one line and holds no password.
type ConfigError struct {
	Label   string // "old", "new" or ""
	Problem string
	Mend    string // what to write instead
	Err     error  // the cause, where there is one
}

func (e *ConfigError) Error() string {
	s := e.Problem
	if e.Label != "" {
		s = e.Label + ": " + s
	}
	if e.Err != nil {
		s += ": " + oneLine(e.Err.Error())
	}
	if e.Mend != "" {
		s += "; " + e.Mend
	}
	return s
}

func (e *ConfigError) Unwrap() error { return e.Err }

const dsnForms = "write user@tcp(host:port)/, user@unix(/path/to/socket)/, mysql://user@host:port/ or @group of an option file"

// ParseDSN reads a data source name:
//
//	user@tcp(host:port)/            IPv6: user@tcp([::1]:3306)/; the port defaults to 3306
//	user@unix(/path/to/socket)/
//	mysql://user@host:port/         also mariadb://; user and password percent-encoded
//	@group                          a group of an option file
//
// each with parameters ?tls=…&ssl-ca=…&ssl-cert=…&ssl-key=…&server-name=….
// The password comes from the environment (PasswordEnv), else from the option
// file, else from Prompt when the server asks for one. Every error is a
// *ConfigError.
func ParseDSN(dsn string, opt DSNOptions) (Config, error) {
	p := dsnParser{opt: opt, cfg: Config{Label: opt.Label, Prompt: opt.Prompt}}
	dsn = strings.TrimSpace(dsn)
	var err error
	switch {
	case dsn == "":
		err = p.fail("the DSN is empty", dsnForms)
	case strings.HasPrefix(dsn, "@"):
		err = p.group(dsn[1:])
	case strings.Contains(dsn, "://"):
		err = p.url(dsn)
	default:
		err = p.classic(dsn)
	}
	if err != nil {
		return Config{}, err
	}
	if opt.Getenv != nil {
		if pw := opt.Getenv(PasswordEnv(opt.Label)); pw != "" {
			p.cfg.Password = Secret(pw)
		}
	}
	if err := p.finish(); err != nil {
		return Config{}, err
	}
	return p.cfg, nil
}

type dsnParser struct {
	opt DSNOptions
	cfg Config
}

func (p *dsnParser) fail(problem, mend string) *ConfigError {
	return &ConfigError{Label: p.opt.Label, Problem: problem, Mend: mend}
}

// group reads "@name" or "@name?parameters".
func (p *dsnParser) group(rest string) error {
	name, params, _ := strings.Cut(rest, "?")
	name = strings.TrimSuffix(name, "/")
	if name == "" {
		return p.fail("the DSN names no option-file group", "write @group, for example @old for the group [old]")
	}
	if strings.ContainsAny(name, "@()") {
		return p.fail("the DSN names no user", dsnForms)
	}
	if err := p.optionGroup(name); err != nil {
		return err
	}
	return p.params(params)
}

func (p *dsnParser) url(dsn string) error {
	u, err := url.Parse(dsn)
	if err != nil {
		// url.Error repeats the text, which may hold a password.
		return p.fail("the URL cannot be read", "write mysql://user@host:port/ and percent-encode special characters")
	}
	if u.Scheme != "mysql" && u.Scheme != "mariadb" {
		return p.fail(fmt.Sprintf("the URL begins with %q", u.Scheme+"://"), "write mysql://user@host:port/")
	}
	if u.User != nil {
		p.cfg.User = u.User.Username()
		if pw, ok := u.User.Password(); ok {
			if err := p.password(pw); err != nil {
				return err
			}
		}
	}
	if err := p.database(strings.TrimPrefix(u.Path, "/")); err != nil {
		return err
	}
	q := u.Query()
	if socket := q.Get("socket"); socket != "" {
		q.Del("socket")
		p.cfg.Net, p.cfg.Addr = "unix", socket
	} else if err := p.tcp(u.Host); err != nil {
		return err
	}
	return p.values(q)
}

// classic reads user[:password]@net(address)/[?parameters].
func (p *dsnParser) classic(dsn string) error {
	user, network, addr, rest, ok := splitClassic(dsn)
	if !ok {
		return p.fail("the DSN cannot be read", dsnForms)
	}
	name, pw, hasPassword := strings.Cut(user, ":")
	p.cfg.User = name
	if hasPassword {
		if err := p.password(pw); err != nil {
			return err
		}
	}
	path, params, _ := strings.Cut(rest, "?")
	if err := p.database(strings.TrimPrefix(path, "/")); err != nil {
		return err
	}
	if network == "unix" {
		if addr == "" {
			return p.fail("the DSN names no socket", "write user@unix(/path/to/socket)/")
		}
		p.cfg.Net, p.cfg.Addr = "unix", addr
	} else if err := p.tcp(addr); err != nil {
		return err
	}
	return p.params(params)
}

// splitClassic takes a DSN apart. A password may hold any character, so the
// last "@tcp(" or "@unix(" counts.
func splitClassic(dsn string) (user, network, addr, rest string, ok bool) {
	for _, n := range []string{"tcp", "unix"} {
		mark := "@" + n + "("
		i := strings.LastIndex(dsn, mark)
		start := i + len(mark)
		if i < 0 {
			mark = mark[1:]
			if !strings.HasPrefix(dsn, mark) {
				continue
			}
			i, start = 0, len(mark)
		}
		inner, after, closed := strings.Cut(dsn[start:], ")")
		if !closed || (after != "" && after[0] != '/' && after[0] != '?') {
			continue
		}
		return dsn[:i], n, inner, after, true
	}
	return "", "", "", "", false
}

func (p *dsnParser) password(pw string) error {
	if !p.opt.AllowPassword {
		return p.fail("the DSN holds a password, which every user of this machine can read on the command line",
			fmt.Sprintf("leave it out and give it in an option file (DSN @group), in the environment variable %s, or at the prompt", PasswordEnv(p.opt.Label)))
	}
	p.cfg.Password = Secret(pw)
	return nil
}

func (p *dsnParser) database(name string) error {
	if name == "" {
		return nil
	}
	return p.fail(fmt.Sprintf("the DSN names a database (%q), but whole servers are connected", name),
		fmt.Sprintf("end the address with / and choose tables with --table '%s.*'", name))
}

// tcp reads host[:port]; IPv6 with or without brackets.
func (p *dsnParser) tcp(addr string) error {
	host, port := addr, "3306"
	switch {
	case strings.HasPrefix(addr, "["):
		inner, after, closed := strings.Cut(addr[1:], "]")
		if !closed || (after != "" && after[0] != ':') {
			return p.fail(fmt.Sprintf("the address %q cannot be read", addr), "write [IPv6]:port")
		}
		host = inner
		if after != "" {
			port = after[1:]
		}
	case strings.Count(addr, ":") == 1:
		host, port, _ = strings.Cut(addr, ":")
	}
	if host == "" {
		return p.fail("the DSN names no host", dsnForms)
	}
	if strings.ContainsAny(host, "/ \t") {
		return p.fail(fmt.Sprintf("%q is not a host", host), "for a socket write user@unix(/path/to/socket)/")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return p.fail(fmt.Sprintf("%q is not a port", port), "write a number from 1 to 65535")
	}
	p.cfg.Net, p.cfg.Addr = "tcp", net.JoinHostPort(host, port)
	return nil
}
