// Package fault keeps a panic from looking like a verdict: Go ends a process that panics with exit code 2, which is
// "undecided" here.
package fault

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

// ExitCode is that of a run that could not be done.
const ExitCode = 3

// Guard stands first, deferred, in the function at each goroutine's top. A panic ends the process there with one line that
// names a file with the stack, and ExitCode: what other goroutines would do with half of the truth is not known.
func Guard() {
	if p := recover(); p != nil {
		fmt.Fprintln(os.Stderr, "crosscheck: "+describe(p, debug.Stack()))
		os.Exit(ExitCode)
	}
}

// describe keeps the stack in a file of this user's only, and returns the line to print.
func describe(p any, stack []byte) string {
	line := fmt.Sprintf("a fault of crosscheck itself, nothing is proven by this run: %s", Line(fmt.Sprint(p)))
	f, err := os.CreateTemp("", "crosscheck-fault-*.txt") // its mode is 0600
	if err != nil {
		return line + "; its stack could not be kept: " + Line(err.Error())
	}
	_, err = fmt.Fprintf(f, "%v\n\n%s", p, stack)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return line + "; its stack could not be kept: " + Line(err.Error())
	}
	return line + "; please report it with the stack in " + f.Name()
}

// lineLimit bounds a message, in runes.
const lineLimit = 4000

// Line folds a message into one line of bounded length. The middle of a long one is left out: how it begins tells what
// was done, and how it ends tells the cause.
func Line(s string) string {
	const keep = lineLimit / 2
	cut := ""
	if len(s) > 16*lineLimit { // a message of gigabytes is not worth folding
		s, cut = s[:8*lineLimit], s[len(s)-8*lineLimit:]
	}
	s = fold(s)
	if cut != "" {
		s += " … " + fold(cut)
	}
	if r := []rune(s); len(r) > lineLimit {
		s = string(r[:keep]) + " … " + string(r[len(r)-keep:])
	}
	return s
}

func fold(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
}
