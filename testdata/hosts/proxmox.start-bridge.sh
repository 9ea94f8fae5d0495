# $ xbr-script start netdev=eno1 dom0=bridge
# ! xbr-script: cannot put eno1 into eno1: it is a port of vmbr0
# ! hint: guests can use vmbr0 as it is (bridge=vmbr0 in their configuration); or name another NIC with netdev=
# ! exit status 1
