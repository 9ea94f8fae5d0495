# $ xbr-script status bridge=xenbr1 --draw=dot
graph network {
  graph [rankdir=LR, ranksep=1, nodesep=0.15, bgcolor=white];
  node [shape=box, style="rounded,filled", fillcolor=white, fontname="monospace", fontsize=10];
  edge [fontname="monospace", fontsize=9];
  bridge0 [label="xenbr1", style=filled, fillcolor="#cfe0f5", height=1];
  nic0_0 [label="peth1\nup"];
  nic0_0 -- bridge0;
  lan0 [label="LAN", shape=ellipse, fillcolor="#eeeeee"];
  lan0 -- nic0_0;
  machine0 [label="dom0\neth1", fillcolor="#fdf1d0"];
  bridge0 -- machine0 [label="vif0.1"];
}
