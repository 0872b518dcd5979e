"""The style sheet of the page for people, inline because the page fetches nothing.

Colours come in pairs, text ``--x`` on ground ``--x-ground``, with a contrast of WCAG AA (4.5) or more.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --text: #1b2330; --text-ground: #f4f6f9;
  --faint: #556070; --faint-ground: #f4f6f9;
  --link: #0a55a8; --link-ground: #f4f6f9;
  --card: #1b2330; --card-ground: #ffffff;
  --muted: #556070; --muted-ground: #ffffff;
  --good: #0f5f34; --good-ground: #e0f4e8;
  --bad: #9b1212; --bad-ground: #fde8e8;
  --busy: #0b4a91; --busy-ground: #e1eefc;
  --idle: #465062; --idle-ground: #e9edf2;
  --line: #dde3ea;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e7ecf2; --text-ground: #11151b;
    --faint: #a7b3c2; --faint-ground: #11151b;
    --link: #8fc4ff; --link-ground: #11151b;
    --card: #e7ecf2; --card-ground: #1a2029;
    --muted: #a7b3c2; --muted-ground: #1a2029;
    --good: #85e0aa; --good-ground: #12301f;
    --bad: #ffa39b; --bad-ground: #3c1614;
    --busy: #93c7ff; --busy-ground: #122f4d;
    --idle: #b6c1cf; --idle-ground: #2a323d;
    --line: #2d3642;
  }
}
* { box-sizing: border-box; margin: 0; padding: 0; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 64rem;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  color: var(--text); background: var(--text-ground); overflow-wrap: anywhere;
}
h1 { font-size: 1.5rem; line-height: 1.2; }
h2 { display: inline; font-size: 1.125rem; margin-right: .5rem; }
h3 { margin: 1.25rem 0 .5rem; font-size: .875rem; color: var(--muted); }
h1 small, footer, .more { font-size: .875rem; font-weight: 400; color: var(--faint); }
ul { list-style: none; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: .25rem; }
header, header ul { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1.25rem; }
header { justify-content: space-between; }
header a { display: inline-block; padding: .25rem 0; }
dt, thead th, .nickname, .age, .summary small { color: var(--muted); font-size: .875rem; font-weight: 400; }
.summary { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
.summary { margin: 1.25rem 0; }
.summary div, details {
  padding: .75rem 1rem; color: var(--card); background: var(--card-ground);
  border: 1px solid var(--line); border-radius: .75rem;
}
.summary dd { font-size: 1.125rem; font-weight: 600; }
.summary small { display: block; }
details { margin-bottom: .75rem; }
summary { cursor: pointer; }
.chargers { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); }
.chargers li { padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .5rem; }
.chargers li p:first-child { display: flex; gap: .5rem; align-items: baseline; }
.chargers strong { flex: 1; }
.chargers dl { display: grid; grid-template-columns: auto 1fr; margin-top: .5rem; align-items: baseline; }
.chargers dd { text-align: right; font-variant-numeric: tabular-nums; }
.state { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; }
.state { font-size: .875rem; font-weight: 600; }
.chargers .state, td .state { white-space: nowrap; }
.good { color: var(--good); background: var(--good-ground); }
.bad, .error { color: var(--bad); background: var(--bad-ground); }
.busy { color: var(--busy); background: var(--busy-ground); }
.idle { color: var(--idle); background: var(--idle-ground); }
.error { display: block; margin-top: .25rem; padding: .1rem .6rem; border-radius: .5rem; font-size: .875rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem 1rem .4rem 0; text-align: left; vertical-align: baseline; }
tbody tr { border-top: 1px solid var(--line); }
.age, time { white-space: nowrap; }
footer { margin-top: 1.25rem; }
@media (min-width: 40.001rem) {
  table { table-layout: fixed; }
  th:nth-child(1) { width: 16%; }
  th:nth-child(2) { width: 34%; }
  th:nth-child(4) { width: 12%; }
}
@media (max-width: 23rem) { time { white-space: normal; } }
@media (max-width: 40rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, th, td { display: block; }
  tbody tr { padding: .5rem 0; }
  th, td { padding: .1rem 0; }
  td { display: grid; grid-template-columns: 6.5rem 1fr; align-items: baseline; }
  td::before { content: attr(data-column); color: var(--muted); font-size: .875rem; }
}
"""
