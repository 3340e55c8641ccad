package main

import (
	"runtime"
	"syscall"
)

// peakMiB is the largest the process has been in memory.
func peakMiB() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" { // bytes there, KiB elsewhere
		return usage.Maxrss >> 20
	}
	return usage.Maxrss >> 10
}
