// <talking-head>: a head in motion, in three dimensions, that keeps to the sound of its own player or of the page's video.
//
// Attributes: head (address of the GLB), take (address of the folder with speech.wav and NAME.json), motion (which NAME
// comes first), styles ([{name, motion}]), words (texts by key, see WORDS in app/viewer.py).

import {
  DirectionalLight, Euler, GLTFLoader, HemisphereLight, OrbitControls, PerspectiveCamera, Scene, Vector3, WebGLRenderer,
} from "./three.min.js";

const SPEEDS = [1, 0.5, 0.25];
const FIELD_OF_VIEW = 17; // degrees, that of a portrait lens
const TURN = 0.15; // radians for a key press
const ROTATIONS = 3; // after the weights of the shapes: pitch, yaw, roll
const LIGHTS = [[-0.48, 0.57, 0.67, 0xfff3e6, 2.2], [0.63, 0.42, -0.65, 0xdfe9ff, 1.6]]; // from where, colour, strength
const SLOW = 45; // milliseconds from one picture to the next
const COARSEST = 0.5; // of the screen's pixels, where the machine is slow

class Motion {
  // told: what app/takes.py writes. models: [{name, values}], values: T x width numbers, frame by frame
  constructor(told) {
    this.fps = told.fps;
    this.names = told.names;
    this.width = told.names.length + ROTATIONS;
    this.models = told.models.map(({ name, motion }) => ({ name, values: numbers(motion) }));
    this.frames = this.models[0].values.length / this.width;
  }

  // One model at a time in seconds, between two frames where it falls there: width numbers.
  at(model, time) {
    const place = Math.min(Math.max(time * this.fps, 0), this.frames - 1);
    const before = Math.floor(place), share = place - before;
    const after = Math.min(before + 1, this.frames - 1);
    const { values } = this.models[model];
    return Array.from({ length: this.width }, (_, column) =>
      (1 - share) * values[before * this.width + column] + share * values[after * this.width + column]);
  }
}

function numbers(base64) {
  return new Float32Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

class Figure {
  constructor(gltf) {
    this.root = gltf.scene;
    this.meshes = [];
    this.root.traverse((node) => {
      if (node.isBone && node.name.startsWith("head")) this.joint = node;
      if (!node.isMesh) return;
      node.frustumCulled = false; // shapes move it out of its box
      if (node.morphTargetInfluences) this.meshes.push(node);
    });
  }

  // names: of the shapes; values: their weights, then pitch, yaw, roll
  pose(names, values) {
    for (const mesh of this.meshes) {
      names.forEach((name, index) => {
        const target = mesh.morphTargetDictionary[name];
        if (target !== undefined) mesh.morphTargetInfluences[target] = values[index];
      });
    }
    const [pitch, yaw, roll] = values.slice(names.length);
    this.joint?.quaternion.setFromEuler(new Euler(pitch, yaw, roll, "YXZ"));
  }

  // Crown to collar, as in the videos: the middle and the height of what is to be seen, in metres.
  portrait() {
    let top = -Infinity, chin = Infinity, front = -Infinity, back = Infinity;
    for (const mesh of this.meshes) {
      const places = mesh.geometry.attributes.position;
      const jaw = mesh.geometry.morphAttributes.position[mesh.morphTargetDictionary.jawOpen];
      const travel = (index) => (jaw ? Math.hypot(jaw.getX(index), jaw.getY(index), jaw.getZ(index)) : 0);
      let furthest = 0;
      for (let index = 0; index < places.count; index++) furthest = Math.max(furthest, travel(index));
      for (let index = 0; index < places.count; index++) {
        const y = places.getY(index);
        top = Math.max(top, y);
        if (furthest > 0.01 && travel(index) > 0.6 * furthest) chin = Math.min(chin, y);
      }
    }
    for (const mesh of this.meshes) {
      const places = mesh.geometry.attributes.position;
      for (let index = 0; index < places.count; index++) {
        if (places.getY(index) < chin) continue;
        front = Math.max(front, places.getZ(index));
        back = Math.min(back, places.getZ(index));
      }
    }
    const height = 1.42 * (top - chin);
    return { middle: new Vector3(0, top + 0.12 * (top - chin) - height / 2, (front + back) / 2), height };
  }
}

// Where heads are drawn: one for the page, since a context and its shaders take long to make, and it can be moved.
class Stage {
  constructor() {
    this.canvas = Object.assign(document.createElement("canvas"), { tabIndex: 0, role: "img" });
    this.renderer = new WebGLRenderer({ canvas: this.canvas, antialias: true, alpha: true });
    this.scene = new Scene();
    this.scene.add(new HemisphereLight(0xf4f6ff, 0x6b5f58, 1.5));
    for (const [x, y, z, colour, strength] of LIGHTS) {
      const light = new DirectionalLight(colour, strength);
      light.position.set(x, y, z);
      this.scene.add(light);
    }
    this.camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 100);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.enablePan = false;
    this.share = 1; // of the screen's pixels
  }

  // The head of that address, drawn once where nobody sees it: what is only made on first use is there then.
  show(address) {
    if (address !== this.address) {
      this.address = address;
      this.figure = new GLTFLoader().loadAsync(address).then((gltf) => {
        const figure = new Figure(gltf);
        if (address !== this.address) return figure; // another one is wanted by now
        this.root?.removeFromParent();
        this.root = figure.root;
        this.scene.add(this.root);
        this.lookFromTheFront(figure);
        this.renderer.render(this.scene, this.camera);
        return figure;
      });
      this.figure.catch(() => (this.address = null));
    }
    return this.figure;
  }

  lookFromTheFront(figure) {
    const { middle, height } = figure.portrait();
    const away = height / 2 / Math.tan((FIELD_OF_VIEW * Math.PI) / 360);
    this.camera.position.copy(middle).add(new Vector3(0, 0, away));
    this.controls.target.copy(middle);
    this.controls.minDistance = 0.3 * away;
    this.controls.maxDistance = 2 * away;
    this.controls.update();
  }

  orbit(around, up, zoom) {
    const { target } = this.controls;
    const away = this.camera.position.clone().sub(target).multiplyScalar(zoom);
    away.applyAxisAngle(new Vector3(0, 1, 0), around);
    away.applyAxisAngle(new Vector3(away.z, 0, -away.x).normalize(), up);
    this.camera.position.copy(target).add(away);
    this.controls.update();
  }

  fit(width, height) {
    this.renderer.setPixelRatio(this.share * Math.min(devicePixelRatio, 2));
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
  }
}

let stage = null;

class TalkingHead extends HTMLElement {
  connectedCallback() {
    if (this.started) return;
    this.started = true;
    this.ending = new AbortController();
    this.words = JSON.parse(this.getAttribute("words"));
    this.build();
    this.load().catch((error) => {
      console.error(error);
      this.tell(this.words.failed);
    });
  }

  disconnectedCallback() {
    // Moved within the page it comes back at once.
    setTimeout(() => {
      if (this.isConnected) return;
      this.ending.abort();
      this.audio.pause();
      URL.revokeObjectURL(this.audio.src);
      this.seen?.disconnect();
    });
  }

  build() {
    const { words } = this;
    this.innerHTML = `
      <div class="view"><p class="told" role="status"></p></div>
      <div class="transport">
        <button type="button" class="play" disabled></button>
        <input type="range" class="time" min="0" max="1" value="0" disabled>
        <output class="clock">0.0 s</output>
      </div>
      <div class="choices">
        <fieldset class="models"><legend></legend></fieldset>
        <label class="style"><span></span><select></select></label>
        <label class="speed"><span></span><select></select></label>
        <button type="button" class="back"></button>
      </div>`;
    const find = (name) => this.querySelector(name);
    this.play = find(".play");
    this.time = find(".time");
    this.clock = find(".clock");
    this.models = find(".models");
    this.audio = new Audio();
    this.time.setAttribute("aria-label", words.time);
    find(".models legend").textContent = words.model;
    find(".style span").textContent = words.style;
    find(".speed span").textContent = words.speed;
    find(".back").textContent = words.back;
    const first = this.getAttribute("motion");
    for (const { name, motion } of JSON.parse(this.getAttribute("styles")))
      find(".style select").append(new Option(name, motion, motion === first, motion === first));
    for (const speed of SPEEDS) find(".speed select").append(new Option(`${speed} ×`, speed));
    this.showPlaying();
    this.tell(words.loading);
    this.listen(find);
  }

  listen(find) {
    const { signal } = this.ending;
    const on = (target, name, work) => target.addEventListener(name, work, { signal });
    on(this.play, "click", () => this.toggle());
    on(this.time, "input", () => this.seek(Number(this.time.value)));
    on(find(".style select"), "change", (event) => this.change(event.target.value));
    on(find(".speed select"), "change", (event) => {
      this.rate = Number(event.target.value);
      this.media.playbackRate = this.rate;
    });
    on(find(".back"), "click", () => this.lookFromTheFront());
    for (const name of ["play", "pause", "ended"]) on(this.audio, name, () => this.showPlaying());
    // Of the page's video, which appears later than this: its events don't bubble, but they can be caught on their way.
    for (const name of ["play", "pause", "ended", "seeking"])
      document.addEventListener(name, (event) => this.follow(event), { signal, capture: true });
  }

  get media() {
    return this.followed ?? this.audio;
  }

  // The page's video speaks: the head keeps to it, silently.
  follow(event) {
    const video = event.target;
    if (!(video instanceof HTMLVideoElement) || !video.closest("[data-follow], #video")) return;
    if (event.type === "play") {
      this.audio.pause();
      this.followed = video;
    }
    if (this.followed === video) this.showPlaying();
  }

  async load() {
    stage ??= new Stage();
    const [figure, motion, sound] = await Promise.all([
      stage.show(this.getAttribute("head")),
      this.fetchMotion(this.getAttribute("motion")),
      this.fetch("speech.wav").then((answer) => answer.blob()),
    ]);
    if (this.ending.signal.aborted) return;
    this.audio.src = URL.createObjectURL(sound); // whole, so that it can be played from anywhere
    this.figure = figure;
    this.take(motion);
    this.enter();
    this.play.disabled = this.time.disabled = false;
    this.tell("");
    this.dataset.ready = "yes";
    // Where the browser doesn't let pages speak by themselves, the button is there.
    if (this.media.paused) this.audio.play().catch(() => {});
  }

  async fetchMotion(name) {
    return new Motion(await (await this.fetch(`${name}.json`)).json());
  }

  async fetch(name) {
    const answer = await fetch(this.getAttribute("take") + name);
    if (!answer.ok) throw new Error(`${answer.status} for ${name}`);
    return answer;
  }

  take(motion) {
    const chosen = this.model ?? 0;
    this.motion = motion;
    this.model = Math.min(chosen, motion.models.length - 1);
    this.time.max = motion.frames / motion.fps;
    this.time.step = 1 / motion.fps;
    this.models.hidden = motion.models.length < 2;
    this.models.querySelectorAll("label").forEach((label) => label.remove());
    motion.models.forEach(({ name }, index) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "talking-head-model" });
      input.checked = index === this.model;
      input.addEventListener("change", () => {
        this.model = index;
        this.dirty = true;
      });
      label.append(input, ` ${name}`);
      this.models.append(label);
    });
    this.dirty = true;
  }

  async change(name) {
    this.tell(this.words.loading);
    try {
      this.take(await this.fetchMotion(name));
      this.tell("");
    } catch (error) {
      console.error(error);
      this.tell(this.words.gone);
    }
  }

  // Onto the stage, which whoever had it before leaves.
  enter() {
    const { signal } = this.ending;
    stage.canvas.setAttribute("aria-label", this.words.canvas);
    stage.canvas.addEventListener("keydown", (event) => this.steer(event), { signal });
    this.querySelector(".view").prepend(stage.canvas);
    this.look = () => (this.dirty = true);
    stage.controls.addEventListener("change", this.look);
    this.lookFromTheFront();
    this.seen = new ResizeObserver(() => this.fit());
    this.seen.observe(stage.canvas.parentElement);
    let last = 0, drew = false, late = 0, rest = 0;
    const draw = (now) => {
      if (signal.aborted || !this.contains(stage.canvas)) return stage.controls.removeEventListener("change", this.look);
      const took = drew ? now - last : 0; // until the browser was ready for another picture
      if (took > SLOW) rest = now + took; // leaves as much time to all else, the page's video among it
      late = took > SLOW ? late + 1 : drew ? 0 : late;
      if (late > 5 && stage.share > COARSEST) {
        [stage.share, late] = [Math.max(COARSEST, 0.75 * stage.share), 0];
        this.fit();
      }
      last = now;
      const before = this.drawn;
      if (now >= rest) this.draw();
      drew = this.drawn !== before;
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.querySelector(".view");
    if (!width || !height) return;
    stage.fit(width, height);
    this.dirty = true;
  }

  lookFromTheFront() {
    if (!this.figure) return;
    stage.lookFromTheFront(this.figure);
    this.dirty = true;
  }

  draw() {
    const { media } = this;
    if (!media.paused) this.dirty = true;
    if (!this.dirty) return;
    this.dirty = false;
    const time = media.currentTime;
    this.figure.pose(this.motion.names, this.motion.at(this.model, time));
    stage.renderer.render(stage.scene, stage.camera);
    this.drawn = (this.drawn ?? 0) + 1;
    this.shown = time; // seconds
    if (document.activeElement !== this.time || !media.paused) this.time.value = time;
    this.clock.textContent = `${time.toFixed(1)} s`;
    this.time.setAttribute("aria-valuetext", this.clock.textContent);
  }

  toggle() {
    if (!this.media.paused) return this.media.pause();
    if (this.followed) {
      this.audio.currentTime = this.followed.ended ? 0 : this.followed.currentTime;
      this.followed = null;
    }
    this.audio.playbackRate = this.rate ?? 1;
    this.audio.play();
  }

  seek(time) {
    this.media.currentTime = time;
    this.dirty = true;
  }

  steer(event) {
    const turns = { ArrowLeft: [-TURN, 0], ArrowRight: [TURN, 0], ArrowUp: [0, -TURN], ArrowDown: [0, TURN] };
    const zooms = { "+": 0.9, "=": 0.9, "-": 1.1 };
    if (event.key === " ") this.toggle();
    else if (event.key === "Home") this.lookFromTheFront();
    else if (event.key in turns) stage.orbit(...turns[event.key], 1);
    else if (event.key in zooms) stage.orbit(0, 0, zooms[event.key]);
    else return;
    event.preventDefault();
  }

  showPlaying() {
    this.play.textContent = this.media.paused ? `▶ ${this.words.play}` : `❚❚ ${this.words.pause}`;
    this.dirty = true;
  }

  tell(words) {
    this.querySelector(".told").textContent = words;
  }
}

customElements.define("talking-head", TalkingHead);

// The picture of the lips: a line that goes with what is heard, and a click on it goes there.
function playing() {
  return document.querySelector("#video video") ?? document.querySelector("talking-head")?.audio;
}

function heard() {
  const head = document.querySelector("talking-head");
  return head?.started && head.audio && !head.audio.paused ? head.audio : playing();
}

setInterval(() => {
  const media = heard();
  if (!media?.duration) return;
  for (const picture of document.querySelectorAll(".evidence .lanes"))
    picture.style.setProperty("--at", `${(100 * media.currentTime) / media.duration}%`);
}, 50);

document.addEventListener("click", (event) => {
  const picture = event.target.closest?.(".evidence .lanes");
  const media = picture && heard();
  if (!media?.duration) return;
  const box = picture.getBoundingClientRect();
  media.currentTime = ((event.clientX - box.left) / box.width) * media.duration;
});

// The chosen head goes onto the stage before it has anything to say, unless the visitor pays for every byte.
function setTheStage(weights) {
  const number = [...document.querySelectorAll("#head input")].findIndex((input) => input.checked);
  if (number < 0 || navigator.connection?.saveData || document.querySelector("talking-head")) return;
  try {
    stage ??= new Stage();
    stage.show(`stage/${weights}/heads/${number}.glb`).catch(() => {});
  } catch {
    // no 3D here: the view says so when it is wanted
  }
}

// The pictures to choose by are made when the server starts: the page fetches them anew as they get more.
async function fetchPictures() {
  const style = document.querySelector("#cards style");
  let made = null;
  if (style) {
    const answer = await fetch(`stage/${style.dataset.weights}/made`).catch(() => null);
    made = answer?.ok ? (await answer.json()).made : null;
    if (made !== null && String(made) !== style.dataset.made) {
      style.dataset.made = made;
      style.textContent = style.textContent.replace(/\.webp(\?\d+)?/g, `.webp?${made}`);
    }
  }
  setTimeout(fetchPictures, made && style.dataset.settled === String(made) ? 15000 : 2000);
  if (style) style.dataset.settled = made;
  if (made) setTheStage(style.dataset.weights);
}
fetchPictures();
