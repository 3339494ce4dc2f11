package main

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"crosscheck/gate/plan"
)

// durationFlag is a duration whose mistakes are told apart.
type durationFlag time.Duration

func (d *durationFlag) String() string { return time.Duration(*d).String() }

func (d *durationFlag) Type() string { return "duration" }

func (d *durationFlag) Set(s string) error {
	v, err := plan.Duration(s)
	switch {
	case errors.Is(err, plan.ErrTooLong):
		return err
	case err != nil:
		return errors.New("a time is needed, as 30s or 2m")
	}
	*d = durationFlag(v)
	return nil
}

func durationVar(f *pflag.FlagSet, into *time.Duration, name string, value time.Duration, usage string) {
	*into = value
	f.Var((*durationFlag)(into), name, usage)
}
