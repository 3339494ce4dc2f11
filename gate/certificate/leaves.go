package certificate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrMalformed is wrapped by errors that say that a text is no certificate.
var ErrMalformed = errors.New("it is no certificate")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// maxDepth bounds nesting, so that no text exhausts the stack.
const maxDepth = 64

// parse reads JSON into its values by JSON pointer. Empty objects and lists are values. Keys that come twice are refused:
// which of them a reader takes is anybody's guess.
func parse(text []byte) (map[string]string, error) {
	if !utf8.Valid(text) {
		return nil, malformed("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	w := walker{d: d, out: make(map[string]string)}
	if err := w.value("", 0); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("there is text after its end")
	}
	return w.out, nil
}

type walker struct {
	d   *json.Decoder
	out map[string]string
}

func (w *walker) value(path string, depth int) error {
	t, err := w.d.Token()
	if err != nil {
		return malformed("%v", strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if depth > maxDepth {
		return malformed("it is nested too deeply at %.40s…", path)
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '{' {
			return w.object(path, depth)
		}
		return w.list(path, depth)
	case json.Number:
		w.out[path] = v.String()
	case nil:
		w.out[path] = "null"
	case bool:
		w.out[path] = strconv.FormatBool(v)
	case string:
		text, err := json.Marshal(v)
		if err != nil {
			return malformed("%v", err)
		}
		w.out[path] = string(text)
	}
	return nil
}

func (w *walker) object(path string, depth int) error {
	seen := make(map[string]bool)
	for w.d.More() {
		t, err := w.d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return malformed("a key is missing in %s", name(path))
		}
		if seen[key] {
			return malformed("%s holds the key %q twice", name(path), key)
		}
		seen[key] = true
		if err := w.value(path+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key), depth+1); err != nil {
			return err
		}
	}
	return w.end(path, len(seen), "{}")
}

func (w *walker) list(path string, depth int) error {
	n := 0
	for ; w.d.More(); n++ {
		if err := w.value(path+"/"+strconv.Itoa(n), depth+1); err != nil {
			return err
		}
	}
	return w.end(path, n, "[]")
}

func (w *walker) end(path string, n int, empty string) error {
	if _, err := w.d.Token(); err != nil {
		return malformed("%s does not end", name(path))
	}
	if n == 0 {
		w.out[path] = empty
	}
	return nil
}

// name is a pointer as people read it.
func name(path string) string {
	if path == "" {
		return "the whole"
	}
	return path
}

// hashes are the hashes of the content's values, each with its place.
func hashes(values map[string]string) map[string]string {
	out := make(map[string]string, len(values))
	for path, v := range values {
		if !within(path, "/seal") && !within(path, "/signature") {
			out[path] = hash(path + "\x00" + v)
		}
	}
	return out
}

// within tells whether a pointer is at or below another.
func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// digest is the hash of all hashes.
func digest(leaves map[string]string) string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(leaves)) {
		b.WriteString(strconv.Quote(path) + " " + leaves[path] + "\n")
	}
	return hash(b.String())
}
