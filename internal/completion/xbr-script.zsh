#compdef xbr-script
# zsh completion for xbr-script. It runs nothing, and reads only /sys/class/net.

# _xbr_script_links KIND: adds the names of the NICs, bridges, or ports of bridges.
_xbr_script_links() {
	local link
	for link in /sys/class/net/*(N-/); do
		case $1 in
		(NIC) [[ ${link:t} != lo && ! -e $link/brport ]] ;;
		(BRIDGE) [[ -e $link/bridge ]] ;;
		(PORT) [[ -e $link/brport ]] ;;
		esac && offers+=(${link:t})
	done
}

_xbr_script() {
	local word command=
	local -a once part offers left keys
	for word in ${words[2,CURRENT-1]}; do
		[[ $word != *=* ]] || word=${word%%=*}=
		case $word in
		(@COMMANDS@)
			: ${command:=$word}
			once+=($word)
			;;
		(--next) part=() ;;
		(@PARTS@) part+=($word) ;;
		(*) once+=($word) ;;
		esac
	done
	if [[ $PREFIX == *=* ]]; then
		case $PREFIX in
		@VALUES@
		esac
		compset -P ${(b)PREFIX%%=*}=
		compadd -a offers
		return
	fi
	case $command in
	@WORDS@
	esac
	for word in $offers; do
		(( ${once[(Ie)${word%%:*}]} + ${part[(Ie)${word%%:*}]} )) && continue
		if [[ ${word%%:*} == *= ]]; then keys+=($word); else left+=($word); fi
	done
	_describe -t words word left
	_describe -t keys key keys -S ''
}

_xbr_script_files() {
	compset -P ${(b)PREFIX%%=*}=
	_files
}

if [[ ${funcstack[1]} == _xbr-script ]]; then
	_xbr_script
else
	compdef _xbr_script xbr-script
fi
