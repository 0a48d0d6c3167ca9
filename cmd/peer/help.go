package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

const appHelp = `{{.Name}} - {{.Usage}}

Two words are enough:
   peer share FILE       on one laptop: prints a CID and the line for the other
   peer get CID          on the other

Usage: {{.HelpName}} [flags] COMMAND [flags] [arguments]
{{range .VisibleCategories}}
{{.Name}}:
{{- range .VisibleCommands}}
   {{.Name}}{{"\t"}}{{.Usage}}{{end}}
{{end}}
Flags, which may stand anywhere:
{{- range .VisibleFlags}}
   {{.}}{{end}}

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 timed out, 5 damaged data, 130 interrupted.
More about a command: peer help COMMAND. See it at work: peer demo.
`

const commandHelp = `{{.HelpName}} - {{.Usage}}

Usage: {{.HelpName}}{{if .VisibleCommands}} COMMAND{{else if .VisibleFlags}} [flags]{{end}}{{if .ArgsUsage}} {{.ArgsUsage}}{{end}}
{{- if .Description}}

{{.Description}}{{end}}
{{- if .VisibleCommands}}

Commands:
{{- range .VisibleCommands}}
   {{.Name}}{{"\t"}}{{.Usage}}{{end}}
{{- end}}
{{- range .VisibleFlagCategories}}

{{if .Name}}{{.Name}}{{else}}Flags{{end}}:
{{- range .Flags}}
   {{.}}{{end}}
{{- end}}

Also: --repo DIR, --json, --quiet, --verbose (see peer help).
`

// flagHelp is one flag in the help: its names and value, then what it does.
func flagHelp(f cli.Flag) string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	value, usage := "", d.GetUsage()
	if _, rest, ok := strings.Cut(usage, "`"); ok {
		value, _, _ = strings.Cut(rest, "`")
		usage = strings.ReplaceAll(usage, "`", "")
	}
	names := make([]string, 0, 2)
	for _, n := range f.Names() {
		if len(n) == 1 {
			n = "-" + n
		} else {
			n = "--" + n
		}
		names = append(names, n)
	}
	left := strings.Join(names, ", ")
	if d.TakesValue() {
		left += " " + value
		if def := d.GetDefaultText(); def != "" && def != `""` {
			usage += " (default: " + def + ")"
		}
	}
	if env := d.GetEnvVars(); len(env) > 0 {
		usage += fmt.Sprintf(" [$%s]", strings.Join(env, ", $"))
	}
	return left + "\t" + usage
}
