package fault

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain is also the process that panics, in a goroutine of its own.
func TestMain(m *testing.M) {
	if os.Getenv("FAULT_PANICS") != "" {
		done := make(chan struct{})
		go func() {
			defer Guard()
			none := map[string]int(nil)
			if len(os.Args) > 0 {
				none["a"] = 1 //nolint:staticcheck // the fault
			}
		}()
		<-done
	}
	os.Exit(m.Run())
}

func TestPanicIsNoVerdict(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "FAULT_PANICS=1", "TMPDIR="+dir)
	var out strings.Builder
	cmd.Stderr = &out
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != ExitCode {
		t.Fatalf("ended with %v, want exit code %d; %s", err, ExitCode, out.String())
	}
	line := strings.TrimSuffix(out.String(), "\n")
	_, file, ok := strings.Cut(line, "the stack in ")
	if !ok || strings.Contains(line, "\n") || !strings.Contains(line, "assignment to entry in nil map") {
		t.Fatalf("%q is not one line with the fault and a file", line)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, mode %v", err, info.Mode())
	}
	if stack, err := os.ReadFile(file); err != nil || !strings.Contains(string(stack), "TestMain") {
		t.Errorf("%v: the stack is\n%s", err, stack)
	}
}

func TestLine(t *testing.T) {
	if got := Line(" a\n\tb\xff \n"); got != "a b\uFFFD" {
		t.Errorf("%q", got)
	}
	for _, size := range []int{70_000, 5 << 20} {
		got := Line("begins " + strings.Repeat("x", size) + " ends")
		if len([]rune(got)) > lineLimit+10 || !strings.HasPrefix(got, "begins x") || !strings.HasSuffix(got, "x ends") {
			t.Errorf("%d bytes give %d: %.20q … %q", size, len(got), got, got[max(0, len(got)-20):])
		}
	}
}
