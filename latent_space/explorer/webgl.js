// Points by WebGL2: they lie on the graphics card, and a frame costs next to nothing.

const VERTEX_SHADER = `#version 300 es
in vec2 place;
in float radius;
in vec4 color;
uniform vec2 center;
uniform vec2 scale;
uniform float grown;
out vec4 fill;
flat out float size;
flat out float isHollow;
void main() {
  gl_Position = vec4((place - center) * scale, 0.0, 1.0);
  size = abs(radius) * grown;
  isHollow = radius < 0.0 ? 1.0 : 0.0;
  fill = color;
  gl_PointSize = 2.0 * size + 2.0;
}`;

const FRAGMENT_SHADER = `#version 300 es
precision mediump float;
in vec4 fill;
flat in float size;
flat in float isHollow;
uniform vec4 edge;
out vec4 result;
void main() {
  float far = length(gl_PointCoord - 0.5) * (2.0 * size + 2.0);
  float inside = clamp(size + 0.5 - far, 0.0, 1.0);
  float core = clamp(size - 0.6 - far, 0.0, 1.0);
  if (inside <= 0.0) discard;
  float rim = edge.a * smoothstep(2.0, 3.0, size); // none on small points: it would wash them out
  vec4 drawn = vec4(mix(mix(fill.rgb, edge.rgb, rim), fill.rgb, core), fill.a * inside);
  if (isHollow > 0.5) drawn = vec4(fill.rgb, fill.a * inside * (1.0 - core));
  result = vec4(drawn.rgb * drawn.a, drawn.a);
}`;

// Some browsers say so only by the name of what draws.
function isSoftware(gl) {
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(
    gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER),
  );
}

class WebglPoints {
  // Null where the browser has no WebGL2, or only one without a graphics card, which is slower than a plain canvas.
  static make(map, bounds, onLost, evenSlow) {
    const canvas = make("canvas", { class: "points", "aria-hidden": "true" });
    const gl = canvas.getContext("webgl2", {
      antialias: false,
      premultipliedAlpha: true,
      failIfMajorPerformanceCaveat: !evenSlow,
    });
    if (!gl || (!evenSlow && isSoftware(gl))) return null;
    return new WebglPoints(canvas, gl, map, bounds, onLost);
  }

  constructor(canvas, gl, map, bounds, onLost) {
    const middle = [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2];
    Object.assign(this, { canvas, gl, middle, name: "webgl2" });
    canvas.addEventListener("webglcontextlost", onLost, { once: true });
    this.program = this.link();
    this.places = new Map(
      ["center", "scale", "grown", "edge"].map((name) => [name, gl.getUniformLocation(this.program, name)]),
    );
    const places = new Float32Array(2 * map.x.length);
    for (let i = 0; i < map.x.length; i += 1) {
      const known = Number.isFinite(map.x[i]) && Number.isFinite(map.y[i]);
      places[2 * i] = known ? map.x[i] - middle[0] : 1e30;
      places[2 * i + 1] = known ? map.y[i] - middle[1] : 1e30;
    }
    this.buffers = {
      place: gl.createBuffer(),
      radius: gl.createBuffer(),
      color: gl.createBuffer(),
      order: gl.createBuffer(),
    };
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers.place);
    gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
    this.attribute("place", 2, gl.FLOAT, false);
  }

  link() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [type, source] of [
      [gl.VERTEX_SHADER, VERTEX_SHADER],
      [gl.FRAGMENT_SHADER, FRAGMENT_SHADER],
    ]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
      throw new Error(gl.getProgramInfoLog(program));
    return program;
  }

  attribute(name, size, type, normalized) {
    const { gl } = this;
    const at = gl.getAttribLocation(this.program, name);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, normalized, 0, 0);
  }

  setLook(look) {
    const { gl, buffers } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.radius);
    gl.bufferData(gl.ARRAY_BUFFER, look.radius, gl.DYNAMIC_DRAW);
    this.attribute("radius", 1, gl.FLOAT, false);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.color);
    gl.bufferData(gl.ARRAY_BUFFER, look.rgba, gl.DYNAMIC_DRAW);
    this.attribute("color", 4, gl.UNSIGNED_BYTE, true);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.order);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, look.order, gl.DYNAMIC_DRAW);
    this.look = look;
  }

  // view: {x, y, scale (pixels per unit), width, height, ratio, grown}
  paint(view) {
    const { gl, places } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.uniform2f(places.get("center"), view.x - this.middle[0], view.y - this.middle[1]);
    gl.uniform2f(places.get("scale"), (2 * view.scale) / view.width, (2 * view.scale) / view.height);
    gl.uniform1f(places.get("grown"), view.grown * view.ratio);
    gl.uniform4f(places.get("edge"), ...styleColor("--edge").map((value) => value / 255), this.look.dense ? 0 : 0.75);
    gl.drawElements(gl.POINTS, this.look.order.length, gl.UNSIGNED_INT, 0);
  }
}
