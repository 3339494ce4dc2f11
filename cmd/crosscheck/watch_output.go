package main

import (
	"errors"
	"io"
	"os"

	"crosscheck/conflict/watch"
	"crosscheck/report"
)

// watchOutput is where a watch shows itself: findings as JSON lines on stdout, or a view on stderr and a summary on
// stdout.
type watchOutput struct {
	format report.Format
	view   *report.WatchView
	log    io.Writer
	file   *os.File
}

// listedFindings is how many findings the summary lists, the newest; all of them are in the ledger.
const listedFindings = 20

// newWatchOutput chooses: JSON lines where they are asked for or where stdout is no terminal.
func newWatchOutput(g *globals, o *watchFlags) (*watchOutput, error) {
	if o.format == "" {
		o.format = "table"
		if !isTerminal(g.std.out) && o.file == "" {
			o.format = "json"
		}
	}
	format, err := report.ParseFormat(o.format)
	if err != nil {
		return nil, usageError("%w", err)
	}
	out := &watchOutput{format: format, log: g.std.err}
	options := report.WatchOptions{JSON: o.format == "json", ShowValues: o.showValues, Color: g.color(g.std.err)}
	to := g.std.err
	switch {
	case options.JSON && o.file != "":
		// Lines are added: a watch that goes on goes on in its file, too.
		if out.file, err = os.OpenFile(o.file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return nil, err
		}
		if info, err := out.file.Stat(); err == nil && info.Mode().IsRegular() {
			if err = out.file.Chmod(0o600); err != nil {
				return nil, errors.Join(err, out.file.Close())
			}
		}
		to = out.file
	case options.JSON:
		to = g.std.out
	case g.quiet:
		to = io.Discard
	case isTerminal(g.std.err):
		options.Terminal = true
		options.Size = func() (int, int) { return size(g.std.err) }
	}
	out.view = report.NewWatchView(to, options)
	if options.Terminal {
		out.log = out.view
	}
	return out, nil
}

func (w *watchOutput) close() {
	_ = w.view.Close()
	if w.file != nil {
		_ = w.file.Close()
	}
}

// finish writes the summary. Where the reader of the findings has stopped reading, it is not written after them.
func (w *watchOutput) finish(g *globals, o *watchFlags, s watch.Status, listed []report.WatchFinding) error {
	err := w.view.Close()
	if err != nil && w.format == "json" {
		return err
	}
	doc := report.NewWatchSummary(s, listed)
	doc.NotWritten = w.view.Lost()
	render := func(to io.Writer, term report.TermOptions) error { return report.RenderWatch(to, w.format, doc, term) }
	var werr error
	switch {
	case w.file != nil:
		werr = render(w.file, report.TermOptions{})
	case o.file != "":
		werr = report.WriteFile(o.file, func(to io.Writer) error { return render(to, report.TermOptions{}) })
	default:
		werr = render(g.std.out, report.TermOptions{Color: g.color(g.std.out), Width: width(g.std.out)})
	}
	if werr != nil {
		return werr
	}
	return err
}
