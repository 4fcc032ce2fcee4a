// All points in one draw call of WebGL2. A row is eight bytes of place, one of colour, one of flags;
// after a lasso only the flags are sent again. Points that are lit lie in front, by depth, so the
// order of rows does not decide what is seen.

import { CHOSEN, PASSES } from "./store.js";

const VERTEX = `#version 300 es
precision highp float;
in vec2 place;
in uint colour;
in uint flags;
uniform vec2 centre, scale;
uniform float size, opacity;
uniform bool someChosen;
uniform vec3 ground;
uniform sampler2D palette;
out vec4 tint;
out float edge;
void main() {
  bool passes = (flags & ${PASSES}u) != 0u;
  bool chosen = (flags & ${CHOSEN}u) != 0u;
  bool lit = passes && (chosen || !someChosen);
  vec3 own = texelFetch(palette, ivec2(int(colour), 0), 0).rgb;
  vec3 dim = mix(ground, own, passes ? 0.34 : 0.0);
  vec3 ghost = mix(ground, vec3(0.5), 0.22);
  tint = vec4(lit ? own : (passes ? dim : ghost), lit ? opacity : opacity * (passes ? 0.55 : 0.35));
  float wide = lit && someChosen ? size * 1.25 : (passes ? size : size * 0.7);
  edge = 1.0 / wide;
  gl_PointSize = wide;
  gl_Position = vec4((place - centre) * scale, lit ? 0.0 : (passes ? 0.4 : 0.8), 1.0);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint;
in float edge;
out vec4 colour;
void main() {
  float away = length(gl_PointCoord - 0.5);
  float cover = tint.a * (1.0 - smoothstep(0.5 - 1.4 * edge, 0.5, away));
  if (cover < 0.02) discard;
  colour = vec4(tint.rgb * cover, cover);
}`;

/** The same calls as Raster in raster.js; null where there is no WebGL2. */
export function webglPoints(canvas) {
  const gl = canvas.getContext("webgl2", { alpha: true, antialias: false });
  return gl ? new Points(gl) : null;
}

class Points {
  constructor(gl) {
    this.gl = gl;
    this.count = 0;
    this.program = link(gl);
    this.at = Object.fromEntries(
      ["centre", "scale", "size", "opacity", "someChosen", "ground", "palette"].map(
        (name) => [name, gl.getUniformLocation(this.program, name)]),
    );
    gl.bindVertexArray(gl.createVertexArray());
    this.buffers = { place: gl.createBuffer(), colour: gl.createBuffer(), flags: gl.createBuffer() };
    this.#attribute("place", () => gl.vertexAttribPointer(this.#slot("place"), 2, gl.FLOAT, false, 0, 0));
    this.#attribute("colour", () => gl.vertexAttribIPointer(this.#slot("colour"), 1, gl.UNSIGNED_BYTE, 0, 0));
    this.#attribute("flags", () => gl.vertexAttribIPointer(this.#slot("flags"), 1, gl.UNSIGNED_BYTE, 0, 0));
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }

  setPoints(points) {
    this.count = points.length / 2;
    this.#send("place", points, this.gl.STATIC_DRAW);
  }

  setColours({ indices, palette }) {
    const { gl } = this;
    this.#send("colour", indices, gl.DYNAMIC_DRAW);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, palette);
  }

  setFlags(flags, someChosen) {
    this.someChosen = someChosen;
    this.#send("flags", flags, this.gl.DYNAMIC_DRAW);
  }

  /** Draw what a camera sees; `size` in pixels of the page, `ground` is red, green, blue of 0 to 1. */
  draw(camera, { size, opacity, ground, ratio }) {
    const { gl, at } = this;
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (!this.count) return;
    gl.useProgram(this.program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.uniform2f(at.centre, camera.x, camera.y);
    gl.uniform2f(at.scale, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.uniform1f(at.size, size * ratio);
    gl.uniform1f(at.opacity, opacity);
    gl.uniform1i(at.someChosen, this.someChosen ? 1 : 0);
    gl.uniform3f(at.ground, ...ground);
    gl.uniform1i(at.palette, 0);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  #slot(name) {
    return this.gl.getAttribLocation(this.program, name);
  }

  #attribute(name, describe) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.enableVertexAttribArray(this.#slot(name));
    describe();
  }

  #send(name, values, usage) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, values, usage);
  }
}

function link(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
}
