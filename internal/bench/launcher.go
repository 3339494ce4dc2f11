package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// launcherArg makes this program the launcher of another one. Linux counts the memory of the process that starts a
// program into the started one's peak (ru_maxrss survives exec), and this process is large after it has made millions
// of rows; a fresh copy of it is small.
const launcherArg = "launch-measured"

// launched is what the launcher says about the program it ran.
type launched struct {
	Exit   int           `json:"exit"`
	Wall   time.Duration `json:"wall_ns"`
	CPU    time.Duration `json:"cpu_ns"`
	MaxRSS int64         `json:"max_rss_bytes"`
	Stdout string        `json:"stdout"`
	Stderr string        `json:"stderr"`
}

// launch runs a program to its end through the launcher. That it exits with another code than 0 is no error.
func launch(ctx context.Context, program string, args []string) (launched, error) {
	var l launched
	self, err := os.Executable()
	if err != nil {
		return l, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{launcherArg, program}, args...)...)
	// The program ends in order when it is asked to, and the launcher with it.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return l, fmt.Errorf("launch %s: %w: %s", program, err, stderr.Bytes())
	}
	return l, json.Unmarshal(out, &l)
}

// launcher is the launcher's main program.
func launcher(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	l := launched{
		Exit: cmd.ProcessState.ExitCode(), Wall: wall, Stdout: out.String(), Stderr: complaints.String(),
		CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
	}
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		l.MaxRSS = ru.Maxrss << 10 // Linux counts in KiB
	}
	if err := json.NewEncoder(stdout).Encode(l); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return 0
}
