# $ xbr-script stop
# nothing to do: xenbr0 is not up
