# $ xbr-script stop
# ! xbr-script: cannot take xenbr0 down: its NIC peth0 is missing, though eth0 is dom0's interface
# ! hint: give the NIC its name back: ip link set dev NIC name peth0
# ! exit status 1
