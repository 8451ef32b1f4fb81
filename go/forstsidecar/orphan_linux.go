package forstsidecar

import (
	"os"
	"syscall"
)

// The parent has asked the kernel to kill us when it dies (PR_SET_PDEATHSIG of
// prctl(2)), for it cannot know that we look after the lifeline. We would rather
// drain; all that we need is to be woken, should somebody have suspended us.
//
// The setting belongs to a thread: the main one, on which only init runs for sure.
func init() {
	if os.Getenv("FORST_LIFELINE") != "" {
		syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGCONT), 0)
	}
}
