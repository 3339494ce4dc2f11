package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"crosscheck/checksum"
	"crosscheck/gate"
	"crosscheck/gate/certificate"
	"crosscheck/gate/record"
	"crosscheck/internal/file"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

func newGateCertifyCommand(g *globals) *cobra.Command {
	var o gateFlags
	var key, output string
	c := &cobra.Command{
		Use:   "certify --plan FILE --key FILE",
		Short: "Sign a certificate of how the migration stands, with all it rests on",
		Long: `Sign a certificate of how the migration stands by what is recorded: each gate with its reasons, the evidence
by hash, positions, coverage, overrides, and what crosscheck cannot see. It can be checked offline by
crosscheck verify. No server is asked: run gate status before.

Exit codes: 0 written, 3 could not run, 64 usage or plan error. The state of the gates is in the certificate.`,
		Example: `  crosscheck keygen --output migration.key
  crosscheck gate certify --plan migration.toml --key migration.key --output certificate.json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if key == "" {
				return usageError("--key FILE is needed: crosscheck keygen makes one")
			}
			text, err := file.ReadSecret(key)
			if err != nil {
				return usageError("--key: %w", err)
			}
			private, err := certificate.ParsePrivateKey(text)
			if err != nil {
				return usageError("--key %s: %w", key, err)
			}
			o.offline = true
			m, err := openMigration(c.Context(), g, o)
			if err != nil {
				return err
			}
			defer m.close()
			return m.certify(c, private, output)
		},
	}
	o.register(c.Flags())
	c.Flags().StringVar(&key, "key", "", "private key, as keygen writes it")
	c.Flags().StringVar(&output, "output", "", "write the certificate to this file instead of stdout")
	return c
}

func (m *migration) certify(c *cobra.Command, key ed25519.PrivateKey, output string) error {
	s := m.judge()
	if err := m.decide(c.Context(), s, ""); err != nil {
		return err
	}
	old, new, err := m.versions(c)
	if err != nil {
		return err
	}
	checks, watches, err := m.history(c.Context(), s)
	if err != nil {
		return err
	}
	doc := certificate.New(s, m.plan, m.evidence.All(), certificate.Options{
		Version: version(), OldVersion: old, NewVersion: new, Further: m.hidden(s), Checks: checks, Watches: watches,
	})
	text, err := certificate.Sign(doc, key)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}
	if output == "" {
		return write(m.g.std.out)
	}
	if err := report.WriteFile(output, write); err != nil {
		return err
	}
	if !m.g.quiet {
		fmt.Fprintf(m.g.std.err, "%s: %s, signed by %s\n", output, s.State, certificate.Fingerprint(public(key)))
	}
	return nil
}

// history is all that is remembered of checks and watches of the plan's servers.
func (m *migration) history(ctx context.Context, s gate.Status) ([]certificate.Checked, []certificate.Watched, error) {
	runs, err := m.book.Stored(ctx, checksum.EndpointInfo{ServerUUID: s.Old}, checksum.EndpointInfo{ServerUUID: s.New},
		func(record.Run) bool { return false })
	if err != nil {
		return nil, nil, err
	}
	aim := m.aim(s)
	damage := &record.Damage{Runs: runs, Whole: aim.Enough, Lists: m.book.Lister(ctx)}
	accounts, err := m.accounts(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	watches := make([]certificate.Watched, 0, len(accounts))
	for _, a := range accounts {
		t := record.Tally{Account: a, Damage: damage}
		var w *ledger.Watch
		if w, err = m.book.ReadWatch(ctx, a.ID); err != nil {
			return nil, nil, err
		}
		if err = errors.Join(w.EachFound(ctx, t.Found), w.EachFate(ctx, t.Row)); err != nil {
			return nil, nil, err
		}
		watches = append(watches, t.Watched())
	}
	return record.Checked(runs), watches, nil
}

// hidden lists what the newest preflight of the plan could not see.
func (m *migration) hidden(s gate.Status) []string {
	for e := range m.evidence.Backward() {
		c, ok := e.Content.(gate.Preflight)
		if !ok || e.Old != s.Old || e.New != s.New || e.Plan != m.hash {
			continue
		}
		return record.Hidden(c)
	}
	return nil
}

// versions are those of the two servers when they were last compared.
func (m *migration) versions(c *cobra.Command) (old, new string, err error) {
	s := m.judge()
	runs, err := m.book.Runs(c.Context())
	for _, r := range runs {
		if r.Old.ServerUUID == s.Old && r.New.ServerUUID == s.New {
			return r.Old.Version, r.New.Version, err
		}
	}
	return "", "", err
}

// version is that of the program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func public(key ed25519.PrivateKey) ed25519.PublicKey {
	p, _ := key.Public().(ed25519.PublicKey)
	return p
}

// rehearsal takes the certificate of a rehearsal as evidence.
func (m *migration) rehearsal(from string) error {
	text, err := file.Read(from)
	if err != nil {
		return usageError("--certificate: %w", err)
	}
	v, err := certificate.Verify(text, nil)
	if err != nil {
		return usageError("--certificate %s: %w", from, err)
	}
	sum := sha256.Sum256(text)
	c := record.Rehearsal(v, hex.EncodeToString(sum[:]))
	if c.Issued.IsZero() || c.Issued.After(time.Now()) {
		return usageError("--certificate %s: it does not say when it was issued, or says a time to come", from)
	}
	e, err := m.make(m.judge(), c)
	if err != nil {
		return err
	}
	m.keep(e, false)
	return nil
}
