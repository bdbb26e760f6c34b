# k3ts completion for fish. For now and later:
#   k3ts completion fish > ~/.config/fish/completions/k3ts.fish
function __k3ts_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    test (count $current) -eq 0; and set current ""
    set -l lines ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
    test (count $lines) -eq 0; and return
    test (count $lines) -gt 1; and printf '%s\n' $lines[1..-2]
    test "$lines[-1]" = ":files"; and __fish_complete_path "$current"
end
complete -c k3ts -f -a '(__k3ts_complete)'
