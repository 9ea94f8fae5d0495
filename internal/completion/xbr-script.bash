# bash completion for xbr-script. It runs nothing, and reads only /sys/class/net.

# _xbr_script_links KIND: the names of the NICs, bridges, or ports of bridges. Those that
# would have to be quoted are left out: nobody gives one such a name in good faith.
_xbr_script_links() {
	local link name
	for link in /sys/class/net/*; do
		name=${link##*/}
		[[ -d $link && $name != *[!a-zA-Z0-9_.@-]* ]] || continue
		case $1 in
		NIC) [[ $name != lo && ! -e $link/brport ]] ;;
		BRIDGE) [[ -e $link/bridge ]] ;;
		PORT) [[ -e $link/brport ]] ;;
		esac && offers+=("$name")
	done
}

_xbr_script() {
	# bash takes a word apart at "=", and may not know where one begins.
	local line=${COMP_LINE:0:COMP_POINT} words word command='' once=' ' part=' ' offers=() front=''
	local cur=${line##*[[:space:]]}
	read -ra words <<<"${line:0:${#line}-${#cur}}"
	for word in "${words[@]:1}"; do
		[[ $word != *=* ]] || word=${word%%=*}=
		case $word in
		@COMMANDS@)
			command=${command:-$word}
			once+="$word "
			;;
		--next) part=' ' ;;
		@PARTS@) part+="$word " ;;
		*) once+="$word " ;;
		esac
	done
	case $cur in
	@VALUES@
	*=*) ;;
	*)
		case $command in
		@WORDS@
		esac
		;;
	esac
	COMPREPLY=()
	# What bash takes for the beginning of the word stays as it is.
	if [[ $COMP_WORDBREAKS == *=* && $cur == *=* ]]; then
		front=${cur%%=*}=
	fi
	for word in "${offers[@]}"; do
		if [[ $cur == *=* ]]; then
			word=${cur%%=*}=$word
		elif [[ $once$part == *" $word "* ]]; then
			continue
		fi
		[[ $word != "$cur"* ]] || COMPREPLY+=("${word#"$front"}")
	done
	[[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace
}

_xbr_script_files() {
	local file
	compopt -o filenames
	while IFS= read -r file; do offers+=("$file"); done < <(compgen -f -- "${1#*=}")
}

complete -F _xbr_script xbr-script
