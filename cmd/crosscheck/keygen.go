package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"crosscheck/gate/certificate"
)

func newKeygenCommand(g *globals) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "keygen --output FILE",
		Short: "Make a key that signs certificates",
		Long: `keygen makes an ed25519 key: the private part in FILE, readable by its owner only, the public part in FILE.pub.
Files that exist are never overwritten. The fingerprint on stdout is what plans and certificates name.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if file == "" {
				return usageError("no file for the key: give --output FILE")
			}
			return keygen(g, file)
		},
	}
	c.Flags().StringVar(&file, "output", "", "file of the private key; the public key goes into a file beside it, with .pub behind its name")
	return c
}

func keygen(g *globals, file string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	secret, open, err := certificate.MarshalKeys(private)
	if err != nil {
		return err
	}
	if err := writeNew(file, secret, 0o600); err != nil {
		return err
	}
	if err := writeNew(file+".pub", open, 0o644); err != nil {
		_ = os.Remove(file) // half a pair helps nobody, and this half is ours
		return err
	}
	fmt.Fprintln(g.std.out, certificate.Fingerprint(public))
	return nil
}

// writeNew writes a file that must not exist yet.
func writeNew(file string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return usageError("%s exists and is not overwritten: give another --output, or remove it", file)
	}
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(file)
		return fmt.Errorf("write key %s: %w", file, err)
	}
	return nil
}
