// Pointer and keys on a map: point, pin, pan, zoom, lasso and rectangle.

const STILL = 4;
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// Where an event is on a map, to parts of a pixel.
function placeOf(event, overlay) {
  const { left, top } = overlay.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

function listenToGestures(view) {
  const { overlay } = view;
  let drag = null;
  overlay.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    const at = placeOf(event, overlay);
    drag = {
      start: at,
      last: at,
      moved: 0,
      tool: view.tool === "pan" && event.shiftKey ? "lasso" : view.tool,
      outline: [at],
    };
    overlay.setPointerCapture(event.pointerId);
  });
  overlay.addEventListener("pointermove", (event) => {
    const at = placeOf(event, overlay);
    if (!drag) {
      view.on.hover(view.nearest(at), event);
      return;
    }
    const [dx, dy] = [at[0] - drag.last[0], at[1] - drag.last[1]];
    drag.last = at;
    drag.moved += Math.abs(dx) + Math.abs(dy);
    if (drag.moved > STILL) dragTo(view, drag, at, [dx, dy], event);
  });
  overlay.addEventListener("pointerup", (event) => {
    if (drag && drag.moved <= STILL) view.on.pin(view.nearest(placeOf(event, overlay)));
    else if (drag && drag.tool !== "pan")
      view.on.draw(
        view.outline.map((at) => view.unplace(at)),
        view.map,
        combining(event),
      );
    drag = endDrag(view);
  });
  overlay.addEventListener("pointercancel", () => {
    drag = endDrag(view);
  });
  overlay.addEventListener("pointerleave", (event) => {
    if (!drag) view.on.hover(-1, event);
  });
  overlay.addEventListener("dblclick", () => {
    if (view.tool === "pan") view.reset();
  });
  overlay.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), placeOf(event, overlay));
    },
    { passive: false },
  );
  overlay.addEventListener("keydown", (event) => pressKey(view, event));
}

// What a new outline does to what is selected already.
function combining(event) {
  if (event.altKey) return "remove";
  return event.shiftKey || event.ctrlKey || event.metaKey ? "add" : "replace";
}

function dragTo(view, drag, at, [dx, dy], event) {
  view.on.hover(-1, event);
  if (drag.tool === "pan") {
    view.overlay.classList.add("dragging");
    view.pan(dx, dy);
    return;
  }
  if (drag.tool === "lasso") drag.outline.push(at);
  else drag.outline = rectangle(drag.start, at);
  view.outline = drag.outline;
  view.frame();
}

function endDrag(view) {
  view.overlay.classList.remove("dragging");
  view.outline = null;
  view.frame();
  return null;
}

function pressKey(view, event) {
  const direction = DIRECTIONS[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (direction && event.shiftKey) view.pan(-60 * direction[0], 60 * direction[1]);
  else if (direction) step(view, direction);
  else if (event.key === "Enter" && view.hovered >= 0) view.on.pin(view.hovered);
  else if (event.key === " " && view.hovered >= 0) view.on.toggle(view.hovered);
  else if (event.key === "+" || event.key === "=") view.zoom(1.5);
  else if (event.key === "-") view.zoom(1 / 1.5);
  else if (event.key === "0") view.reset();
  else return;
  event.preventDefault();
}

// To the next point that way; it is brought into sight.
function step(view, direction) {
  const from = view.hovered >= 0 ? view.place(view.hovered) : [view.width / 2, view.height / 2];
  const next = view.nearest(from, Infinity, view.hovered >= 0 ? direction : null);
  if (next < 0) return;
  const [x, y] = view.place(next);
  if (x < 0 || y < 0 || x > view.width || y > view.height) view.pan(view.width / 2 - x, view.height / 2 - y);
  view.on.hover(next, view.pointAt(next));
}
