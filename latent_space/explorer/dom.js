// Making parts of the page. Texts become text nodes, never markup.

const element = (id) => document.getElementById(id);
const SVG_SPACE = "http://www.w3.org/2000/svg"; // a name, not an address: nothing is fetched

function fill(target, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false && value !== undefined)
      target.setAttribute(name, value === true ? "" : value);
  }
  target.append(...children.filter((child) => child !== null && child !== undefined));
  return target;
}

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function makeSvg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG_SPACE, tag), attributes, children);
}

function makeButton(text, act, attributes = {}) {
  const button = make("button", { type: "button", ...attributes }, text);
  button.addEventListener("click", act);
  return button;
}

// A radio button or a check box inside its label.
function makeChoice(type, name, checked, children, act) {
  const input = make("input", { type, name });
  input.checked = checked;
  input.addEventListener("change", () => act(input.checked));
  return make("label", {}, input, ...children);
}

// Fill a place anew; what has the focus keeps it, and the place stays scrolled where it is.
function keepingPlace(place, filling) {
  const parts = () => [...place.querySelectorAll("button, input")];
  const [at, top] = [parts().indexOf(document.activeElement), place.scrollTop];
  filling(place);
  place.scrollTop = top;
  if (at >= 0) parts()[at]?.focus({ preventScroll: true });
}

// A function that does its work once, in the next frame, however often it is called.
function inNextFrame(work) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      work();
    });
  };
}

// A function that does its work once, when it was not called for a while.
function whenQuiet(work, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}

// A long list of which only what is in sight exists. `shape()` gives {count, height}; `row(k)` makes the element.
class LongList {
  constructor(scroller, shape, row) {
    Object.assign(this, { scroller, shape, row, shown: "" });
    this.body = make("div", { class: "long" });
    scroller.append(this.body);
    this.later = inNextFrame(() => this.draw(false));
    scroller.addEventListener("scroll", this.later, { passive: true });
    new ResizeObserver(this.later).observe(scroller);
  }

  draw(anew = true) {
    const { count, height } = this.shape();
    if (!this.scroller.clientHeight) return;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - 2);
    const last = Math.min(count, Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / height) + 2);
    const shown = `${first} ${last} ${height} ${this.scroller.clientWidth}`;
    if (!anew && shown === this.shown) return;
    this.shown = shown;
    this.body.style.height = `${count * height}px`;
    const rows = [];
    for (let k = first; k < last; k += 1) {
      const row = this.row(k);
      row.style.transform = `translateY(${k * height}px)`;
      rows.push(row);
    }
    this.body.replaceChildren(...rows);
  }

  reveal(k) {
    const { height } = this.shape();
    const room = this.scroller.clientHeight - height;
    const top = Math.min(k * height, Math.max(this.scroller.scrollTop, k * height - room));
    if (top !== this.scroller.scrollTop) this.scroller.scrollTop = top;
    this.draw();
  }
}
