# Completion of weighctl for bash: verbs, what they do, options, sets, limits and keys.
#
# All of it is asked of weighctl: verbs and options of its help, names and keys of the running
# daemon, which says nothing where it cannot be reached.

_weighctl_verbs() {
	weighctl --help 2>/dev/null | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p'
}

# What a verb does: the first words of the indented lines of its help.
_weighctl_whats() {
	weighctl "$1" --help 2>/dev/null | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p'
}

_weighctl_options() {
	weighctl "$1" --help 2>/dev/null | grep -o -e '--[a-z][a-z-]*' | sort -u
	echo --help
}

# The words that stand on their own: verb, what, names; what options take is left out.
_weighctl_plain() {
	local word is_value=
	plain=() where=()
	for word in "$@"; do
		if [ -n "$is_value" ]; then
			[ "$is_value" = where ] && where+=("$word")
			is_value=
			continue
		fi
		case $word in
		--control | --config) where+=("$word") is_value=where ;;
		--for | --since | --after | --count | --value | --policy | --resolver) is_value=other ;;
		-*) ;;
		*) plain+=("$word") ;;
		esac
	done
}

_weighctl_names() {
	case ${plain[0]}:${plain[1]}:${#plain[@]} in
	greylist:show:* | greylist:allow:* | greylist:deny:* | greylist:forget:* | greylist:list:*)
		weighctl greylist keys "${where[@]}" -- "$1" ;;
	limits:show:*) weighctl limits keys "${where[@]}" -- "$1" ;;
	limits:top:2 | limits:reset:2 | limits:raise:2)
		weighctl limits names "${where[@]}" | cut -f1 ;;
	limits:reset:* | limits:raise:*)
		weighctl limits keys "${where[@]}" -- "${plain[2]}" "$1" ;;
	known:list:2 | known:add:2 | known:remove:2) weighctl known sets "${where[@]}" ;;
	known:list:* | known:remove:*)
		weighctl known keys "${where[@]}" -- "${plain[2]}" "$1" ;;
	esac 2>/dev/null
}

_weighctl() {
	local line=${COMP_LINE:0:COMP_POINT} current before word
	local -a words plain where
	COMPREPLY=()
	# bash breaks words at ':' and '@', of which keys are full: the line is read anew.
	read -r -a words <<<"$line"
	current=
	if [ "${line% }" = "$line" ]; then
		current=${words[${#words[@]} - 1]}
		unset "words[${#words[@]} - 1]"
	fi
	_weighctl_plain "${words[@]:1}"
	before=${current%"${COMP_WORDS[COMP_CWORD]}"}
	case ${words[${#words[@]} - 1]} in
	--control | --config) return ;; # names of files: readline quotes them (-o default)
	esac
	while IFS= read -r word; do
		[ "${word:0:${#current}}" = "$current" ] || continue
		word=$(printf '%q' "$word")
		COMPREPLY+=("${word#"$before"}")
	done < <(
		case $current in
		-*) [ ${#plain[@]} -gt 0 ] && _weighctl_options "${plain[0]}" ;;
		*)
			case ${#plain[@]} in
			0) _weighctl_verbs ;;
			1) _weighctl_whats "${plain[0]}" ;;
			*) _weighctl_names "$current" ;;
			esac ;;
		esac
	)
}

complete -o default -F _weighctl weighctl
