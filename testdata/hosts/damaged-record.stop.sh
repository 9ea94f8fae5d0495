# $ xbr-script stop
# ! xbr-script: cannot read the record /run/xbr-script/bridge.xenbr0.json: invalid character 'x' after top-level value
# ! hint: stop can do without it, but removes a bridge or a pair that was there before start, too: rm /run/xbr-script/bridge.xenbr0.json
# ! exit status 1
