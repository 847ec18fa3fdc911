// Command worker places the calls. It also has the demo and the simulator of RingCentral.
package main

import (
	"os"
	_ "time/tzdata" // calling hours need the zones on machines without them

	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
)

func main() { os.Exit(cli.Main(newRoot())) }

func newRoot() *cobra.Command {
	root := newRun("worker")
	root.AddCommand(newRun("run"), newDemo(), newSimulator(), newHashPassword())
	return root
}
