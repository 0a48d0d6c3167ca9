package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

// completeCommand is what the completion scripts call, with the words of the
// command line up to the one that is being typed. It prints one candidate a
// line; completeFiles stands for the names of files.
const (
	completeCommand = "__complete"
	completeFiles   = ":files"
)

// The scripts that a shell reads. They know nothing of the commands, so they
// stay right when those change.
var completionScripts = map[string]string{
	"bash": `# peer completion for bash: source <(peer completion bash)
_peer() {
	local cur=${COMP_WORDS[COMP_CWORD]} word
	COMPREPLY=()
	while IFS= read -r word; do
		if [[ $word == :files ]]; then
			compopt -o filenames 2>/dev/null
			while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
		else
			COMPREPLY+=("$word")
		fi
	done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _peer peer
`,
	"zsh": `#compdef peer
# peer completion for zsh: source <(peer completion zsh)
_peer() {
	local word
	local -a words_found
	for word in "${(@f)$("${words[1]}" __complete "${(@)words[2,$CURRENT]}" 2>/dev/null)}"; do
		if [[ $word == :files ]]; then
			_files
		elif [[ -n $word ]]; then
			words_found+=("$word")
		fi
	done
	(( ${#words_found} )) && compadd -- "${words_found[@]}"
}
compdef _peer peer
`,
	"fish": `# peer completion for fish: peer completion fish | source
function __peer_complete
	set -l words (commandline -opc) (commandline -ct)
	for word in ($words[1] __complete $words[2..-1] 2>/dev/null)
		if test "$word" = ":files"
			__fish_complete_path (commandline -ct)
		else
			echo $word
		end
	end
end
complete -c peer -f -a '(__peer_complete)'
`,
}

func completionCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "completion",
		Category:  categoryTools,
		Usage:     "print a script that completes commands in a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: `Examples:
   source <(peer completion bash)
   source <(peer completion zsh)
   peer completion fish | source`,
	}, 1, 1, func(_ context.Context, in *invocation) error {
		script, ok := completionScripts[in.args[0]]
		if !ok {
			return usageError("peer completion bash", "there is no completion for %q; there is one for bash, zsh and fish", in.args[0])
		}
		_, err := io.WriteString(in.stdout, script)
		return err
	})
}

// complete prints what the last of words may become.
func (p *program) complete(words []string) {
	for _, c := range candidates(newApp(p), words) {
		fmt.Fprintln(p.stdout, c)
	}
}

// candidates are the words that fit in place of the last one.
func candidates(app *cli.App, words []string) (fits []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	before, current := words[:len(words)-1], words[len(words)-1]
	a := arranger{levels: []level{{commands: app.Commands, flags: app.Flags}}, given: make(map[string]bool)}
	for len(before) > 0 {
		if f := a.awaits(before); f != nil {
			return values(f, current)
		}
		if before[0] == "--" {
			return []string{completeFiles}
		}
		n, err := a.take(before)
		if err != nil {
			return nil // what was typed so far is wrong
		}
		before = before[n:]
	}
	add := func(s string) {
		if strings.HasPrefix(s, current) && !slices.Contains(fits, s) {
			fits = append(fits, s)
		}
	}
	switch {
	case strings.HasPrefix(current, "-"):
		for _, l := range a.levels {
			for _, name := range flagNames(l.flags) {
				if !a.given[name] {
					add("--" + name)
				}
			}
		}
		add("--help")
	case len(a.top().commands) > 0 && len(a.rest) == 0:
		for _, c := range a.top().commands {
			add(c.Name)
		}
		if len(a.levels) == 1 {
			add("help")
		}
	default:
		return arguments(a.top().name, add, &fits)
	}
	return fits
}

// awaits is the flag that takes the word being typed as its value, if the words
// end in one.
func (a *arranger) awaits(words []string) cli.Flag {
	if len(words) != 1 || len(words[0]) < 2 || words[0][0] != '-' || strings.Contains(words[0], "=") {
		return nil
	}
	name := strings.TrimLeft(words[0], "-")
	for i := len(a.levels) - 1; i >= 0; i-- {
		if f := findFlag(a.levels[i].flags, name); f != nil && takesValue(f) {
			return f
		}
	}
	return nil
}

// values are what a flag's value may become.
func values(f cli.Flag, current string) []string {
	switch f.Names()[0] {
	case "overlay":
		return slices.DeleteFunc(node.Overlays(), func(name string) bool { return !strings.HasPrefix(name, current) })
	case "repo", "output", "keep":
		return []string{completeFiles}
	}
	return nil
}

// arguments are what an argument of the command may become.
func arguments(command string, add func(string), fits *[]string) []string {
	switch command {
	case "share", "add", "cid":
		return []string{completeFiles}
	case "completion":
		for _, s := range []string{"bash", "fish", "zsh"} {
			add(s)
		}
	}
	return *fits
}
