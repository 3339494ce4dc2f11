package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// report is the outcome of a run of this program.
type report struct {
	Schema     string         `json:"schema"`
	Started    time.Time      `json:"started"`
	CPUs       int            `json:"cpus"`
	Platform   string         `json:"platform"`
	Reps       int            `json:"reps"`
	CheckArgs  []string       `json:"check_args,omitempty"`
	NoTLS      bool           `json:"no_tls"`
	LoadBefore float64        `json:"load_before"` // of the last minute; -1 if not known
	LoadAfter  float64        `json:"load_after"`
	Families   []familyReport `json:"families"`
}

// familyReport is the outcome for one family of servers.
type familyReport struct {
	Family     string   `json:"family"`
	Version    string   `json:"version"`
	Rows       int64    `json:"rows"`
	SecondRows int64    `json:"second_rows"`
	Measures   []series `json:"measures"`
	Goals      []goal   `json:"goals"`
}

// measure finds a series; one without values if there is none.
func (r familyReport) measure(name string) series {
	for _, s := range r.Measures {
		if s.Name == name {
			return s
		}
	}
	return series{Name: name}
}

func newReport(o options) report {
	return report{
		Schema: "crosscheck/bench/v1", Started: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU(),
		Platform: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH, Reps: o.reps, CheckArgs: o.checkArgs, NoTLS: o.noTLS,
		LoadBefore: loadAverage(), Families: []familyReport{},
	}
}

func (r report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// busyLoad is a load of the machine, before anything was started, above which times say little.
const busyLoad = 0.5

func (r report) writeTable(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Families {
		fmt.Fprintf(&b, "%s %s, %d rows on each side, second table %d rows, %d repetitions in turns\n\n", f.Family, f.Version, f.Rows, f.SecondRows, r.Reps)
		fmt.Fprintf(&b, "  %-44s %12s %12s %12s\n", "measured", "min", "median", "max")
		for _, s := range f.Measures {
			fmt.Fprintf(&b, "  %-44s %12.2f %12.2f %12.2f\n", strings.ReplaceAll(s.Name, "_", " "), s.Min, s.Median, s.Max)
		}
		fmt.Fprintf(&b, "\n  %-44s %12s %12s %12s\n", "ratio of medians, or worst value", "measured", "goal", "")
		for _, g := range f.Goals {
			fmt.Fprintf(&b, "  %-44s %12s %12s %12s\n", g.What, g.figure(g.Value), g.limit(), g.verdict())
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d cores, %s, load %.2f before and %.2f after\n", r.CPUs, r.Platform, r.LoadBefore, r.LoadAfter)
	if r.NoTLS {
		b.WriteString("Servers without TLS.\n")
	}
	if r.LoadBefore > busyLoad {
		b.WriteString("The machine was not quiet when this began: the figures may say more about its other work.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (g goal) figure(v float64) string {
	if g.Unit == "" {
		return fmt.Sprintf("%.2f ×", v)
	}
	return fmt.Sprintf("%.2f %s", v, g.Unit)
}

func (g goal) limit() string {
	if g.Limit == 0 {
		return "none"
	}
	return "≤ " + g.figure(g.Limit)
}

func (g goal) verdict() string {
	switch {
	case g.Limit == 0:
		return "-"
	case g.Met:
		return "met"
	}
	return "MISSED"
}
