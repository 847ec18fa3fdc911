package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

func newSimulator() *cobra.Command {
	var (
		addr  string
		scale float64
	)
	cmd := &cobra.Command{
		Use:   "simulator",
		Short: "Serve a simulated RingCentral",
		Long: "Serve a simulated RingCentral: it rings no phone, lets any JWT in, and ends each call by the last two digits of the\n" +
			"number (GET /simulator/endings has the table, GET /simulator/truth what was dialled).",
		Example: "  worker simulator --addr 127.0.0.1:9009\n" +
			"  RC_SERVER_URL=http://127.0.0.1:9009 RC_APP_CLIENT_ID=x RC_APP_CLIENT_SECRET=x RC_USER_JWT=x RINGOUT_CALLER=+16505550001 worker",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if scale <= 0 {
				return cli.Usage(fmt.Errorf("--scale %v: it takes a number above 0", scale))
			}
			server, at, err := serveSimulator(cmd.Context(), addr, ringouttest.New(ringouttest.Config{Scale: scale}))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "simulated RingCentral at %s, %v times as fast as the real one; Ctrl-C stops it\n", at, scale)
			return server()
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:9009", "loopback address to listen on")
	cmd.Flags().Float64Var(&scale, "scale", 1, "how many times faster than real time calls and quotas run; keep it below 10 for a worker, which polls every 3 s")
	return cmd
}

// serveSimulator listens on a loopback address; wait returns once ctx has ended and the server has stopped.
func serveSimulator(ctx context.Context, addr string, sim http.Handler) (wait func() error, url string, err error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", cli.Usage(fmt.Errorf("--addr %q: it takes host:port", addr))
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, "", cli.Usage(fmt.Errorf("--addr %q: the simulator lets anybody in, so it only listens on loopback", addr))
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, "", fmt.Errorf("simulator: %w", err)
	}
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() }) // nothing is lost with a simulator
	return func() error {
		if err := <-stopped; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("simulator: %w", err)
		}
		return nil
	}, "http://" + listener.Addr().String(), nil
}
