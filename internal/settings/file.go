package settings

import (
	"fmt"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/yamlfile"
)

const (
	minPoll     = 100 * time.Millisecond // time-scaled runs need less than RingCentral's quota allows
	maxPoll     = time.Minute
	maxCoolDown = 24 * time.Hour
	minHold     = time.Minute
	maxHold     = 24 * time.Hour
	maxLines    = 10_000

	nameTakes   = "1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit"
	numberTakes = "the agent's phone in E.164, in quotes: \"+16505550001\""
	teamsTake   = "teams by name, each with its lines"
	linesTake   = `a list of lines such as {name: alice, number: "+16505550001", jwt_env: RC_USER_JWT_ALICE}`
	envTakes    = "the name of the environment variable that holds the extension's JWT, such as RC_USER_JWT_ALICE"
)

// fromFile reads the worker's file into w. Without a file, or without teams in it, there is one team with one
// line, from the environment.
func (w *Worker) fromFile(e *environment, path string) {
	f := configFile{worker: w, env: e}
	if path != "" {
		src, err := readFile(path)
		if err == nil {
			err = yamlfile.ReadYAML(path, src, f.read)
		} else {
			err = fmt.Errorf("%s: %w", path, err)
		}
		if err != nil {
			e.problems = append(e.problems, strings.Split(err.Error(), "\n")...)
			if !f.taken {
				return // nothing is known of the lines
			}
		}
	}
	if !f.teams {
		f.defaultLine()
	}
	f.tokens()
}

// configFile is the worker's file while it is read.
type configFile struct {
	worker *Worker
	env    *environment
	taken  bool // the file could be read as YAML
	teams  bool // it has teams, right or wrong
}

func (f *configFile) read(top yamlfile.Node) {
	f.taken = top.Fields(map[string]func(yamlfile.Node){
		"teams": f.readTeams,
		"poll_interval": func(n yamlfile.Node) {
			if d, ok := n.Duration(minPoll, maxPoll); ok {
				f.worker.PollInterval = d
			}
		},
		"cool_down": func(n yamlfile.Node) {
			if d, ok := n.Duration(0, maxCoolDown); ok {
				f.worker.CoolDown = d
			}
		},
		"failover_hold": func(n yamlfile.Node) {
			if d, ok := n.Duration(minHold, maxHold); ok {
				f.worker.FailoverHold = d
			}
		},
		"max_lines": func(n yamlfile.Node) {
			if v, ok := n.Int(0, maxLines); ok {
				f.worker.MaxLines = v
			}
		},
	}, "number_caps")
}

func (f *configFile) readTeams(n yamlfile.Node) {
	f.teams = true
	count := 0
	mapping := n.Each(teamsTake, func(name string, team yamlfile.Node) {
		count++
		if !campaign.ValidName(name) {
			team.Fail("is no team's name; takes %s", nameTakes)
			return
		}
		found := false
		if team.Fields(map[string]func(yamlfile.Node){
			"lines": func(n yamlfile.Node) {
				found = true
				f.readLines(name, n)
			},
		}) && !found {
			team.Missing("lines", linesTake)
		}
	})
	if mapping && count == 0 {
		n.Fail("is empty; takes %s", teamsTake)
	}
}

func (f *configFile) readLines(team string, n yamlfile.Node) {
	nodes, ok := n.List(linesTake)
	if !ok {
		return
	}
	if len(nodes) == 0 {
		n.Fail("is empty; takes %s", linesTake)
	}
	for _, node := range nodes {
		line := Line{Team: team}
		given := map[string]bool{}
		mapping := node.Fields(map[string]func(yamlfile.Node){
			"name": func(n yamlfile.Node) {
				given["name"] = true
				f.readName(n, &line)
			},
			"number": func(n yamlfile.Node) {
				given["number"] = true
				f.readNumber(n, &line)
			},
			"jwt_env": func(n yamlfile.Node) {
				given["jwt_env"] = true
				readEnvName(n, &line)
			},
		})
		for _, field := range []struct{ name, takes string }{
			{"name", nameTakes}, {"number", numberTakes}, {"jwt_env", envTakes},
		} {
			if mapping && !given[field.name] {
				node.Missing(field.name, field.takes)
			}
		}
		if mapping {
			f.worker.Lines = append(f.worker.Lines, line)
		}
	}
}

func (f *configFile) readName(n yamlfile.Node, line *Line) {
	name, ok := n.Text(nameTakes)
	if !ok {
		return
	}
	if !campaign.ValidName(name) {
		n.Fail("is %s; takes %s", yamlfile.Quote(name), nameTakes)
		return
	}
	for _, other := range f.worker.Lines {
		if other.Name == name {
			n.Fail("is %s, as a line of team %s is already; takes a name of its own over all teams", yamlfile.Quote(name), other.Team)
			return
		}
	}
	line.Name = name
}

// readNumber reads a line's number. A phone that stood in two lines would be called twice at once.
func (f *configFile) readNumber(n yamlfile.Node, line *Line) {
	number, ok := n.Text(numberTakes)
	if !ok {
		return
	}
	if !campaign.E164(number) {
		n.Fail("is %s; takes %s", yamlfile.Quote(campaign.Mask(number)), numberTakes)
		return
	}
	for _, other := range f.worker.Lines {
		if other.Number == number {
			n.Fail("is %s, as that of line %s of team %s is already; takes a number of its own over all teams",
				yamlfile.Quote(campaign.Mask(number)), other.Name, other.Team)
			return
		}
	}
	line.Number = number
}

func readEnvName(n yamlfile.Node, line *Line) {
	name, ok := n.Text(envTakes)
	if !ok {
		return
	}
	if !envName(name) {
		n.Fail("is no variable's name; takes %s", envTakes) // it may be the token itself
		return
	}
	line.JWTEnv = name
}

// envName reports whether a text can be the name of an environment variable. A JWT cannot: it has dots and
// is longer.
func envName(name string) bool {
	if name == "" || len(name) > 128 || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// defaultLine is the only line where the file has no teams.
func (f *configFile) defaultLine() {
	line := Line{Name: DefaultLine, Team: DefaultTeam, JWTEnv: JWTVar}
	line.Number = f.env.required(CallerVar, "the agent's phone, which rings first, in E.164 such as +16505550001")
	if line.Number != "" && !campaign.E164(line.Number) {
		f.env.fail("%s: is %s; takes the agent's phone in E.164, with its +, such as +16505550001",
			CallerVar, yamlfile.Quote(campaign.Mask(line.Number)))
	}
	f.worker.Lines = []Line{line}
}

// tokens fetches the lines' JWTs from the environment. Lines may share one.
func (f *configFile) tokens() {
	asked := map[string]Secret{}
	for i := range f.worker.Lines {
		line := &f.worker.Lines[i]
		if line.JWTEnv == "" {
			continue // reported already
		}
		jwt, ok := asked[line.JWTEnv]
		if !ok {
			jwt = Secret(f.env.required(line.JWTEnv, "the JWT of the extension that dials for line "+line.Name))
			asked[line.JWTEnv] = jwt
		}
		line.JWT = jwt
	}
}
