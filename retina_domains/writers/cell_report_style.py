"""The look of the smear report. Nothing is told by colour alone; the keyboard's place is always seen."""

STYLE = """
:root{color-scheme:light dark;--ink:#1a1f28;--faint:#566070;--line:#d5dae2;--page:#fff;--card:#f4f6f8;
--accent:#005a9c;--on:#fff;--warn:#a8420a;--good:#00694a}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf0;--faint:#a3adba;--line:#353e4b;--page:#12161c;
--card:#1b212a;
--accent:#6cb8ee;--on:#0b1016;--warn:#f2a077;--good:#55cda0}}
*{box-sizing:border-box}
html{scroll-padding-top:54px}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1180px;margin:0 auto;padding:18px 20px 60px}
.banner{position:sticky;top:0;z-index:2;background:var(--ink);color:var(--page);text-align:center;
font-weight:600;
padding:7px 12px}
h1{font-size:26px;margin:10px 0 2px;overflow-wrap:anywhere}
h2{font-size:20px;margin:38px 0 6px}h3{font-size:16px;margin:20px 0 8px}
p{margin:4px 0 12px}.faint,figcaption,small{color:var(--faint)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(270px,100%),1fr));gap:14px;
margin:18px 0}
.figure{background:var(--card);border-radius:8px;padding:14px 18px}
.figure h3{margin:0;font-weight:500;font-size:15px}
.figure b{display:block;font-size:34px;line-height:1.15;font-variant-numeric:tabular-nums}
.figure b small{font-size:18px;font-weight:500;color:var(--ink)}
.figure p{margin:2px 0}.figure .note{font-size:13px;margin-top:8px}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin-bottom:12px;
min-width:min(100%,420px)}
th,td{text-align:right;vertical-align:top;padding:5px 0 5px 18px;border-bottom:1px solid var(--line)}
th{font-weight:500;color:var(--faint)}
th:first-child,td:first-child{text-align:left;padding-left:0;min-width:7em;overflow-wrap:anywhere}
table.facts td{text-align:left;overflow-wrap:anywhere}
th.words,td.words{text-align:left;min-width:9em}
a{color:var(--accent)}
.ways{display:flex;flex-wrap:wrap;gap:4px 22px;margin:8px 0 0}
.ways .alert{color:var(--warn);font-weight:600}
.warnings{padding:0;list-style:none;margin:8px 0}
.warnings li{border-left:4px solid var(--warn);background:var(--card);padding:8px 14px;margin:8px 0}
.warnings b{color:var(--warn)}
.swatch{width:34px;height:12px;vertical-align:middle;margin-right:6px}
.tag{display:inline-block;min-width:1.5em;padding:0 .35em;border:1px solid currentColor;border-radius:4px;
font-size:12px;font-weight:700;text-align:center;line-height:1.4}
button,input,select{font:inherit;color:inherit}
button{background:var(--page);border:1px solid var(--faint);border-radius:6px;padding:6px 12px;
cursor:pointer;
min-height:38px}
button:hover{border-color:var(--accent)}
button[aria-pressed=true]{background:var(--accent);border-color:var(--accent);color:var(--on);
font-weight:600}
button.main{background:var(--accent);border-color:var(--accent);color:var(--on);font-weight:600}
button:disabled{opacity:.5;cursor:default}
kbd{font:600 12px/1.3 ui-monospace,monospace;border:1px solid currentColor;border-radius:3px;padding:0 4px;
margin-left:5px;opacity:.8}
#desk{display:grid;grid-template-columns:minmax(200px,380px) 1fr;gap:22px;background:var(--card);
border-radius:8px;
padding:18px;margin:12px 0}
#desk img{width:100%;height:auto;display:block;border-radius:6px}
.row{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin:0 0 12px}
.row label{display:flex;flex-wrap:wrap;gap:8px;align-items:center}
#who{border:1px solid var(--faint);border-radius:6px;padding:6px 10px;background:var(--page);width:15em;
max-width:100%}
#what{font-size:20px;margin:0}#say{font-weight:600;min-height:1.5em;margin:0 0 8px}
progress{width:160px;height:10px;accent-color:var(--accent)}
.strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(116px,1fr));gap:10px;padding:0;
margin:10px 0;
list-style:none}
.tag:empty{display:none}
.cell{display:flex;flex-direction:column;gap:4px;width:100%;padding:4px;text-align:left;background:var(--card);
border:2px solid transparent;
font-size:12.5px;line-height:1.35;min-height:0;height:100%}
.cell img{width:100%;height:auto;display:block;border-radius:3px}
.cell[aria-current=true]{border-color:var(--accent)}
.cell .said{display:block;font-weight:700;min-height:1.35em}
.cell[data-said=reject] img{filter:grayscale(1) opacity(.45)}
.cell[data-said=reject] .label{text-decoration:line-through}
.fields{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(340px,100%),1fr));gap:18px}
figure{margin:0}figure img{width:100%;height:auto;display:block;border-radius:4px}
.zoom{display:block;width:100%;padding:0;border:0;background:none;min-height:0;cursor:zoom-in}
figure.large{grid-column:1/-1}figure.large .zoom{cursor:zoom-out}
.picture{position:relative}figure.adds .zoom{cursor:crosshair}
.mark{position:absolute;min-height:0;padding:0;background:none;border:3px dashed #fff;outline:2px solid #000;
color:#fff;font:700 14px/1 system-ui,sans-serif;text-shadow:0 0 3px #000,0 0 3px #000}
.tools{margin:8px 0 0;font-size:13px}.tools button{min-height:32px;padding:3px 10px}
.tools select{border:1px solid var(--faint);border-radius:6px;padding:4px;background:var(--page)}
figcaption{font-size:13px;line-height:1.4;margin-top:5px;overflow-wrap:anywhere}
figcaption b{color:var(--ink)}
details{margin:14px 0}summary{cursor:pointer;font-weight:600}
@media(max-width:640px){#desk{grid-template-columns:1fr;padding:12px}.figure b{font-size:30px}
main{padding:12px 14px 40px}
#desk img{max-width:300px;margin:0 auto}th,td{padding-left:12px}}
@media print{:root{--ink:#000;--faint:#444;--line:#bbb;--page:#fff;--card:#fff;--accent:#000;--warn:#000}
body{font-size:11pt}.banner{position:static;border:2px solid #000;
background:#fff;color:#000}#desk,.noprint{display:none}
.figure,.cell,figure,tr,.warnings li{break-inside:avoid}.figure,.cell{border:1px solid #bbb}
h2,h3{break-after:avoid}
.strip{grid-template-columns:repeat(6,1fr)}.fields{grid-template-columns:1fr 1fr}main{max-width:none;
padding:0}}
"""
