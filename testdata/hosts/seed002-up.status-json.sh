# $ xbr-script status --json bridge=xenbr2
{
  "version": 1,
  "bridges": [
    {
      "bridge": "xenbr2",
      "state": "up",
      "mac": "fe:ff:ff:ff:ff:ff",
      "vifnum": 2,
      "netdev": "eth2",
      "dom0_is": "veth",
      "nic": {
        "name": "peth2",
        "mac": "fe:ff:ff:ff:ff:ff",
        "up": true,
        "carrier": true
      },
      "dom0": {
        "name": "eth2",
        "mac": "00:16:3e:00:00:03",
        "up": true,
        "carrier": true
      },
      "dom0_port": {
        "name": "vif0.2",
        "mac": "fe:ff:ff:ff:ff:ff",
        "up": true,
        "carrier": true
      },
      "guests": [],
      "addresses": [
        "fe80::216:3eff:fe00:3/64"
      ],
      "default_routes": [],
      "antispoof": {
        "on": false,
        "in_force": false
      }
    }
  ],
  "ip_forward": "0"
}
