# $ xbr-script stop
# ! xbr-script: cannot take xenbr0 down: its card peth0 is missing, though eth0 is dom0's interface
# ! hint: give the card its name back: ip link set dev CARD name peth0
# ! exit status 1
