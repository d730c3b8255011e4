"""The look of the page, and the JavaScript of an image with boxes."""

# for `gr.HTML`, whose value is replaced at each change: listeners are at `element`, which stays
SCRIPT = """
const light = (target, on) => {
  const source = target.closest && target.closest('[data-shows]');
  element.querySelectorAll('.lit').forEach(part => part.classList.remove('lit'));
  element.classList.toggle('some-lit', Boolean(on && source));
  if (!on || !source) return;
  const keys = source.dataset.shows.split(' ');
  source.classList.add('lit');
  element.querySelectorAll('[data-keys]').forEach(part => {
    if (part.dataset.keys.split(' ').some(key => keys.includes(key))) part.classList.add('lit');
  });
};
const choose = target => {
  const box = target.closest && target.closest('[data-box]');
  if (!box) return;
  element.querySelectorAll('.chosen').forEach(part => part.classList.remove('chosen'));
  element.querySelectorAll(`[data-keys="${box.dataset.keys}"]`).forEach(part => part.classList.add('chosen'));
  trigger('click', {box: Number(box.dataset.box)});
};
element.addEventListener('mouseover', event => light(event.target, true));
element.addEventListener('mouseleave', event => light(event.target, false));
element.addEventListener('focusin', event => light(event.target, true));
element.addEventListener('focusout', event => light(event.target, false));
element.addEventListener('click', event => choose(event.target));
element.addEventListener('keydown', event => {
  if (event.key === 'Enter' || event.key === ' ') { choose(event.target); event.preventDefault(); }
});
"""

STAGE = """
${above}{{#if image}}
<div class="stage" style="aspect-ratio:{{width}}/{{height}};max-width:calc(80vh * {{width}} / {{height}})">
<img src="{{image}}" alt="the image"><div class="layer">${value}</div></div>{{/if}}
<div class="below">${below}</div>
"""
PAIR = """
{{#if image}}<div class="summary-of-both">${value}</div><div class="pair">
<div><p class="caption">${left_name}</p><div class="stage" style="aspect-ratio:{{width}}/{{height}}">
<img src="{{image}}" alt="the image with the boxes of the left model"><div class="layer">${left}</div></div></div>
<div><p class="caption">${right_name}</p><div class="stage" style="aspect-ratio:{{width}}/{{height}}">
<img src="{{image}}" alt="the image with the boxes of the right model"><div class="layer">${right}</div></div></div>
</div><div class="below">${below}</div>{{/if}}
"""

CSS = """
.stage { position: relative; width: 100%; margin: 0 auto; overflow: hidden; border-radius: 4px; }
.stage img { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; }
.stage .layer, .stage svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.stage svg { opacity: 0.45; pointer-events: none; }
.box { position: absolute; border: 2.5px solid var(--color); border-radius: 2px; cursor: pointer;
  box-sizing: border-box; box-shadow: 0 0 0 1px rgb(255 255 255 / 0.6); }
.box .label { position: absolute; background: var(--color); color: white; font-size: 12px; line-height: 16px;
  padding: 0 4px; white-space: nowrap; max-width: 45vw; overflow: hidden; text-overflow: ellipsis; z-index: 1; }
.box .above { bottom: 100%; } .box .in { top: 0; } .box .below { top: 100%; } .box .in-below { bottom: 0; }
.box:not(:hover, .lit, .chosen, :focus-visible) .quiet { display: none; }
.box .from-left { left: -2.5px; } .box .from-right { right: -2.5px; }
.box.only { border-style: dashed; border-width: 4px; } .box.shared { border-width: 2px; opacity: 0.75; }
.box.lit, .box.chosen { z-index: 5; border-width: 4px; opacity: 1; }
.box:hover, .box.chosen { background: color-mix(in srgb, var(--color) 22%, transparent); }
.box.chosen { outline: 3px solid #f0e442; outline-offset: 2px; }
.some-lit .box:not(.lit) { opacity: 0.25; }
.box:focus-visible, .phrase:focus-visible { outline: 3px solid #f0e442; outline-offset: 2px; }
.caption { font-size: 17px; line-height: 1.6; margin: 6px 0; overflow-wrap: anywhere; }
.phrase { color: var(--color); font-weight: 700; border-bottom: 3px solid var(--color); cursor: pointer; }
.phrase.lit { background: var(--color); color: white; }
.dark .phrase:not(.lit) { color: color-mix(in srgb, var(--color) 55%, white); }
.some-lit .phrase:not(.lit) { opacity: 0.4; }
.summary { margin: 6px 0; } .answer { font-size: 19px; display: block; }
.message { padding: 10px 14px; border-radius: 6px; background: #fde8e4; color: #7a1f0b; border: 1px solid #d55e00; }
.hint { padding: 10px 14px; border-radius: 6px; background: #e8f1fb; color: #10406b; border: 1px solid #0072b2; }
.message p, .hint p { margin: 0; color: inherit; overflow-wrap: anywhere; }
.scroll { overflow: auto; max-height: 340px; }
table.boxes { border-collapse: collapse; border: 0 !important; width: 100%; font-size: 14px;
  font-variant-numeric: tabular-nums; }
table.boxes tr { border: 0 !important; }
table.boxes th { position: sticky; top: 0; background: var(--background-fill-primary); font-weight: 600; }
table.boxes th, table.boxes td { text-align: right; padding: 2px 8px; border: 0;
  border-bottom: 1px solid #8884; }
table.boxes th:nth-child(2), table.boxes td:nth-child(2) { text-align: left; white-space: nowrap; }
table.boxes tr.lit, table.boxes tr.chosen { background: #f0e44240; } table.boxes tr[data-box] { cursor: pointer; }
.dot { display: inline-block; width: 11px; height: 11px; border-radius: 50%; background: var(--color);
  margin-right: 6px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); gap: 14px; }
.atom { display: flex; flex-wrap: wrap; gap: 10px; align-items: flex-start; padding: 8px 0;
  border-top: 1px solid #8884; }
.atom .name { width: 96px; } .atom figure { width: 118px; margin: 0; }
.heads { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 10px; }
.heads figure { margin: 0; }
.heads figure img, .atom figure img { width: 100%; display: block; margin: 0; }
figcaption { font-size: 12px; overflow-wrap: anywhere; }
.patch { position: relative; overflow: hidden; }
.patch span { position: absolute; border: 2px solid #f0e442; outline: 1px solid #222; }
.patch i { position: absolute; transform: translate(-50%, -50%); }
.patch .square { width: 9px; height: 9px; background: #d55e00; border: 1.5px solid white; }
.patch .cross::before, .patch .cross::after { content: ''; position: absolute; background: #222;
  box-shadow: 0 0 0 1px white; }
.patch .cross::before { width: 13px; height: 2px; left: -6.5px; top: -1px; }
.patch .cross::after { height: 13px; width: 2px; top: -6.5px; left: -1px; }
.words { font-size: 12px; background: #8882; padding: 4px; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  .examples .gallery { flex-wrap: nowrap; overflow-x: auto; } .examples .gallery-item { flex: none; }
  table.boxes { font-size: 12px; } table.boxes th, table.boxes td { padding: 2px 3px; }
  .dot { width: 9px; height: 9px; margin-right: 3px; }
}
"""
