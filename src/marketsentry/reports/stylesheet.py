"""The style of a report. System fonts only; light, dark and paper; gain and loss follow `data-scheme`."""

CSS = """
:root{
  color-scheme:light dark;
  --page:#fff;--ink:#12161c;--soft:#59626f;--faint:#69727f;--line:#e2e5ea;--rule:#12161c;--wash:#f5f6f8;
    --card:#fff;
  --curve:#1a56c4;--band:rgba(26,86,196,.055);--band2:rgba(26,86,196,.018);--final:rgba(180,120,0,.10);
  --likely:rgba(26,86,196,.13);--hold:#8a5a00;--second:#7a3fb0;--second-wash:rgba(122,63,176,.13);
  --green:9,119,72;--red:190,42,36;
  --pass:#1a56c4;--fail:#a8480a;--few:#59626f;
  --note:#fff6e0;--note-line:#d9a52b;--note-ink:#5b4300;
  --run1:#c2410c;--run2:#0f766e;--run3:#86198f;--run4:#a16207;--run5:#475569;--run6:#be185d;--run7:#4d7c0f;
  --sans:system-ui,-apple-system,"Segoe UI","Helvetica Neue","Noto Sans","PingFang SC","Hiragino Sans GB",
    "Microsoft YaHei","Noto Sans CJK SC","Source Han Sans SC",sans-serif;
  --mono:ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono","Noto Sans Mono",
    monospace;
}
@media screen and (prefers-color-scheme:dark){:root{
  --page:#0d1117;--ink:#e9ecf1;--soft:#a3acb9;--faint:#87919f;--line:#262d37;--rule:#e9ecf1;--wash:#151b23;
    --card:#11161d;
  --curve:#6ea3ff;--band:rgba(110,163,255,.09);--band2:rgba(110,163,255,.03);--final:rgba(240,190,80,.13);
  --likely:rgba(110,163,255,.17);--hold:#e0a84a;--second:#c79bf2;--second-wash:rgba(199,155,242,.17);
  --green:62,207,142;--red:255,112,102;
  --pass:#6ea3ff;--fail:#f0964a;--few:#a3acb9;
  --note:#2a2211;--note-line:#a87f23;--note-ink:#f3d58e;
  --run1:#fb923c;--run2:#2dd4bf;--run3:#e879f9;--run4:#facc15;--run5:#94a3b8;--run6:#f472b6;--run7:#a3e635;
}}
html[data-scheme=us]{--gain:var(--green);--loss:var(--red)}
html[data-scheme=cn]{--gain:var(--red);--loss:var(--green)}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.55 var(--sans);
  font-variant-numeric:tabular-nums;
  -webkit-font-smoothing:antialiased}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 32px}
.gain{color:rgb(var(--gain))}.loss{color:rgb(var(--loss))}
.soft{color:var(--soft)}.num{text-align:right;white-space:nowrap}.mono{font-family:var(--mono);
  font-size:.86em}
h1{font-size:38px;line-height:1.12;letter-spacing:-.022em;font-weight:680;margin:6px 0 12px;
  overflow-wrap:anywhere}
h1 small{font-size:.55em;font-weight:450;color:var(--soft);letter-spacing:0;margin-left:.35em;
  white-space:nowrap}
h2{font-size:20px;line-height:1.3;letter-spacing:-.01em;font-weight:650;margin:0}
h3{font-size:15px;font-weight:650;margin:0 0 6px}
p{margin:0}.lead{color:var(--soft);max-width:88ch;margin-top:4px}
:lang(zh) h1,:lang(zh) h2{letter-spacing:0}

.top{display:flex;justify-content:space-between;align-items:center;padding-top:22px;padding-bottom:14px;
  font-size:13px}
.mark{display:flex;align-items:center;gap:9px;font-weight:650;letter-spacing:-.005em}
.mark svg{display:block;color:var(--curve)}
.switch{display:flex;align-items:center;gap:8px;border:0;padding:0;margin:0;color:var(--soft)}
.switch legend{float:left;padding:0;margin-right:4px}
.switch label{display:inline-flex;gap:5px;align-items:center;border:1px solid var(--line);
  border-radius:99px;padding:3px 11px;cursor:pointer}
.switch input{position:absolute;opacity:0;pointer-events:none}
.switch label:has(:checked){border-color:var(--ink);color:var(--ink)}
.switch label:has(:focus-visible){outline:2px solid var(--curve);outline-offset:2px}

.banner{background:var(--note);color:var(--note-ink);border-left:4px solid var(--note-line);
  padding:11px 16px;margin:2px 0 20px;font-size:14px}
.hero{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:32px;align-items:end;padding:14px 0 24px;
  border-bottom:2px solid var(--rule)}
.kicker{font-size:13px;color:var(--soft);font-weight:550}
.facts{display:flex;flex-wrap:wrap;gap:2px 20px;color:var(--soft);font-size:14px}
.facts b{font-weight:600;color:var(--ink)}
.stamp{text-align:right}
.stamp strong{display:inline-flex;align-items:center;gap:12px;font-size:27px;line-height:1.2;
  font-weight:680;letter-spacing:-.015em}
.stamp p{color:var(--soft);font-size:14px;max-width:34ch;margin:5px 0 0 auto}
.pass{color:var(--pass)}.fail{color:var(--fail)}.insufficient_observation,.none{color:var(--few)}
.icon{flex:none;display:inline-block;vertical-align:-3px}

.tiles{display:grid;grid-template-columns:repeat(6,minmax(0,1fr));border-bottom:1px solid var(--line)}
.tile{padding:18px 14px 18px 16px;border-left:1px solid var(--line)}
.tile:first-child{border-left:0;padding-left:0}
.tile dt{font-size:13px;color:var(--soft)}
.tile dd{margin:2px 0 0;font-size:27px;line-height:1.25;font-weight:640;letter-spacing:-.02em;
  white-space:nowrap}
.tile dd.note{font-size:12px;font-weight:400;letter-spacing:0;color:var(--faint);line-height:1.4;
  white-space:normal;margin-top:3px}

section{padding:34px 0 6px}
section>.head{margin-bottom:16px}
.empty{color:var(--soft);border:1px dashed var(--line);padding:22px;text-align:center}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;width:100%;font-size:14px}
th{font-weight:500;color:var(--soft);text-align:left;font-size:13px;padding:0 14px 8px 0;
  border-bottom:1px solid var(--line);vertical-align:bottom;white-space:nowrap}
td{padding:9px 14px 9px 0;border-bottom:1px solid var(--line);vertical-align:middle}
th:last-child,td:last-child{padding-right:0}
th.num{text-align:right}
tr.total td{font-weight:650;border-top:1px solid var(--rule);border-bottom:0}
td.wide-cell{width:34%;min-width:110px}
td .code{color:var(--faint);font:12px var(--mono);margin-left:8px}
td.keep{white-space:nowrap}td.state{white-space:nowrap;font-weight:600}
td.state .icon{margin-right:7px}

.chart{position:relative;padding:0 10px 0 66px;margin-top:8px}
.chart .plot{display:block;overflow:visible;outline:0;touch-action:pan-y}
.chart .plot:focus-visible{outline:2px solid var(--curve);outline-offset:6px}
.plot text{font-size:11.5px;fill:var(--soft)}
.tick line{stroke:var(--line);shape-rendering:crispEdges}.tick text{text-anchor:end}
.time line{stroke:var(--faint)}.time text{text-anchor:middle}
.baseline{stroke:var(--faint);stroke-dasharray:3 4}
.curve{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}
.curve.equity{stroke:var(--curve)}.curve.loss{stroke:rgb(var(--loss));stroke-width:1.1}
.curve.run0{stroke:var(--curve)}
.curve.run1{stroke:var(--run1)}.curve.run2{stroke:var(--run2)}.curve.run3{stroke:var(--run3)}.curve.run4{stroke:var(--run4)}
.curve.run5{stroke:var(--run5)}.curve.run6{stroke:var(--run6)}.curve.run7{stroke:var(--run7)}
.cursor circle.run1{fill:var(--run1)}.cursor circle.run2{fill:var(--run2)}.cursor circle.run3{fill:var(--run3)}
.cursor circle.run4{fill:var(--run4)}.cursor circle.run5{fill:var(--run5)}.cursor circle.run6{fill:var(--run6)}
.cursor circle.run7{fill:var(--run7)}
.key{display:inline-block;width:16px;height:3px;border-radius:2px;vertical-align:4px;margin-right:7px;
  background:var(--curve)}
.key.run1{background:var(--run1)}.key.run2{background:var(--run2)}.key.run3{background:var(--run3)}.key.run4{background:var(--run4)}
.key.run5{background:var(--run5)}.key.run6{background:var(--run6)}.key.run7{background:var(--run7)}
.area{stroke:none}.area.loss{fill:rgba(var(--loss),.16)}.area.equity{fill:var(--band)}
.band rect{fill:var(--band2)}.band.odd rect{fill:var(--band)}.band.final rect{fill:var(--final)}
.band line{stroke:var(--line)}.band.trade rect{fill:none}.band.trade line{stroke:none}
.band text.name{fill:var(--ink);font-weight:600}
.band text.gain{fill:rgb(var(--gain))}.band text.loss{fill:rgb(var(--loss))}
.narrow{display:none}
.curve.hold{stroke:var(--hold);stroke-width:1.2;stroke-dasharray:5 3}
.curve.second{stroke:var(--second)}
.ribbon{stroke:none;fill:var(--likely)}.ribbon.second{fill:var(--second-wash)}
.mark path{fill:var(--ink);stroke:var(--page);stroke-width:1}
.mark text{text-anchor:middle;font-weight:600;fill:var(--ink);stroke:var(--page);stroke-width:3px;
  paint-order:stroke;stroke-linejoin:round}
.mark.gain path{fill:rgb(var(--gain))}.mark.loss path{fill:rgb(var(--loss))}
.mark.trough path{fill:rgb(var(--loss))}.mark.trough text{font-size:11px}
.mark.exit path{fill:var(--page);stroke:var(--ink);stroke-width:1.3}
.mark.other{opacity:.5}
.link{fill:none;stroke-width:1.4;stroke-dasharray:4 3}
.link.gain{stroke:rgb(var(--gain))}.link.loss{stroke:rgb(var(--loss))}
.link.other{opacity:.5;stroke-width:1}
.wick{fill:none;stroke-width:1}.wick.gain{stroke:rgb(var(--gain))}.wick.loss{stroke:rgb(var(--loss))}
.body.gain{fill:rgb(var(--gain))}.body.loss{fill:rgb(var(--loss))}
.plot .panel-title{font-weight:600;fill:var(--ink)}
.whisker{stroke:var(--curve);stroke-width:1.6}.dots{fill:var(--curve)}
.bins{fill:var(--curve);opacity:.55}.normal{fill:none;stroke:var(--ink);stroke-width:1.3}
.rule{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 4}.rule.strong{stroke:var(--ink);stroke-dasharray:none}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 22px;margin:0 0 10px;padding:0;font-size:13px;
  color:var(--soft)}
.legend li{display:flex;align-items:center;gap:8px}
.key{display:inline-block;width:22px;height:0;border-top:2px solid var(--curve)}
.key.hold{border-top:2px dashed var(--hold)}.key.baseline{border-top:1px dashed var(--faint)}
.key.likely{height:11px;border:0;background:var(--likely)}.key.second{border-color:var(--second)}
.key.normal{border-color:var(--ink)}.key.bins{height:11px;border:0;background:var(--curve);opacity:.55}
.key.up,.key.down{width:0;height:0;border:5px solid transparent;border-top:0;border-bottom:9px solid var(--ink)}
.key.down{border-bottom:0;border-top:9px solid var(--ink)}
.axes{position:relative}.axis.switch{justify-content:flex-end;font-size:13px;margin:-4px 0 6px}
.axes:has(input[value=linear]:checked) .view.log,.axes:has(input[value=log]:checked) .view.linear{display:none}
section>h3,h3.part{margin:30px 0 8px}section>.head+h3{margin-top:0}
figure.plate{margin:0 0 14px}.axis-name{font-size:13px;color:var(--soft);margin-bottom:2px}
.plain-chart .plot{touch-action:auto}.own .dots{r:6px;stroke:var(--page);stroke-width:2}
.unsound .dots{fill:var(--faint)}.few .dots{fill-opacity:.3}
.rule.luck{stroke:var(--hold);stroke-dasharray:5 3}.key.luck{border-top:2px dashed var(--hold)}
.duo{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:14px 40px;align-items:start}
.windows{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:22px 28px;margin:6px 0 10px}
.windows figure{margin:0}.duo+.scroll,.plate+p+.scroll{margin-top:16px}
.windows figcaption{font-size:13px;line-height:1.45;min-height:3.9em}
figcaption b{font-weight:650}figcaption .soft{display:block}
details.symbol{margin-top:0;border-top:1px solid var(--line);padding:10px 0}
details.symbol summary{color:var(--ink);font-weight:650;font-size:15px}
.cursor{visibility:hidden}.cursor.on{visibility:visible}
.cursor line{stroke:var(--ink);stroke-opacity:.45}
.cursor circle{stroke:var(--page);stroke-width:1.5;fill:var(--curve)}
  .cursor circle.loss{fill:rgb(var(--loss))}
.readout{position:absolute;top:52px;left:0;z-index:2;pointer-events:none;background:var(--card);
  color:var(--ink);border:1px solid var(--line);
  border-radius:6px;padding:8px 12px;font-size:12.5px;line-height:1.5;
    box-shadow:0 6px 22px rgba(0,0,0,.14);white-space:nowrap}
.readout b{display:block;font-weight:600}.readout span{display:flex;justify-content:space-between;gap:18px}
.readout i{font-style:normal;color:var(--soft)}.readout em{font-style:normal;color:var(--soft);
  display:block;border-top:1px solid var(--line);margin-top:4px;padding-top:4px}
details{margin-top:18px}summary{cursor:pointer;color:var(--soft);font-size:14px}
summary:hover{color:var(--ink)}details[open] summary{margin-bottom:14px}
.caption{color:var(--faint);font-size:12.5px;margin-top:8px}
.multiples{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:22px 30px;
  margin-top:26px}
.multiples h3{display:flex;justify-content:space-between;margin:0}
.plane{padding:0 14px 0 60px;margin-top:10px}.plane .plot{display:block;overflow:visible}
.plane .axis{text-anchor:middle}
.dot.equity{fill:var(--curve)}.whisker{stroke:var(--curve);stroke-opacity:.45;stroke-width:2}
figure{margin:0}
.scroll+h3{margin-top:30px}
.small.chart{padding-left:52px}.small .plot text{font-size:10.5px}.small .readout{top:2px}
.small .curve{stroke-width:1.3}

.bar{display:block}.bar rect{fill:var(--curve)}.bar rect.gain{fill:rgb(var(--gain))}
  .bar rect.loss{fill:rgb(var(--loss))}
.bar rect.cost{fill:var(--few);opacity:.75}.bar .zero{stroke:var(--soft);stroke-width:1}
.heat{table-layout:fixed;min-width:840px}
.heat td{padding:7px 6px;text-align:right;border:2px solid var(--page);font-size:13px}
.heat td.warm{background:rgba(var(--gain),var(--a))}.heat td.cold{background:rgba(var(--loss),var(--a))}
.heat th{padding:0 6px 6px;text-align:right;border:0}.heat th:first-child{text-align:left;padding-left:0}

.candidate{border:1px solid var(--line);border-top:3px solid var(--fail);padding:18px 20px 20px;
  margin-top:16px}
.candidate.pass{border-top-color:var(--pass);color:inherit}
  .candidate.fail,.candidate.insufficient_observation{color:inherit}
.candidate.insufficient_observation{border-top-color:var(--few)}
.candidate>h3{font-size:17px;display:flex;flex-wrap:wrap;justify-content:space-between;gap:4px 20px;
  margin-bottom:8px}
.reasons{margin:0 0 18px;padding-left:1.15em}.reasons li{margin:3px 0}
.candidate h4{font-size:14px;font-weight:650;margin:20px 0 2px}
.candidate .scroll{margin-top:12px}.scroll+.scroll{margin-top:24px}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(235px,1fr));gap:0 32px;margin:14px 0 0}
.pairs div{display:flex;justify-content:space-between;gap:16px;border-bottom:1px solid var(--line);
  padding:8px 0}
.pairs dt{color:var(--soft)}.pairs dd{margin:0;font-weight:600;text-align:right}
.plain{margin:0;padding-left:1.1em;max-width:84ch}.plain li{margin:4px 0}
.hashes{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:6px 24px;margin:16px 0 0;
  font-size:13.5px}
.hashes dt{color:var(--soft)}.hashes dd{margin:0;font:12.5px/1.65 var(--mono);overflow-wrap:anywhere}
.command{display:flex;align-items:stretch;background:var(--wash);border:1px solid var(--line);
  border-radius:6px;margin-top:14px;max-width:640px}
.command code{flex:1;font:13.5px/1.5 var(--mono);padding:10px 14px;overflow-x:auto;white-space:pre}
.command button{font:13px var(--sans);color:var(--ink);background:none;border:0;
  border-left:1px solid var(--line);padding:0 16px;cursor:pointer}
.command button:hover{background:var(--line)}.command button:focus-visible{outline:2px solid var(--curve)}
footer{color:var(--faint);font-size:12.5px;padding-top:26px;padding-bottom:40px;margin-top:38px}
footer p{border-top:1px solid var(--line);padding-top:14px}footer p+p{border:0;padding-top:3px}

@media (max-width:900px){
  .tiles{grid-template-columns:repeat(3,minmax(0,1fr))}
  .tile:nth-child(3n+1){border-left:0;padding-left:0}.tile:nth-child(n+4){border-top:1px solid var(--line)}
  .hero{grid-template-columns:1fr;gap:18px}.stamp{text-align:left}.stamp p{margin-left:0;max-width:60ch}
}
@media (max-width:900px){.windows{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media (max-width:760px){.duo{grid-template-columns:1fr}}
@media (max-width:760px){.band .wide{display:none}.band .narrow{display:inline}}
@media (max-width:560px){
  main,header,footer{padding-left:18px;padding-right:18px}
  body{font-size:14.5px}h1{font-size:28px}h1 small{display:block;margin:4px 0 0;font-size:17px}
  .switch legend{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden;
    white-space:nowrap}
  .tiles{grid-template-columns:repeat(2,minmax(0,1fr))}
  .tile,.tile:nth-child(3n+1){border-left:1px solid var(--line);padding:14px 8px 14px 14px}
  .tile:nth-child(odd){border-left:0;padding-left:0}.tile:nth-child(n+3){border-top:1px solid var(--line)}
  .tile dd{font-size:23px}
  .chart{padding:0 4px 0 50px}.chart .plot text{font-size:10.5px}
  .time:nth-of-type(even) text{display:none}
  td .code{display:block;margin:0}.checks .code{display:none}td,th{padding-right:10px}
  td.wide-cell,th.wide-cell,.optional{display:none}
  .waterfall td.wide-cell,.waterfall th.wide-cell{display:table-cell}
  .multiples,.duo,.windows{grid-template-columns:1fr}
  .hashes{grid-template-columns:1fr;gap:0}.hashes dd{margin-bottom:8px}
}
@media print{
  @page{size:A4;margin:14mm 13mm}
  :root{color-scheme:light}
  body{font-size:13px;zoom:.8;-webkit-print-color-adjust:exact;print-color-adjust:exact}
  main,header,footer{max-width:none;padding-left:0;padding-right:0}
  .switch,.readout,.cursor,.screen,.command button{display:none}
  .hero{grid-template-columns:minmax(0,1fr) auto}.stamp{text-align:right}
    .stamp p{margin-left:auto}
  .tiles{grid-template-columns:repeat(6,minmax(0,1fr))}.tile dd{font-size:15pt}
    .tile dd.note{font-size:7.5pt}
  .tile,.tile:nth-child(3n+1){border-top:0!important;border-left:1px solid var(--line);
    padding:10px 6px 10px 9px}
  .tile:first-child{border-left:0;padding-left:0}
  section{padding:18px 0 4px}.whole,.head{break-inside:avoid}
  .head,h2,h3,h4,summary,.legend{break-after:avoid}
  .heat{min-width:0}.heat td{padding:5px 2px;font-size:11px;white-space:nowrap}
  details.symbol,footer{break-inside:avoid}
  thead,tbody tr:nth-child(-n+2){break-after:avoid}tbody tr:nth-last-child(2){break-after:avoid}
  .chart,figure,tr,.candidate>ul,.multiples>div,.command,.pairs div{break-inside:avoid}
  .multiples{grid-template-columns:repeat(3,1fr);gap:14px 18px}
  .windows{grid-template-columns:repeat(3,1fr);gap:14px 18px}.duo{grid-template-columns:repeat(2,1fr)}
  .scroll{overflow:visible}table{font-size:13px}td{padding-top:5px;padding-bottom:5px}
  .band .wide{display:inline}.band .narrow{display:none}
  thead{display:table-header-group}a{color:inherit}
}
"""
