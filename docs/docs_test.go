// Package docs_test keeps the documents true where a program can tell: flags, links, symbols and messages that they name
// must exist.
package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// documents maps each document's path, from this folder, to its text.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, p := range append(paths, "../README.md") {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[p] = string(text)
	}
	if len(out) < 5 {
		t.Fatalf("only %d documents were found", len(out))
	}
	return out
}

var (
	flagText = regexp.MustCompile(`(?:^|[\s'"(|\x60])--([a-z][a-z-]+)`)
	helpFlag = regexp.MustCompile(`(?m)^\s+(?:-\w, )?--([a-z][a-z-]+)`)
)

// foreign are flags of other programs that the documents name.
var foreign = []string{"function"}

// help returns the flags of each subcommand, and under "" those of all.
func help(t *testing.T) map[string][]string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "crosscheck")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../cmd/crosscheck").CombinedOutput(); err != nil {
		t.Fatalf("build crosscheck: %v\n%s", err, out)
	}
	flags := make(map[string][]string)
	for _, command := range []string{
		"check", "preflight", "watch", "topology", "plan init", "plan replace-node", "gate status", "gate check", "gate wait", "gate override", "gate certify",
		"keygen", "verify", "repair", "mend", "report", "demo", "fixture up", "fixture down", "fixture list",
	} {
		out, err := exec.CommandContext(t.Context(), binary, append(strings.Fields(command), "--help")...).Output()
		if err != nil {
			t.Fatalf("%s --help: %v", command, err)
		}
		for _, m := range helpFlag.FindAllStringSubmatch(string(out), -1) {
			flags[command] = append(flags[command], m[1])
			flags[""] = append(flags[""], m[1])
		}
	}
	return flags
}

func TestFlagsExist(t *testing.T) {
	known := help(t)
	if len(known["check"]) < 10 {
		t.Fatalf("the help of check was not understood: %v", known["check"])
	}
	commandLine := regexp.MustCompile(`crosscheck (check|preflight|topology|plan init|gate (?:status|check|wait|override|certify)|keygen|verify|repair|mend|report|demo|fixture (?:up|down|list))\b([^\x60\n]*)`)
	for path, text := range documents(t) {
		for _, m := range flagText.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(known[""], m[1]) && !slices.Contains(foreign, m[1]) {
				t.Errorf("%s names --%s, which no command has", path, m[1])
			}
		}
		text = strings.ReplaceAll(text, "\\\n", " ")
		for _, line := range commandLine.FindAllStringSubmatch(text, -1) {
			for _, m := range flagText.FindAllStringSubmatch(line[2], -1) {
				if !slices.Contains(known[line[1]], m[1]) {
					t.Errorf("%s: crosscheck %s has no --%s", path, line[1], m[1])
				}
			}
		}
	}
}

func TestLinksResolve(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docs := documents(t)
	for path, text := range docs {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", path, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(docs[target]), anchor) {
				t.Errorf("%s links to %s, which has no such heading", path, m[1])
			}
		}
	}
}

// anchors lists the headings of a document as links name them.
func anchors(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		out = append(out, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title)))
	}
	return out
}

// source is all Go source that is not a test.
func source(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		b.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDesignNamesSymbolsThatExist(t *testing.T) {
	code := source(t)
	symbol := regexp.MustCompile("`[A-Za-z]+\\.([A-Za-z]+)`")
	found := symbol.FindAllStringSubmatch(documents(t)["design.md"], -1)
	if len(found) == 0 {
		t.Fatal("design.md names no symbol")
	}
	for _, m := range found {
		declared := regexp.MustCompile(fmt.Sprintf(`(?m)^(?:func (?:\([^)]*\) )?|type )%s\b`, m[1]))
		if !declared.MatchString(code) {
			t.Errorf("design.md names %s, which is not declared", m[0])
		}
	}
}

// TestGuideExplainsMessagesThatExist looks for the messages that the guide's headings quote, piece by piece, since the
// guide writes … where the program puts names and numbers.
func TestGuideExplainsMessagesThatExist(t *testing.T) {
	code := source(t)
	heading := regexp.MustCompile(`(?m)^### (.*\*.*)$`)
	quoted := regexp.MustCompile(`\*([^*]+)\*`)
	pieces := regexp.MustCompile(`…|\b(?:old|new)\b|[()]`)
	seen := 0
	for _, h := range heading.FindAllStringSubmatch(documents(t)["guide.md"], -1) {
		for _, q := range quoted.FindAllStringSubmatch(h[1], -1) {
			for _, piece := range pieces.Split(q[1], -1) {
				if piece = strings.TrimSpace(strings.Trim(piece, " :,")); len(piece) < 4 {
					continue
				}
				seen++
				if !strings.Contains(code, piece) {
					t.Errorf("guide.md explains %q: no source has %q", q[1], piece)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d pieces of messages were found in guide.md", seen)
	}
}
