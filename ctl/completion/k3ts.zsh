#compdef k3ts
# k3ts completion for zsh. For now and later, behind compinit:
#   echo 'source <(k3ts completion zsh)' >> ~/.zshrc
_k3ts() {
    local directive line
    local -a lines values descriptions suffix
    lines=("${(@f)$("${words[1]}" __complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    directive="${lines[-1]}"
    for line in "${(@)lines[1,-2]}"; do
        values+=("${line%%$'\t'*}")
        if [[ "$line" == *$'\t'* ]]; then
            descriptions+=("${line%%$'\t'*}  -- ${line#*$'\t'}")
        else
            descriptions+=("$line")
        fi
    done
    [[ "$directive" == ":nospace" ]] && suffix=(-S '')
    if (( ${#values} )); then
        if [[ "${lines[1]}" == *$'\t'* ]]; then
            compadd -l -d descriptions "${suffix[@]}" -a values
        else
            compadd "${suffix[@]}" -a values
        fi
    fi
    if [[ "$directive" == ":files" ]]; then _files; fi
}
if [[ "${funcstack[1]}" == _k3ts ]]; then _k3ts "$@"; else compdef _k3ts k3ts; fi
