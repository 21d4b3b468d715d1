// The stream of server-sent events, kept alive through any outage.

const SILENT_MS = 6000; // three heartbeats: the connection is dead though nobody said so
const AGAIN_MS = 800;

export class Stream {
  // `hear(event, body)` gets "snapshot", "delta" and "beat"; `lost()` is called when the connection breaks, and
  // `refused()` when the server answers but not with a stream.
  constructor(url, hear, lost, refused) {
    this.url = url;
    this.hear = hear;
    this.lost = lost;
    this.refused = refused;
    this.last = performance.now();
    this.open();
    this.watch = setInterval(() => this.#look(), 500);
  }

  open() {
    this.source?.close();
    this.source = new EventSource(this.url);
    this.began = performance.now();
    for (const event of ["snapshot", "delta", "beat"]) {
      this.source.addEventListener(event, (message) => {
        this.last = performance.now();
        this.connected = true;
        this.hear(event, JSON.parse(message.data), message.data.length);
      });
    }
    this.source.onerror = () => this.#broken();
  }

  // Begin again from a snapshot.
  restart() { this.#broken(); this.open(); }

  close() { clearInterval(this.watch); this.source.close(); }

  #broken() {
    if (this.connected) this.lost();
    this.connected = false;
  }

  #look() {
    const now = performance.now();
    const silent = now - Math.max(this.last, this.began) > SILENT_MS;
    const closed = this.source.readyState === EventSource.CLOSED && now - this.began > AGAIN_MS;
    if (silent) this.#broken();
    if (closed) this.refused();
    if (silent || closed) this.open();
  }
}
