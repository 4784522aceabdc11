// Columns out of the one text that the page carries them in. See packing.py for how they lie in it.

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function inflate(text) {
  const stream = new Blob([fromBase64(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The planes put together again: items of `size` bytes, whose `top` most significant bytes were left out.
function gather(bytes, { at, n, planes }, size, top) {
  const items = new Uint8Array(n * size);
  for (let plane = 0; plane < planes; plane += 1) {
    const from = at + plane * n;
    for (let i = 0, to = size - 1 - plane - top; i < n; i += 1, to += size) items[to] = bytes[from + i];
  }
  return items.buffer;
}

function unpackNumbers(bytes, place) {
  if (place.type === "f4") return new Float32Array(gather(bytes, place, 4, 0));
  if (place.type === "f8") return new Float64Array(gather(bytes, place, 8, 0));
  if (place.type === "few") {
    const levels = Float64Array.from([...place.levels, ...new Array(256 - place.levels.length).fill(NaN)]);
    return Float64Array.from(bytes.subarray(place.at, place.at + place.n), (code) => levels[code]);
  }
  const missing = 256 ** place.planes - 1;
  return Float64Array.from(new Uint32Array(gather(bytes, place, 4, 4 - place.planes)), (code) =>
    code === missing ? NaN : code + place.offset,
  );
}

function unpackCodes(bytes, place) {
  return new Uint16Array(gather(bytes, place, 2, 0));
}

function unpackJson(bytes, place) {
  return JSON.parse(new TextDecoder().decode(bytes.subarray(place.at, place.at + place.n)));
}
