package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"crosscheck/checksum"
	"crosscheck/report"
)

// output are the flags that say how a result is shown.
type output struct {
	format         string
	file           string
	showValues     bool
	maxDifferences int
}

func (o *output) register(f *pflag.FlagSet) {
	f.StringVar(&o.format, "format", "table", "table, json, markdown, html or junit")
	f.StringVar(&o.file, "output", "", "write the result to this file instead of stdout")
	f.BoolVar(&o.showValues, "show-values", false, "show the values of columns that differ; they are masked otherwise")
	f.IntVar(&o.maxDifferences, "max-differences", 20, "differing rows listed per table; the counts are always exact")
}

func (o *output) validate() error {
	if _, err := report.ParseFormat(o.format); err != nil {
		return usageError("%w", err)
	}
	if o.maxDifferences < 0 {
		return usageError("--max-differences %d: a number of rows is needed, 0 for none", o.maxDifferences)
	}
	return nil
}

// write renders a result where the flags say.
func (o *output) write(g *globals, c report.Check) error {
	format, err := report.ParseFormat(o.format)
	if err != nil {
		return usageError("%w", err)
	}
	doc := report.NewCheck(c, report.Options{ShowValues: o.showValues, MaxDifferences: o.maxDifferences})
	term := report.TermOptions{}
	if o.file == "" {
		term = report.TermOptions{Color: g.color(g.std.out), Width: width(g.std.out)}
		return report.Render(g.std.out, format, doc, term)
	}
	return report.WriteFile(o.file, func(w io.Writer) error { return report.Render(w, format, doc, term) })
}

// stateDir returns the folder that keeps a run: the one asked for, else one of the two servers' own.
func stateDir(asked string, v checksum.Survey) (string, error) {
	if asked != "" {
		return asked, nil
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no home folder to keep the state in: give --state DIR: %w", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	pair := sha256.Sum256([]byte(v.Old.ServerUUID + "|" + v.New.ServerUUID))
	return filepath.Join(base, "crosscheck", fmt.Sprintf("%x", pair[:6])), nil
}
