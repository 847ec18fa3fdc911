package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/console/auth"
)

func newHashPassword() *cobra.Command {
	return &cobra.Command{
		Use: "hash-password", Short: "Make the hash of a password, for CONSOLE_USERS", Args: cobra.NoArgs,
		Long: "Make the bcrypt hash of a password, which is asked for, or read from standard input. CONSOLE_USERS has who may log in to the\n" +
			"console: name:role:hash, several with ; between them. A viewer looks, an operator changes things too. A hash has $ in\n" +
			"it: put the value in 'single quotes' in a shell and in .env.",
		Example: "  worker hash-password\n  CONSOLE_USERS='olga:operator:$2a$11$…;vera:viewer:$2a$11$…' worker --http 10.0.0.5:8080",
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := askPassword(cmd)
			if err != nil {
				return err
			}
			hash, err := auth.Hash(password)
			if err != nil {
				return cli.Usage(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), hash)
			return nil
		},
	}
}

// askPassword asks twice on a terminal, and reads a line elsewhere.
func askPassword(cmd *cobra.Command) (string, error) {
	f, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", cli.Usage(fmt.Errorf("there is no password on standard input: %w", err))
		}
		return line, nil
	}
	ask := func(what string) (string, error) {
		fmt.Fprint(cmd.ErrOrStderr(), what)
		src, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(src), nil
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask("Again: ")
	if err == nil && first != second {
		err = cli.Usage(errors.New("the two are not the same"))
	}
	return first, err
}
