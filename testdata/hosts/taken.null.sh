# $ xbr-script start bridge=null
# nothing to do: 
