package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// Format is a form a document can be rendered in.
type Format string

// The formats.
const (
	FormatTable    Format = "table" // for a terminal
	FormatJSON     Format = "json"
	FormatMarkdown Format = "markdown"
	FormatHTML     Format = "html" // one page without external resources
	FormatJUnit    Format = "junit"
)

// Formats lists all formats in the order of the help text.
func Formats() []Format {
	return []Format{FormatTable, FormatJSON, FormatMarkdown, FormatHTML, FormatJUnit}
}

// ParseFormat returns the format of that name; the error lists those that exist.
func ParseFormat(name string) (Format, error) {
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		if string(f) == name {
			return f, nil
		}
		names = append(names, string(f))
	}
	return "", fmt.Errorf("unknown format %q: use one of %s", name, strings.Join(names, ", "))
}

// TermOptions say what the terminal can do. They matter to FormatTable only.
type TermOptions struct {
	Color bool
	Width int // cells; less than 80 counts as 80
}

// Render writes doc to w in the given format.
func Render(w io.Writer, format Format, doc CheckDocument, opt TermOptions) error {
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case FormatTable:
		err = renderTerminal(out, &doc, opt)
	case FormatJSON:
		err = renderJSON(out, doc)
	case FormatMarkdown:
		err = renderMarkdown(out, &doc)
	case FormatHTML:
		err = renderHTML(out, &doc)
	case FormatJUnit:
		err = renderJUnit(out, &doc)
	default:
		_, err = ParseFormat(string(format))
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("render report as %s: %w", format, err)
	}
	return nil
}

// WriteFile writes what render produces to path. A regular file appears whole or not at all, and an earlier one stays
// as it was if anything fails; a device or pipe, which a rename would destroy, is written to directly. Reports hold keys
// and may hold values: only this user may read the file, whatever the umask and an earlier file say.
func WriteFile(path string, render func(io.Writer) error) error {
	return write(path, render, renameio.WithStaticPermissions(0o600))
}

// WriteOpenFile is WriteFile for what is no secret.
func WriteOpenFile(path string, render func(io.Writer) error) error {
	return write(path, render, renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
}

func write(path string, render func(io.Writer) error, mode ...renameio.Option) error {
	if err := writeFile(path, render, mode); err != nil {
		var at *fs.PathError
		if errors.As(err, &at) { // names the temporary file, which tells the reader nothing
			err = at.Err
		}
		return fmt.Errorf("write report to %s: %w", path, err)
	}
	return nil
}

func writeFile(path string, render func(io.Writer) error, mode []renameio.Option) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // replace what the link points to, not the link
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return errors.New("is a directory")
		}
		return writeDirectly(path, render)
	}
	f, err := renameio.NewPendingFile(path, mode...)
	if err != nil {
		return err
	}
	defer f.Cleanup() //nolint:errcheck // after the replacement it does nothing; before it the first error counts
	if err := render(f); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

func writeDirectly(path string, render func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = render(f)
	return errors.Join(err, f.Close())
}
