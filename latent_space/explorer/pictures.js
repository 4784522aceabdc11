// A row's pictures: its thumbnail from the page, or its tile of a sheet, and the visualizers'.

class Pictures {
  constructor(bytes) {
    this.bytes = bytes;
    this.folders = new Map();
  }

  // Read when the first picture is asked for: it is most of the page.
  get packed() {
    if (!this.parsed) {
      this.parsed = JSON.parse(element("pictures").textContent);
      const { thumbnails } = this.parsed;
      this.paths = unpackJson(this.bytes, thumbnails.paths);
      // One rule per sheet: a browser would read its megabytes again for every tile that names it.
      const rules = (thumbnails.sheets ?? []).map((uri, k) => `.sheet-${k} { background-image: url(${uri}); }`);
      document.head.append(make("style", {}, rules.join("\n")));
    }
    return this.parsed;
  }

  get thumbnails() {
    return this.packed.thumbnails;
  }

  // Width of a picture, in heights: 1 where they are square or of any shape.
  get aspect() {
    return this.packed?.thumbnails.aspect ?? 1;
  }

  get areWide() {
    return this.aspect > 1;
  }

  has(table, i) {
    return Boolean(this.packed && this.paths[table.sampleOf(i)]);
  }

  // What is not in the page, in words; nothing where everything is.
  get note() {
    this.told ??= this.missingText();
    return this.told;
  }

  missingText() {
    const { sheets, full } = this.thumbnails;
    const n = this.paths.length;
    const missing = this.paths.filter((path) => !path).length;
    if (n && missing === n) return "This run has no pictures: no thumbnail is in its folder.";
    const known = sheets ? Object.keys(full).length : n;
    return [
      missing ? `${readable(missing)} of ${readable(n)} samples have no picture: their thumbnails are not there.` : "",
      known < n - missing
        ? `Full pictures of ${readable(known)} samples are in this page, those of the others in the run folder.`
        : "",
    ]
      .filter(Boolean)
      .join(" ");
  }

  // An image for a place of `width` pixels, with the instance's box where the row is one.
  thumbnail(table, i, width) {
    const sample = table.sampleOf(i);
    const name = `picture of ${table.ids[i]}`;
    const source = this.thumbnails.urls?.[sample] ?? this.thumbnails.full?.[sample];
    if (source) return framed(make("img", { src: source, alt: name, loading: "lazy" }), table.boxes?.[i]);
    return this.tile(sample, width, name);
  }

  tile(sample, width, name) {
    const { per_side: perSide } = this.thumbnails;
    const height = width / this.aspect;
    const [sheet, place] = [Math.floor(sample / perSide ** 2), sample % perSide ** 2];
    const shown = make("div", { class: `tile sheet-${sheet}`, role: "img", "aria-label": name });
    Object.assign(shown.style, {
      width: `${width}px`,
      height: `${height}px`,
      backgroundSize: `${perSide * width}px auto`,
      backgroundPosition: `${-(place % perSide) * width}px ${-Math.floor(place / perSide) * height}px`,
    });
    return shown;
  }

  // [[name, () => element]] of everything there is to see of a row.
  views(table, i) {
    const sample = table.sampleOf(i);
    const views = [];
    if (this.has(table, i)) views.push([this.thumbnails.name.replaceAll("_", " "), () => this.large(table, i)]);
    for (const [name, packed] of Object.entries(this.packed.visualizers)) {
      const url = packed.urls ? packed.urls[sample] : this.linked(name, packed, sample);
      if (url)
        views.push([
          name.replaceAll("_", " "),
          () => {
            const image = make("img", { src: url, alt: `${name.replaceAll("_", " ")} of ${table.ids[i]}` });
            image.addEventListener("error", () => image.replaceWith(elsewhere()), { once: true });
            return framed(image, table.boxes?.[i]);
          },
        ]);
    }
    return views;
  }

  // Where a visualizer's picture lies in the run folder.
  linked(name, packed, sample) {
    if (!this.folders.has(name)) this.folders.set(name, unpackCodes(this.bytes, packed.codes));
    const code = this.folders.get(name)[sample];
    const path = this.paths[sample];
    return code && path
      ? packed.folder + path.slice(path.lastIndexOf("/") + 1, path.lastIndexOf(".")) + packed.endings[code]
      : null;
  }

  // The full picture; where it is not in the page, from the run folder, else the tile.
  large(table, i) {
    const sample = table.sampleOf(i);
    if (!this.thumbnails.sheets || this.thumbnails.full[sample]) return this.thumbnail(table, i, 300);
    const image = make("img", { src: this.paths[sample], alt: `picture of ${table.ids[i]}` });
    const small = () => this.tile(sample, 240, `picture of ${table.ids[i]}`);
    image.addEventListener("error", () => image.replaceWith(small(), elsewhere()), { once: true });
    return image;
  }
}

function elsewhere() {
  return make("p", { class: "note" }, "The full picture is in the run folder, which is not beside this page.");
}

// A picture with a box drawn over it, in shares of its width and height.
function framed(image, box) {
  if (!box) return image;
  const mark = make("i", { class: "box" });
  const [left, top, right, bottom] = box;
  Object.assign(mark.style, {
    left: `${100 * left}%`,
    top: `${100 * top}%`,
    width: `${100 * (right - left)}%`,
    height: `${100 * (bottom - top)}%`,
  });
  return make("span", { class: "framed" }, image, mark);
}
