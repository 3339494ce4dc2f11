package main

import (
	"slices"
	"strings"

	"crosscheck/conflict"
	"crosscheck/report"
)

// parseKeeps reads --keep: by "" for all, or by a kind or an ID.
func parseKeeps(list []string) (map[string]report.Keep, error) {
	out := map[string]report.Keep{}
	for _, text := range list {
		of, word, some := strings.Cut(text, "=")
		if !some {
			of, word = "", text
		}
		if !slices.Contains(report.Keeps(), report.Keep(word)) {
			return nil, usageError("--keep %s: old, new, newer or both is needed, alone or as KIND=… or ID=…", text)
		}
		var k conflict.Kind
		if some && len(of) != 32 && k.UnmarshalText([]byte(of)) != nil {
			return nil, usageError("--keep %s: %q is neither a kind of finding nor the id of one", text, of)
		}
		out[of] = report.Keep(word)
	}
	return out, nil
}

// choose gives each finding what was chosen: by its id before its kind, and on the command line before the file.
func (o *mendFlags) choose(list []report.MendFinding, keeps map[string]report.Keep) error {
	var file map[string]report.Keep
	if o.choices != "" {
		var err error
		if file, err = o.readOrWrite(list); err != nil {
			return err
		}
	}
	for i := range list {
		f := &list[i]
		for _, k := range []report.Keep{keeps[""], file[f.Kind.String()], keeps[f.Kind.String()], file[f.ID], keeps[f.ID]} {
			if k != "" && (f.ID != "" || k == keeps[""]) {
				f.Keep = k
			}
		}
	}
	return nil
}
