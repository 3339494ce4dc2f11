package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"crosscheck/internal/file"
)

// tlsChoice is what a TLSMode comes to.
type tlsChoice struct {
	config    *tls.Config // nil: do not encrypt
	required  bool
	preferred bool
}

func newTLSChoice(cfg Config) (tlsChoice, error) {
	t := tlsChoice{preferred: cfg.TLS == TLSPreferred}
	if cfg.TLS == TLSDisabled || (t.preferred && cfg.Net == "unix") {
		return t, nil // what goes through a socket does not leave the machine
	}
	t.required = !t.preferred
	fail := func(problem string, err error) (tlsChoice, error) {
		return t, &ConfigError{Label: cfg.Label, Problem: problem, Mend: "correct the file, which must be PEM", Err: err}
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.ServerName}
	if c.ServerName == "" && cfg.Net == "tcp" {
		c.ServerName, _, _ = net.SplitHostPort(cfg.Addr)
	}
	if cfg.CAFile != "" {
		pem, err := file.Read(cfg.CAFile)
		if err != nil {
			return fail("the file of ssl-ca cannot be read", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return fail(fmt.Sprintf("the file of ssl-ca (%s) holds no certificate", cfg.CAFile), nil)
		}
	}
	if cfg.CertFile != "" {
		pair, err := keyPair(cfg)
		if errors.Is(err, file.ErrShared) {
			return t, &ConfigError{Label: cfg.Label, Problem: "ssl-key is not used", Err: err}
		}
		if err != nil {
			return fail("ssl-cert and ssl-key cannot be used", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	switch cfg.TLS {
	case TLSVerifyIdentity:
	case TLSVerifyCA:
		// The library has no check of the chain without the name, so ours
		// replaces it.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, c.RootCAs) }
	default:
		c.InsecureSkipVerify = true
	}
	if t.preferred {
		// Servers of the 5.x age speak nothing newer. Whoever accepts no
		// encryption at all gains from a weak one; the other modes promise more.
		c.MinVersion = tls.VersionTLS10
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			c.CipherSuites = append(c.CipherSuites, suite.ID)
		}
	}
	t.config = c
	return t, nil
}

// keyPair reads the client's certificate and its key, which others may not read.
func keyPair(cfg Config) (tls.Certificate, error) {
	cert, err := file.Read(cfg.CertFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := file.ReadSecret(cfg.KeyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server sent no certificate")
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := state.PeerCertificates[0].Verify(o); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}

// handshake watches one connection's TLS handshake, whose failures the library
// does not tell apart from others.
type handshake struct {
	config *tls.Config
	done   bool
}

func newHandshake(base *tls.Config) *handshake {
	h := &handshake{config: base.Clone()}
	h.config.VerifyConnection = func(state tls.ConnectionState) error {
		if base.VerifyConnection != nil {
			if err := base.VerifyConnection(state); err != nil {
				return err
			}
		}
		h.done = true
		return nil
	}
	return h
}

// explain marks an error that came before the handshake was done.
func (h *handshake) explain(err error) error {
	if h == nil || h.done || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &handshakeError{err}
}

// handshakeError is a TLS handshake that failed.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }

func (e *handshakeError) Unwrap() error { return e.err }

// mayGiveUp tells whether err is a failed handshake that the mode allows to do
// without. A silent peer is no reason: it would be silent without TLS, too.
func (t tlsChoice) mayGiveUp(err error) bool {
	var h *handshakeError
	return t.preferred && t.config != nil && errors.As(err, &h) && !errors.Is(err, os.ErrDeadlineExceeded)
}
