package preflight

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the sections of docs/what-if-preflight.md anew from the catalog")

const pagePath = "../../docs/what-if-preflight.md"

// pageBegin is where the page's own words end and the catalog begins.
const pageBegin = "## Servers and access\n"

func pageText() string {
	var b strings.Builder
	for i, s := range Sections() {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "## %s\n", s.Title)
		for _, e := range s.Entries {
			fmt.Fprintf(&b, "\n### %s\n\n%s (%s).\n\n**Means:** %s\n\n**Do:** %s\n", e.ID, strings.ToUpper(e.Title[:1])+e.Title[1:], e.Severity, e.Means, e.Do)
		}
	}
	return b.String()
}

// TestPage keeps the catalog and the page equal, both ways.
func TestPage(t *testing.T) {
	raw, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	head, _, found := strings.Cut(page, pageBegin)
	if !found {
		t.Fatalf("the page lacks %q", pageBegin)
	}
	if *update {
		page = head + pageText()
		if err := os.WriteFile(pagePath, []byte(page), 0o644); err != nil { //nolint:gosec // a page to be read by everybody
			t.Fatal(err)
		}
	}
	if page != head+pageText() {
		t.Error("the page is not what the catalog says: go test ./gate/preflight -run TestPage -update")
	}
	var ids []string
	for _, m := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(page, -1) {
		ids = append(ids, m[1])
	}
	for _, id := range ids {
		if _, ok := Lookup(id); !ok {
			t.Errorf("the page explains %s, which nothing finds", id)
		}
	}
	for _, e := range Catalog() {
		if !slices.Contains(ids, e.ID) {
			t.Errorf("the page lacks %s", e.ID)
		}
	}
}

func TestCatalog(t *testing.T) {
	seen := map[string]bool{}
	snake := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	for _, e := range Catalog() {
		if seen[e.ID] || !snake.MatchString(e.ID) {
			t.Errorf("%s: twice, or not a name", e.ID)
		}
		seen[e.ID] = true
		if e.Title == "" || e.Severity.rank() < 0 || !strings.HasSuffix(e.Means, ".") || !strings.Contains(e.Do, ".") {
			t.Errorf("%s: incomplete: %+v", e.ID, e)
		}
	}
}
