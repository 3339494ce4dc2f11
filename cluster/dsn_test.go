package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDSN(t *testing.T) {
	for _, c := range []struct {
		dsn  string
		want Config
	}{
		{"dba@tcp(db1:3307)/", Config{Net: "tcp", Addr: "db1:3307", User: "dba"}},
		{"dba@tcp(db1)/", Config{Net: "tcp", Addr: "db1:3306", User: "dba"}},
		{"  dba@tcp(db1)  ", Config{Net: "tcp", Addr: "db1:3306", User: "dba"}},
		{"dba@tcp([::1]:3307)/", Config{Net: "tcp", Addr: "[::1]:3307", User: "dba"}},
		{"dba@tcp([fe80::1%eth0])/", Config{Net: "tcp", Addr: "[fe80::1%eth0]:3306", User: "dba"}},
		{"dba@tcp(::1)/", Config{Net: "tcp", Addr: "[::1]:3306", User: "dba"}},
		{"a@b@tcp(db1)/?tls=required", Config{Net: "tcp", Addr: "db1:3306", User: "a@b", TLS: TLSRequired}},
		{"dba@unix(/run/my sql/m.sock)/?tls=required", Config{Net: "unix", Addr: "/run/my sql/m.sock", User: "dba", TLS: TLSRequired}},
		{"dba@unix(/run/m.sock)", Config{Net: "unix", Addr: "/run/m.sock", User: "dba"}},
		{"mysql://dba@db1:3307/", Config{Net: "tcp", Addr: "db1:3307", User: "dba"}},
		{"mysql://dba@db1", Config{Net: "tcp", Addr: "db1:3306", User: "dba"}},
		{"mariadb://d%40ba@[::1]:3307/?tls=verify_identity&server-name=x", Config{
			Net: "tcp", Addr: "[::1]:3307", User: "d@ba", TLS: TLSVerifyIdentity, ServerName: "x",
		}},
		{"mysql://dba@localhost/?socket=/run/m.sock", Config{Net: "unix", Addr: "/run/m.sock", User: "dba"}},
		{"dba@tcp(db1)/?tls=false", Config{Net: "tcp", Addr: "db1:3306", User: "dba", TLS: TLSDisabled}},
		{"dba@tcp(db1)/?ssl-ca=/dev/null", Config{Net: "tcp", Addr: "db1:3306", User: "dba", TLS: TLSVerifyCA, CAFile: "/dev/null"}},
		{"dba@tcp(db1)/?SSL_MODE=PREFERRED&ssl-ca=/dev/null", Config{Net: "tcp", Addr: "db1:3306", User: "dba", TLS: TLSPreferred, CAFile: "/dev/null"}},
	} {
		got, err := ParseDSN(c.dsn, DSNOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.dsn, err)
			continue
		}
		if c.want.TLS == "" {
			c.want.TLS = TLSAuto
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", c.dsn, diff)
		}
	}
}

func TestParseDSNMistakes(t *testing.T) {
	for _, c := range []struct{ dsn, want string }{
		{"", "new: the DSN is empty; write user@tcp(host:port)/"},
		{"db1:3306", "cannot be read; write user@tcp"},
		{"dba:s3cret@db1:3306", "cannot be read; write user@tcp"},
		{"dba@tcp(db1:3306", "cannot be read"},
		{"dba@tcp()/", "names no host"},
		{"dba@tcp(:3306)/", "names no host"},
		{"dba@tcp(db1:0)/", `"0" is not a port`},
		{"dba@tcp(db1:s3cret)/", `is not a port`},
		{"dba@tcp([::1)/", "write [IPv6]:port"},
		{"dba@tcp(/run/m.sock)/", "for a socket write"},
		{"dba@unix()/", "names no socket"},
		{"tcp(db1)/", "no user is named"},
		{"mysql://db1/", "no user is named"},
		{"mysql://dba:s3cret%zz@db1/", "percent-encode"},
		{"postgres://dba@db1/", `begins with "postgres://"`},
		{"dba:s3cret@tcp(db1)/", "option file (DSN @group), in the environment variable CROSSCHECK_NEW_PASSWORD, or at the prompt"},
		{"mysql://dba:s3cret@db1/", "environment variable CROSSCHECK_NEW_PASSWORD"},
		{"dba@tcp(db1)/?password=s3cret", "environment variable CROSSCHECK_NEW_PASSWORD"},
		{"dba@tcp(db1)/shop", "--table 'shop.*'"},
		{"mysql://dba@db1/shop", "--table 'shop.*'"},
		{"dba@tcp(db1)/?tls=maybe", "write tls=disabled"},
		{"dba@tcp(db1)/?parseTime=true", `unknown parameter "parseTime"`},
		{"dba@tcp(db1)/?tls=%zz", "percent-encode"},
		{"dba@tcp(db1)/?ssl-cert=/dev/null", "give both or neither"},
		{"dba@tcp(db1)/?ssl-ca=/nonexistent", "correct the path"},
		{"@", "names no option-file group"},
		{"@tcp(db1)/", "names no user"},
		{"@old", "name one with --defaults-file"},
	} {
		_, err := ParseDSN(c.dsn, DSNOptions{Label: "new"})
		var e *ConfigError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "new: ") {
			t.Errorf("%s: got %v, want …%s…", c.dsn, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "\n") || (strings.Contains(err.Error(), "s3cret") && !strings.Contains(c.dsn, "(db1:s3cret")) {
			t.Errorf("%s: the message shows too much: %q", c.dsn, err)
		}
	}
}

func TestPasswordSources(t *testing.T) {
	file := writeOptions(t, "[old]\nuser=dba\nhost=db1\npassword=from-file\n[bare]\nuser=dba\nhost=db1\n")
	env := func(k string) string {
		return map[string]string{"CROSSCHECK_OLD_PASSWORD": "from-env"}[k]
	}
	for _, c := range []struct {
		dsn  string
		opt  DSNOptions
		want string
	}{
		{"@old", DSNOptions{Label: "old"}, "from-file"},
		{"@old", DSNOptions{Label: "old", Getenv: env}, "from-env"},
		{"@old", DSNOptions{Label: "new", Getenv: env}, "from-file"},
		{"@bare", DSNOptions{Label: "old", Getenv: env}, "from-env"},
		{"@bare", DSNOptions{Label: "old"}, ""},
		{"dba:p:w@d@tcp(db1)/", DSNOptions{Label: "old", AllowPassword: true}, "p:w@d"},
		{"mysql://dba:p%40w@db1/", DSNOptions{Label: "old", AllowPassword: true}, "p@w"},
	} {
		c.opt.DefaultsFile = file
		got, err := ParseDSN(c.dsn, c.opt)
		if err != nil || got.Password.Reveal() != c.want {
			t.Errorf("%s: password %q, %v, want %q", c.dsn, got.Password.Reveal(), err, c.want)
		}
	}
}

func TestSecretStaysSecret(t *testing.T) {
	cfg := Config{User: "u", Password: "hunter2"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cfg", cfg, "pw", cfg.Password)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "pw", cfg.Password, "map", map[string]any{"p": cfg.Password})
	text, err := json.Marshal(map[string]any{"p": cfg.Password})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		log.String(), string(text), fmt.Sprint(cfg), fmt.Sprintf("%+v %#v", cfg, cfg), fmt.Sprintf("%s %q %x %X %d %v", cfg.Password,
			cfg.Password, cfg.Password, cfg.Password, cfg.Password, cfg.Password), fmt.Sprintf("%+v", &cfg),
	} {
		if strings.Contains(s, "hunter2") || strings.Contains(s, fmt.Sprintf("%x", "hunter2")) || !strings.Contains(s, "***") {
			t.Errorf("shows the password: %s", s)
		}
	}
}

func writeOptions(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "my.cnf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOptionFileValues(t *testing.T) {
	// As mysql --print-defaults shows them.
	for line, want := range map[string]string{
		"password=plain":           "plain",
		"password = spaced  ":      "spaced",
		`password="with # hash"`:   "with # hash",
		`password='it"s'`:          `it"s`,
		"password=cut # comment":   "cut",
		"password=cut#comment":     "cut",
		`password="a\"b#c"`:        `a"b#c`,
		`password=tab\tspace\send`: "tab\tspace end",
		`password=back\\slash\q`:   `back\slash\q`,
		`password="unbalanced`:     `"unbalanced`,
		"password=with = sign":     "with = sign",
		"password":                 "",
		"loose-PassWord=x":         "x",
		`password="  keep  "`:      "  keep  ",
		"password=ü\r":             "ü",
	} {
		f, err := readOptionFile(writeOptions(t, "# c\n; c\n\n[g]\n"+line+"\n"))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := f.groups["g"]["password"]; got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestOptionFileGroups(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "more"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"more/b.cnf": "[old]\nport=3333\n", "more/ignored.txt": "[old]\nport=1\n", "one.cnf": "[included]\nuser=x\nhost=h\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := writeOptions(t, "[client]\nuser=root\nhost=wrong\n"+
		"[old]\nuser=first\nhost=db1\nssl_mode=VERIFY_CA\nssl-ca=/dev/null\nuser=dba\n"+
		"[sock]\nuser=u\nsocket=/s\nhost=localhost\n[tcp]\nuser=u\nsocket=/s\nprotocol=TCP\nport=1\n[v6]\nuser=u\nhost=::1\n"+
		"[maria]\nuser=u\nhost=h\nssl\n[mariano]\nuser=u\nhost=h\nskip-ssl\n[verify]\nuser=u\nhost=h\nssl-verify-server-cert\n[zero]\nuser=u\nhost=h\nssl=0\n"+
		"[nowhere]\nuser=u\n[nobody]\nhost=h\n[badport]\nuser=u\nhost=h\nport=x\n[badmode]\nuser=u\nhost=h\nssl-mode=x\n"+
		"!includedir "+dir+"/more\n!include "+dir+"/one.cnf\n")
	for dsn, want := range map[string]Config{
		"@old":              {Net: "tcp", Addr: "db1:3333", User: "dba", TLS: TLSVerifyCA, CAFile: "/dev/null"},
		"@old?tls=required": {Net: "tcp", Addr: "db1:3333", User: "dba", TLS: TLSRequired, CAFile: "/dev/null"},
		"@sock":             {Net: "unix", Addr: "/s", User: "u", TLS: TLSAuto},
		"@tcp":              {Net: "tcp", Addr: "127.0.0.1:1", User: "u", TLS: TLSAuto},
		"@v6":               {Net: "tcp", Addr: "[::1]:3306", User: "u", TLS: TLSAuto},
		"@maria":            {Net: "tcp", Addr: "h:3306", User: "u", TLS: TLSRequired},
		"@mariano":          {Net: "tcp", Addr: "h:3306", User: "u", TLS: TLSDisabled},
		"@zero":             {Net: "tcp", Addr: "h:3306", User: "u", TLS: TLSDisabled},
		"@verify":           {Net: "tcp", Addr: "h:3306", User: "u", TLS: TLSVerifyIdentity},
		"@included":         {Net: "tcp", Addr: "h:3306", User: "x", TLS: TLSAuto},
	} {
		got, err := ParseDSN(dsn, DSNOptions{DefaultsFile: file})
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", dsn, diff)
		}
	}
	for dsn, want := range map[string]string{
		"@missing": "use one of these: client, old, sock", "@nowhere": "neither host nor socket", "@nobody": "no user", "@badport": "not a port",
		"@badmode": "not a TLS mode",
	} {
		if _, err := ParseDSN(dsn, DSNOptions{DefaultsFile: file}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", dsn, err, want)
		}
	}
}

func TestOptionFileRefused(t *testing.T) {
	open := writeOptions(t, "[old]\nuser=u\nhost=h\n")
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	loop := writeOptions(t, "")
	if err := os.WriteFile(loop, []byte("!include "+loop+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	shared := writeOptions(t, "[old]\npassword=hunter2\n")
	if err := os.Chmod(shared, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		opt  DSNOptions
		want string
	}{
		{DSNOptions{DefaultsFile: open}, "chmod 600"},
		{DSNOptions{DefaultsFile: shared}, "chmod 600 " + shared},
		{DSNOptions{DefaultsFile: "/dev/zero"}, "larger than"},
		{DSNOptions{DefaultsFile: loop}, "deeper than"},
		{DSNOptions{DefaultsFile: filepath.Join(home, "none.cnf")}, "create it with a group [old]"},
		{DSNOptions{HomeDir: home}, filepath.Join(home, ".my.cnf")},
		{DSNOptions{DefaultsFile: writeOptions(t, "user=u\n")}, "before the first [group]"},
		{DSNOptions{DefaultsFile: writeOptions(t, "[old\n")}, "no closing bracket"},
		{DSNOptions{DefaultsFile: writeOptions(t, "!what /x\n")}, "unknown directive"},
	} {
		_, err := ParseDSN("@old", c.opt)
		var e *ConfigError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want …%s…", err, c.want)
		}
	}
	if _, err := readOptionFile(open); !errors.Is(err, errWorldWritable) || errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
