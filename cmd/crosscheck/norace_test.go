//go:build !race

package main

// raceEnabled tells that the race detector multiplies the memory.
const raceEnabled = false
