# shellcheck shell=bash
# Completion of partctl(8) for bash: verbs, options, names of partitions, generations, signals, files.

# Behind what `partctl completion bash` prints: _partctl_options, _partctl_verbs and _partctl_options_of.
# shellcheck disable=SC2154

# Runs partctl with these words, below the --root of the command line if it has one.
_partctl_run() {
    local i
    local -a root=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == --root ]] && root=(--root "${COMP_WORDS[i + 1]}")
    done
    "${COMP_WORDS[0]}" "${root[@]}" "$@" --no-legend 2>/dev/null
}

# Prints the declared names of these kinds ("partition", "slice").
_partctl_names() {
    local name kind rest
    while read -r name kind rest; do
        [[ " $* " == *" $kind "* ]] && printf '%s\n' "$name"
    done < <(_partctl_run list)
}

# Prints the names of signals, without SIG, that partctl knows too.
_partctl_signals() {
    compgen -A signal SIG | sed -n 's/^SIG\([A-Z0-9]*\)$/\1/p' | grep -v -e '^RT' -e '^IO$'
}

# Prints the numbers of the generations, which only root can read without asking anybody.
_partctl_generations() {
    local number rest
    ((EUID == 0)) || return
    while read -r number rest; do
        printf '%s\n' "$number"
    done < <(_partctl_run history --no-daemon)
}

# Prints the names of the layers, which only root can read without asking anybody.
_partctl_layers() {
    local name rest
    ((EUID == 0)) || return
    while read -r name rest; do
        printf '%s\n' "$name"
    done < <(_partctl_run status --layers)
}

# Sets verb to the first word that is neither an option nor an option's value, and verb_at to its index.
_partctl_find_verb() {
    verb='' verb_at=0
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --root | --color) ((++i)) ;;
            -*) ;;
            *)
                verb=${COMP_WORDS[i]} verb_at=$i
                return
                ;;
        esac
    done
}

_partctl() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb verb_at i
    COMPREPLY=()
    _partctl_find_verb
    if [[ $verb == exec ]]; then
        # From the word after NAME on, or after --, stands another program's command line.
        local -i at=0 names=0
        for ((i = verb_at + 1; i < COMP_CWORD && at == 0; i++)); do
            case ${COMP_WORDS[i]} in
                --) at=$((i + 1)) ;;
                --root | --color | --environment | --user) ((++i)) ;;
                -*) ;;
                *) ((++names > 1)) && at=$i ;;
            esac
        done
        # The word being completed is the command itself.
        ((at == 0 && names == 1 && i == COMP_CWORD)) && [[ $word != -* ]] && at=$COMP_CWORD
        if ((at > 0)); then
            if declare -F _command_offset >/dev/null; then
                _command_offset "$at"
            elif ((COMP_CWORD == at)); then
                mapfile -t COMPREPLY < <(compgen -c -- "$word")
            fi
            return
        fi
    fi
    case $previous in
        --root)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return
            ;;
        --color)
            mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$word")
            return
            ;;
        --confirm | --wait | --timeout | --delay)
            mapfile -t COMPREPLY < <(compgen -W '10s 30s 60s 5min' -- "$word")
            return
            ;;
        --generation)
            mapfile -t COMPREPLY < <(compgen -W "$(_partctl_generations)" -- "$word")
            return
            ;;
        --sort)
            mapfile -t COMPREPLY < <(compgen -W 'name cpu memory processes io net' -- "$word")
            return
            ;;
        -f | --file | --environment)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
    esac
    local words=$_partctl_options
    case $verb in
        '') [[ $word == -* ]] || words=$_partctl_verbs ;;
        *) words+=" $(_partctl_options_of "$verb")" ;;
    esac
    if [[ $word != -* && $verb == check ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    if [[ $word != -* && -n $verb ]]; then
        words=''
        case $verb in
            # The one name that these take.
            diff | apply | show | pause | resume | tree | top)
                [[ $previous == "$verb" || $previous == -* ]] && words=$(_partctl_names partition slice)
                ;;
            help)
                [[ $previous == "$verb" || $previous == -* ]] && words=$_partctl_verbs
                ;;
            purge)
                [[ $previous == "$verb" || $previous == -* ]] && words=$(_partctl_layers)
                ;;
            rollback)
                [[ $previous == "$verb" || $previous == -* ]] && words=$(_partctl_generations)
                ;;
            status | ns | wait | exec | shell | kill | freeze | thaw | start | stop | restart)
                if [[ $previous == "$verb" || $previous == -* ]]; then
                    words=$(_partctl_names partition)
                elif [[ $verb == kill && ${COMP_WORDS[COMP_CWORD - 2]} == kill ]]; then
                    words=$(_partctl_signals)
                fi
                ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _partctl partctl
