package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestGolden(t *testing.T) {
	extensions := map[Format]string{
		FormatTable: "txt", FormatJSON: "json", FormatMarkdown: "md", FormatHTML: "html", FormatJUnit: "xml",
	}
	for name, doc := range samples() {
		for format, ext := range extensions {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				var b bytes.Buffer
				if err := Render(&b, format, doc, TermOptions{}); err != nil {
					t.Fatal(err)
				}
				golden(t, name+"."+ext, b.Bytes())
			})
		}
	}
	t.Run("color", func(t *testing.T) {
		var b bytes.Buffer
		if err := Render(&b, FormatTable, samples()["different-shown"], TermOptions{Color: true, Width: 120}); err != nil {
			t.Fatal(err)
		}
		golden(t, "different-color-120.ansi", b.Bytes())
	})
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (-want +got); rewrite with -update if that is meant:\n%s", path, d)
	}
}
