# fish completion for xbr-script. It runs nothing but fish's own, and reads only
# /sys/class/net.

# __xbr_script_links KIND: the names of the NICs, bridges, or ports of bridges.
function __xbr_script_links --argument-names kind
    for link in /sys/class/net/*/
        set -l name (string split / -- $link)[5]
        switch $kind
            case NIC
                test $name != lo; and not test -e $link/brport; or continue
            case BRIDGE
                test -e $link/bridge; or continue
            case PORT
                test -e $link/brport; or continue
        end
        echo $name
    end
end

function __xbr_script
    set -l command
    set -l given
    set -l part
    for word in (commandline --tokenize --cut-at-cursor --current-process)[2..]
        string match --quiet -- '*=*' $word; and set word (string split --max 1 = -- $word)[1]=
        switch $word
            case @COMMANDS@
                set --query command[1]; or set command $word
                set --append given $word
            case --next
                set part
            case @PARTS@
                set --append part $word
            case '*'
                set --append given $word
        end
    end
    set -l word (commandline --current-token --cut-at-cursor)
    set -l key (string match --regex -- '^[^=]*=' $word)
    if set --query key[1]
        switch $key
            @VALUES@
        end | string replace --regex -- '^' $key
        return
    end
    set --append given $part
    switch "$command"
        @WORDS@
    end | while read --delimiter \t --local name about
        contains -- $name $given; or printf '%s\t%s\n' $name $about
    end
end

function __xbr_script_files
    __fish_complete_path (string replace --regex -- '^[^=]*=' '' $argv[1]) | string split --fields 1 \t
end

complete --command xbr-script --no-files --arguments '(__xbr_script)'
