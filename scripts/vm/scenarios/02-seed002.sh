# shellcheck shell=bash
# Three NICs and three bridges in one call; a cable that is pulled out
for n in 0 1 2; do
	give "$n" "10.1.$n.230/24" "10.1.$n.254/24"
done
ip route add default via 10.1.0.254
state_save before

xbr start vifnum=0 netdev=eth0 bridge=xenbr0 \
	--next vifnum=1 netdev=eth1 bridge=xenbr1 \
	--next vifnum=2 netdev=eth2 bridge=xenbr2
expect "status says: up as asked" xbr-script status
for n in 0 1 2; do
	expect "peth$n is a port of xenbr$n" is_port "peth$n" "xenbr$n"
	expect "lan$n reaches the host" answers "10.1.$n.230" lan "$n"
done

unplug 0
expect "with eth0's cable out, lan0 does not reach the host" silent 10.1.0.230 lan 0
expect "lan1 does" answers 10.1.1.230 lan 1
expect "lan2 does" answers 10.1.2.230 lan 2
plug 0
expect "with the cable in again, lan0 does" answers 10.1.0.230 lan 0

xbr stop
for n in 0 1 2; do
	expect "lan$n reaches the host" answers "10.1.$n.230" lan "$n"
done
state_same before
