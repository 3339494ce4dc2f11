package cluster

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crosscheck/fixtures"
)

// certificates writes an authority and a server certificate for the name
// db.example, and returns their folder.
func certificates(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	make := func(c, parent *x509.Certificate, signer *ecdsa.PrivateKey, name string) *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		write(name+".pem", "CERTIFICATE", der)
		pkcs, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(name+"-key.pem", "PRIVATE KEY", pkcs)
		return key
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	caKey := make(ca, ca, nil, "ca")
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "db.example"}, DNSNames: []string{"db.example"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
	}
	make(server, ca, caKey, "server")
	other := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "other authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
	}
	make(other, other, nil, "other")
	// mysqld may run under another account.
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755)
	}
	return dir
}

func TestTLS(t *testing.T) {
	for _, family := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL} {
		t.Run(string(family), func(t *testing.T) {
			dir := certificates(t)
			srv := fixtures.ServerForTest(t, family, fixtures.ServerOptions{Variables: map[string]string{
				"ssl_ca": filepath.Join(dir, "ca.pem"), "ssl_cert": filepath.Join(dir, "server.pem"), "ssl_key": filepath.Join(dir, "server-key.pem"),
			}})
			for _, c := range []struct {
				name   string
				change func(*Config)
				fails  string
			}{
				{"preferred", func(c *Config) { c.TLS = TLSPreferred }, ""},
				{"required", func(c *Config) { c.TLS = TLSRequired }, ""},
				{"verify-ca", func(c *Config) { c.TLS, c.CAFile = TLSVerifyCA, filepath.Join(dir, "ca.pem") }, ""},
				{"verify-ca, other", func(c *Config) { c.TLS, c.CAFile = TLSVerifyCA, filepath.Join(dir, "other.pem") }, "ssl-ca=FILE"},
				{"verify-ca, system", func(c *Config) { c.TLS = TLSVerifyCA }, "ssl-ca=FILE"},
				{"identity", func(c *Config) {
					c.TLS, c.CAFile, c.ServerName = TLSVerifyIdentity, filepath.Join(dir, "ca.pem"), "db.example"
				}, ""},
				{"identity, other name", func(c *Config) { c.TLS, c.CAFile = TLSVerifyIdentity, filepath.Join(dir, "ca.pem") }, "server-name=NAME"},
			} {
				t.Run(c.name, func(t *testing.T) { checkTLS(t, srv, c.change, c.fails) })
			}
			cfg := configOf(srv, fixtures.Crosscheck)
			cfg.TLS = TLSDisabled
			if s := openConfig(t, cfg); s.Facts().TLS != "" {
				t.Errorf("disabled, and yet %s", s.Facts().TLS)
			}
			cfg.TLS = TLSAuto
			if s := openConfig(t, cfg); s.Facts().TLS != "" {
				t.Errorf("encrypted over loopback with %s", s.Facts().TLS)
			}
			if _, err := srv.DB().ExecContext(t.Context(), "ALTER USER '"+cfg.User+"' REQUIRE SSL"); err != nil {
				t.Fatal(err)
			}
			if s := openConfig(t, cfg); s.Facts().TLS == "" {
				t.Error("an account that requires TLS got none")
			}
		})
	}
}

func checkTLS(t *testing.T, srv *fixtures.Server, change func(*Config), fails string) {
	cfg := configOf(srv, fixtures.Crosscheck)
	change(&cfg)
	s, err := Open(t.Context(), cfg, quiet())
	if fails != "" {
		if err == nil {
			s.Close()
		}
		var e *ServerError
		var v *tls.CertificateVerificationError
		if !errors.As(err, &e) || !errors.As(err, &v) || !strings.Contains(err.Error(), fails) {
			t.Errorf("got %v", err)
		}
		t.Log(err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Facts().TLS == "" {
		t.Error("the raw connection is not encrypted")
	}
	v, err := s.variables(t.Context(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
	if err != nil || v["ssl_cipher"] == "" {
		t.Errorf("the pool's connection is not encrypted: %v %v", v, err)
	}
}

func TestTLSRequiredButNotOffered(t *testing.T) {
	srv := fixtures.ServerForTest(t, fixtures.MySQL56, fixtures.ServerOptions{})
	cfg := configOf(srv, fixtures.Crosscheck)
	cfg.TLS = TLSRequired
	_, err := Open(t.Context(), cfg, quiet())
	if !errors.Is(err, ErrNoTLS) || !strings.Contains(err.Error(), "tls=preferred") {
		t.Errorf("got %v", err)
	}
	t.Log(err)
}

// TestTLSGivenUp offers TLS in the name of a server that has none: the preferred
// mode goes on without, the required one does not.
func TestTLSGivenUp(t *testing.T) {
	srv := fixtures.ServerForTest(t, fixtures.MySQL56, fixtures.ServerOptions{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, acceptErr := l.Accept()
			if acceptErr != nil {
				return
			}
			go boastOfTLS(c, srv.Addr())
		}
	}()
	cfg := configOf(srv, fixtures.Crosscheck)
	cfg.Addr, cfg.TLS = l.Addr().String(), TLSPreferred
	if s := openConfig(t, cfg); s.Facts().TLS != "" {
		t.Errorf("encrypted with %s", s.Facts().TLS)
	}
	cfg.TLS = TLSRequired
	if _, err = Open(t.Context(), cfg, quiet()); err == nil || !strings.Contains(err.Error(), "TLS handshake") {
		t.Errorf("got %v", err)
	}
	t.Log(err)
}

// boastOfTLS relays a connection and sets the TLS bit in the server's greeting.
func boastOfTLS(client net.Conn, addr string) {
	defer client.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	greeting, err := readGreeting(server)
	if err != nil {
		return
	}
	version := bytes.IndexByte(greeting[5:], 0)
	greeting[5+version+14+1] |= 0x08 // CLIENT_SSL in the capabilities' second byte
	if _, err = client.Write(greeting); err != nil {
		return
	}
	go func() {
		io.Copy(server, client)
		server.Close()
	}()
	io.Copy(client, server)
}

// TestFullAuthentication logs in where the server has no cached hash yet: over
// plain TCP the password goes encrypted with the server's own key.
func TestFullAuthentication(t *testing.T) {
	srv := fixtures.ServerForTest(t, fixtures.MySQL, fixtures.ServerOptions{})
	for _, mode := range []TLSMode{TLSDisabled, TLSPreferred} {
		for _, plugin := range []string{"caching_sha2_password", "sha256_password"} {
			for _, pw := range []string{"p:w@ü'\\x", ""} {
				user := "u" + string(mode)[:1] + plugin[:1]
				execAll(t, srv, "DROP USER IF EXISTS "+user, "CREATE USER "+user+" IDENTIFIED WITH "+plugin+" BY "+quoteText(pw), "FLUSH PRIVILEGES")
				cfg := configOf(srv, fixtures.Crosscheck)
				cfg.User, cfg.Password, cfg.TLS = user, Secret(pw), mode
				s, err := Open(t.Context(), cfg, quiet())
				if err != nil {
					t.Errorf("%s, %s, password %q: %v", mode, plugin, pw, err)
					continue
				}
				// The pool's driver, too, must manage without the cache.
				execAll(t, srv, "FLUSH PRIVILEGES")
				s.db.SetMaxIdleConns(0)
				if err := s.db.Ping(); err != nil {
					t.Errorf("%s, %s, password %q: pool: %v", mode, plugin, pw, err)
				}
				s.Close()
			}
		}
	}
}

// TestStrangeListeners connects to what is no server, or a hanging one.
func TestStrangeListeners(t *testing.T) {
	for _, c := range []struct {
		name, says string
		want       error
	}{
		{"http", "HTTP/1.1 400 Bad Request\r\n\r\n", ErrNotMySQL},
		{"closes", "", ErrNoGreeting},
		{"X protocol", "\x05\x00\x00\x00\x0b\x08\x05\x1a\x00", ErrNotMySQL},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					conn, acceptErr := l.Accept()
					if acceptErr != nil {
						return
					}
					conn.Write([]byte(c.says))
					conn.Close()
				}
			}()
			_, err = Open(t.Context(), Config{Label: "new", Net: "tcp", Addr: l.Addr().String(), User: "u"}, quiet())
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			t.Log(err)
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := readGreeting(silent(t, l)); !errors.Is(err, ErrNoGreeting) {
		t.Errorf("a silent server: %v", err)
	}
}

func silent(t *testing.T, l net.Listener) net.Conn {
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(50 * time.Millisecond))
	return c
}
