# k3ts completion for bash. For now and later:
#   echo 'source <(k3ts completion bash)' >> ~/.bashrc
_k3ts() {
    local line="${COMP_LINE:0:COMP_POINT}" word directive candidate prefix="" breaks=""
    local -a words candidates
    read -ra words <<< "$line"
    # The word that is being typed may be empty.
    [[ "$line" == *[[:space:]] ]] && words+=("")
    word="${words[-1]}"
    mapfile -t candidates < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
    COMPREPLY=()
    (( ${#candidates[@]} == 0 )) && return
    directive="${candidates[-1]}"
    unset 'candidates[-1]'
    # Readline takes what stands behind = and : for words of their own.
    [[ "$COMP_WORDBREAKS" == *=* ]] && breaks+="="
    [[ "$COMP_WORDBREAKS" == *:* ]] && breaks+=":"
    [[ -n "$breaks" && "$word" == *[$breaks]* ]] && prefix="${word%"${word##*[$breaks]}"}"
    for candidate in "${candidates[@]}"; do
        candidate="${candidate%%$'\t'*}"
        # Names may be anything: what a shell would run or expand stands there as text. File names bash quotes itself.
        candidate="${candidate#"$prefix"}"
        [[ "$directive" == ":files" ]] || printf -v candidate %q "$candidate"
        COMPREPLY+=("$candidate")
    done
    if [[ "$directive" == ":files" ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${word#"$prefix"}")
    elif [[ "$directive" == ":nospace" ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _k3ts k3ts
