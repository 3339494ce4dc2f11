package main

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"crosscheck/gate/certificate"
)

func newVerifyCommand(g *globals) *cobra.Command {
	var keyFile string
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify a migration's certificate, offline",
		Long: `verify says what a certificate certifies, or what in it was changed since it was signed. It asks no server.

Without --key it can only tell that the certificate agrees with the key that it carries itself: anybody can make such a
one. With --key it must be signed by that key.

Exit codes: 0 genuine, 1 changed or signed by another key, 3 not readable, 64 no certificate or no key.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return verify(g, args[0], keyFile) },
	}
	c.Flags().StringVar(&keyFile, "key", "", "public key that must have signed it: the .pub file that keygen wrote")
	return c
}

// certificateLimit bounds what is read: a certificate has some hundred kilobytes at most.
const certificateLimit = 64 << 20

func verify(g *globals, file, keyFile string) error {
	var key ed25519.PublicKey
	if keyFile != "" {
		text, err := readLimited(keyFile)
		if err != nil {
			return fmt.Errorf("read key: %w", err)
		}
		if key, err = certificate.ParsePublicKey(text); err != nil {
			return usageError("key %s: %w", keyFile, err)
		}
	}
	text, err := readLimited(file)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	v, err := certificate.Verify(text, key)
	if err != nil {
		return usageError("certificate %s: %w", file, err)
	}
	if !v.Genuine() {
		fmt.Fprintf(g.std.out, "NOT GENUINE: %s\n", file)
		for _, c := range v.Changes {
			fmt.Fprintf(g.std.out, "  %s\n", c)
		}
		return &exitError{code: exitDifferent}
	}
	if v.Trusted {
		fmt.Fprintf(g.std.out, "genuine: signed by the key %s\n", keyFile)
	} else {
		fmt.Fprintln(g.std.out, "self-consistent only: it agrees with the key that it carries; give --key to know who signed it")
	}
	fmt.Fprint(g.std.out, v.Document.Summary())
	return nil
}

func readLimited(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, certificateLimit+1))
	if err == nil && len(text) > certificateLimit {
		err = fmt.Errorf("%s is larger than %d MB", file, certificateLimit>>20)
	}
	return text, err
}
