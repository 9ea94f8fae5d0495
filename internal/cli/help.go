package cli

const help = `Usage: xbr-script start|stop|check|status [key=value ...] [--next key=value ...]
       xbr-script recover|confirm
       xbr-script admit port=NAME mac=MAC [key=value ...] | dismiss port=NAME
       xbr-script report [--hide]

Puts a host's NIC into a bridge for Xen's guests while dom0 keeps its network,
and takes it out again. It takes the place of Xen's network-bridge.

Commands, anywhere among the arguments:
  start    make ethN a port (pethN) of the bridge; dom0 keeps ethN with a port
           of its own (vif0.N), with every address, route and setting; or
           the bridge becomes ethN (dom0=bridge)
  stop     the reverse; without keys: every bridge that was started
  check    would start (or with stop in the line: stop) go through, and what
           becomes of everything that holds on to the NIC? Changes nothing
  status   show each bridge and what is wrong with it
  recover  take back a change that was cut short, or waits to be confirmed
  confirm  keep a change that waits to be confirmed
  admit    with antispoof=strict: let a guest's port send
  dismiss  with antispoof=strict: let it send nothing any more
  report   print all that a bug report needs, as JSON; with --hide IP and MAC
           addresses have other names, and what is full of them is left out

Keys of one bridge (--next begins another one):
  vifnum=N         the number in vif0.N, vethN, xenbrN; by default the digits
                   at the end of the NIC's name, or the next free number
  bridge=NAME      the bridge, by default xenbrN; null: do nothing
  netdev=NAME      the NIC, by any of its names; by default the default
                   route's device, or with vifnum=N ethN
  dom0=veth|bridge dom0 has a port of its own, or the bridge itself has dom0's
                   addresses, as with Xen 3.2 and later. The default is bridge
                   if bridge= equals netdev=. With dom0=bridge the bridge is
                   called like the NIC by default
  antispoof=yes|no|strict
                   guests may send only with their own IP addresses, not
                   dom0's; strict: nor anything else in another's name
  guests=rules|allow
                   with antispoof=yes: cut off guests for which Xen makes no
                   rules, or let them send as anybody but dom0

Keys of a guest, with antispoof=strict (in a file: a line of its own):
  port=NAME        its port in the bridge, such as vif1.0
  mac=MAC          its MAC address
  ip=ADDRESS,...   its IP addresses and networks; without it, only the MAC
                   address is certain
  router=yes|no    it may send from any address that is not another's
  ra=yes|no        it may send router advertisements
  dhcp=yes|no      it may answer as a DHCP server

Keys of the host:
  ip_forward=0|1   IPv4 forwarding; the last stop puts the old value back
  config=FILE      read the bridges from FILE, one a line; by default
                   /etc/xen/xbr-script.conf if no key is given

Keys of the call:
  wait=N           seconds to wait after a change for the link and for hosts
                   that answered before it (10); if none does, put all back
  check=ADDRESS|no a host that must still answer pings; or ask nobody
  lease=known|any  refuse to move an address that expires if it is not known who
                   renews it, or move it all the same, also at stop
  confirm=N        put all back after N seconds, unless confirmed by then

Options:
  -n, --dry-run    print what would be done, in short and as a shell script,
                   and do nothing
      --save-host=FILE
                   with --dry-run: also write the state of the host to FILE
      --host=FILE  with --dry-run or status: take the host from such a file
  -v, --verbose    print each command as it is carried out; with status: a line
                   for each guest, with its name and addresses
      --hide       with report: see there
      --draw       with status: draw the network
      --draw=svg|dot
                   with status: the drawing as a picture, or for Graphviz
      --json       print the answer for programs
      --next       begin another bridge
      --version    print the version
  -h, --help       print this

Exit status:
  0  done, or nothing to do; status: up as asked
  1  refused or failed, and everything is as it was; check: would be refused
  2  the command line or the file was not understood
  3  status: not up
  4  status: up, but not as asked; check: something breaks

See xbr-script(8).`
