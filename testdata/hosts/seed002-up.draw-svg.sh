# $ xbr-script status --draw=svg
<svg xmlns="http://www.w3.org/2000/svg" width="807" height="272" viewBox="0 0 807 272" role="img">
<title>The network of this host</title>
<style>
text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1b1f24; white-space: pre; }
.small { font-size: 10px; fill: #57606a; }
.name { font-weight: bold; }
.page { fill: #ffffff; stroke: #d0d7de; }
.box { fill: #f6f8fa; stroke: #57606a; }
.dom0 { fill: #fdf1d0; stroke: #9a6700; }
.lan { fill: #eaeef2; stroke: #57606a; }
.bus { fill: #2f6fba; }
.wire { stroke: #2f6fba; stroke-width: 1.5; fill: none; }
.dead { stroke: #c0182c; stroke-dasharray: 4 3; }
.trouble { fill: #c0182c; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.small { fill: #9aa4af; }
.page { fill: #0d1117; stroke: #30363d; }
.box { fill: #161b22; stroke: #8b949e; }
.dom0 { fill: #3a2e0c; stroke: #d4a72c; }
.lan { fill: #21262d; stroke: #8b949e; }
.bus { fill: #58a6ff; }
.wire { stroke: #58a6ff; }
.dead { stroke: #ff7b72; }
.trouble { fill: #ff7b72; }
}
</style>
<rect class="page" x="0.5" y="0.5" width="806" height="271" rx="6"/>
<path class="wire" d="M108 38L108 124"/>
<path class="wire" d="M108 124L108 162"/>
<path class="wire" d="M308 38L308 124"/>
<path class="wire" d="M308 124L308 162"/>
<path class="wire" d="M508 38L508 124"/>
<path class="wire" d="M508 124L508 162"/>
<path class="wire" d="M108 201L640 201"/>
<path class="wire" d="M308 219L640 219"/>
<path class="wire" d="M508 237L640 237"/>
<rect class="bus" x="105" y="162" width="6" height="51" rx="3"/>
<rect class="bus" x="305" y="162" width="6" height="69" rx="3"/>
<rect class="bus" x="505" y="162" width="6" height="87" rx="3"/>
<rect class="lan" x="20.0" y="20.0" width="176.0" height="38.0" rx="4"/>
<text class="name" x="28.0" y="35.0">LAN</text>
<text class="small" x="28.0" y="51.0">10.23.1.254</text>
<rect class="box" x="20.0" y="70.0" width="176.0" height="38.0" rx="4"/>
<text class="name" x="28.0" y="85.0">peth0</text>
<text class="small" x="28.0" y="101.0">up</text>
<text class="name" x="118.0" y="138.0">xenbr0</text>
<rect class="lan" x="220.0" y="20.0" width="176.0" height="38.0" rx="4"/>
<text class="name" x="228.0" y="35.0">LAN</text>
<rect class="box" x="220.0" y="70.0" width="176.0" height="38.0" rx="4"/>
<text class="name" x="228.0" y="85.0">peth1</text>
<text class="small" x="228.0" y="101.0">up</text>
<text class="name" x="318.0" y="138.0">xenbr1</text>
<rect class="lan" x="420.0" y="20.0" width="176.0" height="38.0" rx="4"/>
<text class="name" x="428.0" y="35.0">LAN</text>
<rect class="box" x="420.0" y="70.0" width="176.0" height="38.0" rx="4"/>
<text class="name" x="428.0" y="85.0">peth2</text>
<text class="small" x="428.0" y="101.0">up</text>
<text class="name" x="518.0" y="138.0">xenbr2</text>
<rect class="dom0" x="640.0" y="174.0" width="147.4" height="78.0" rx="4"/>
<text class="name" x="648.0" y="189.0">dom0</text>
<circle class="bus" cx="108" cy="201" r="5"/>
<text class="small" x="118.0" y="198.0">vif0.0</text>
<text x="648.0" y="205.0">eth0  10.23.1.7/24</text>
<circle class="bus" cx="308" cy="219" r="5"/>
<text class="small" x="318.0" y="216.0">vif0.1</text>
<text x="648.0" y="223.0">eth1</text>
<circle class="bus" cx="508" cy="237" r="5"/>
<text class="small" x="518.0" y="234.0">vif0.2</text>
<text x="648.0" y="241.0">eth2</text>
</svg>
