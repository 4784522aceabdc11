// The page is opened: the last script.

async function open() {
  const explorer = new Explorer(await readRun());
  // Two frames on, the first one is on the screen.
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      document.documentElement.dataset.firstPaint = Math.round(performance.now());
      explorer.latest();
    }),
  );
}

open().catch((error) => {
  const words = `This page could not be read: ${error.message}`;
  document.querySelector("main").replaceChildren(make("p", { class: "card" }, words));
  throw error;
});
