package redisserver

import "syscall"

// endWithParent makes the kernel end the server when the process that started it dies
// without its clean-ups, as it does at go test's timeout.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
