package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crosscheck/internal/file"
)

// optionFile is what an option file and those it includes say: the options of
// each group, later ones winning.
type optionFile struct {
	groups map[string]map[string]string
	order  []string // groups as they first appear
}

const maxIncludes = 10 // deeper is a loop; MySQL's clients stop there too

// errWorldWritable is why a file that anyone may change is not trusted.
var errWorldWritable = errors.New("every user of this machine may write to it")

func readOptionFile(path string) (*optionFile, error) {
	f := &optionFile{groups: map[string]map[string]string{}}
	return f, f.read(path, 0)
}

func (f *optionFile) read(path string, depth int) error {
	if depth > maxIncludes {
		return fmt.Errorf("%s: includes go deeper than %d", path, maxIncludes)
	}
	text, info, err := file.ReadInfo(path)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("%s: %w", path, errWorldWritable)
	}
	group := ""
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '!':
			if err := f.include(line, depth); err != nil {
				return err // it names its own file
			}
		case line[0] == '[':
			name, _, closed := strings.Cut(line[1:], "]")
			if !closed {
				return fmt.Errorf("%s, line %d: the group's name has no closing bracket", path, i+1)
			}
			group = strings.TrimSpace(name)
			f.add(group)
		case group == "":
			return fmt.Errorf("%s, line %d: an option stands before the first [group]", path, i+1)
		default:
			key, value := parseOption(line)
			if key == "password" && value != "" {
				if err := file.Private(path, info); err != nil {
					return err
				}
			}
			f.groups[group][key] = value
		}
	}
	return nil
}

func (f *optionFile) add(group string) {
	if f.groups[group] == nil {
		f.groups[group] = map[string]string{}
		f.order = append(f.order, group)
	}
}

func (f *optionFile) include(line string, depth int) error {
	word, path, _ := strings.Cut(line, " ")
	path = strings.TrimSpace(path)
	switch word {
	case "!include":
		return f.read(path, depth+1)
	case "!includedir":
		files, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		for _, e := range files { // sorted by name
			if ext := filepath.Ext(e.Name()); ext != ".cnf" || e.IsDir() {
				continue
			}
			if err := f.read(filepath.Join(path, e.Name()), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("unknown directive %q in an option file", word)
}

// parseOption reads "key = value" as MySQL's clients do: a # outside quotes
// begins a comment, quotes around the whole value go, escapes are resolved,
// and - and _ are one character in a key. The value "" also stands for none.
func parseOption(line string) (key, value string) {
	key, value, _ = strings.Cut(cutComment(line), "=")
	key = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(key)), "_", "-")
	key = strings.TrimPrefix(key, "loose-")
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	return key, unescapeOption(value)
}

func cutComment(line string) string {
	var quote byte
	escaped := false
	for i := range len(line) {
		c := line[i]
		if (c == '"' || c == '\'') && !escaped {
			switch quote {
			case 0:
				quote = c
			case c:
				quote = 0
			}
		}
		if quote == 0 && c == '#' {
			return line[:i]
		}
		escaped = quote != 0 && c == '\\' && !escaped
	}
	return line
}

func unescapeOption(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	known := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 's': ' ', '"': '"', '\'': '\'', '\\': '\\'}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if c, ok := known[s[i+1]]; ok {
				b.WriteByte(c)
				i++
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// optionGroup fills the configuration from one group. A group stands alone:
// nothing is taken over from [client], whose host might be the other server's.
func (p *dsnParser) optionGroup(name string) error {
	path := p.opt.DefaultsFile
	if path == "" {
		if p.opt.HomeDir == "" {
			return p.fail("no option file is known for @"+name, "name one with --defaults-file")
		}
		path = filepath.Join(p.opt.HomeDir, ".my.cnf")
	}
	f, err := readOptionFile(path)
	if err != nil {
		mend := "correct the option file"
		switch {
		case errors.Is(err, fs.ErrNotExist) && len(f.order) == 0: // the file itself, not an included one
			mend = "create it with a group [" + name + "], or name another with --defaults-file"
		case errors.Is(err, errWorldWritable):
			mend = "run chmod 600 on it"
		case errors.Is(err, file.ErrShared):
			mend = "" // it says so itself
		}
		return &ConfigError{Label: p.opt.Label, Problem: "the option file cannot be used", Mend: mend, Err: err}
	}
	options, ok := f.groups[name]
	if !ok {
		mend := "add it"
		if len(f.order) > 0 {
			mend += ", or use one of these: " + strings.Join(f.order, ", ")
		}
		return p.fail(fmt.Sprintf("%s has no group [%s]", path, name), mend)
	}
	return p.options(options)
}

func (p *dsnParser) options(o map[string]string) error {
	p.cfg.User = o["user"]
	p.cfg.Password = Secret(o["password"])
	p.cfg.CAFile, p.cfg.CertFile, p.cfg.KeyFile = o["ssl-ca"], o["ssl-cert"], o["ssl-key"]
	if err := p.optionTLS(o); err != nil {
		return err
	}
	host, port := o["host"], o["port"]
	local := host == "" || host == "localhost"
	if socket := o["socket"]; socket != "" && local && !strings.EqualFold(o["protocol"], "tcp") {
		p.cfg.Net, p.cfg.Addr = "unix", socket
		return nil
	}
	if host == "" {
		if port == "" {
			return p.fail("the option-file group names neither host nor socket", "add host=… or socket=…")
		}
		host = "127.0.0.1"
	}
	if strings.Contains(host, ":") {
		host = "[" + strings.Trim(host, "[]") + "]"
	}
	if port != "" {
		host += ":" + port
	}
	return p.tcp(host)
}

// optionTLS reads MySQL's ssl-mode and MariaDB's switches.
func (p *dsnParser) optionTLS(o map[string]string) error {
	if v, ok := o["ssl-mode"]; ok {
		return p.param("ssl-mode", v)
	}
	given := func(key string) (on, ok bool) {
		v, ok := o[key]
		return ok && !slices.Contains([]string{"0", "off", "false", "no"}, strings.ToLower(v)), ok
	}
	off := false
	for _, key := range []string{"skip-ssl", "disable-ssl"} {
		on, _ := given(key)
		off = off || on
	}
	ssl, hasSSL := given("ssl")
	verify, _ := given("ssl-verify-server-cert")
	switch {
	case off || (hasSSL && !ssl):
		p.cfg.TLS = TLSDisabled
	case verify:
		p.cfg.TLS = TLSVerifyIdentity
	case ssl && p.cfg.CAFile == "":
		p.cfg.TLS = TLSRequired
	}
	return nil
}
