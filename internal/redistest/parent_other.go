//go:build !linux

package redistest

import "syscall"

// endWithParent does nothing: only Linux can tie a process to its parent.
func endWithParent() *syscall.SysProcAttr { return nil }
