# $ xbr-script status
# ! xbr-script: cannot read the record /run/xbr-script/bridge.xenbr0.json: invalid character 'x' after top-level value
# ! hint: stop can do without it, but then also removes a bridge or a pair that was there before start: rm /run/xbr-script/bridge.xenbr0.json
# ! exit status 1
