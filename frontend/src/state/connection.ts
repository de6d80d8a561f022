/** Keeps one WebSocket open: reconnects with back-off, notices silence, tells when a token is wanted. */

export type ConnectionState = "connecting" | "live" | "lost" | "locked";

/** The part of a WebSocket that is used. */
export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  close(): void;
}

export interface ConnectionOptions {
  open: () => Socket;
  /** Asks the server whether the cookie is accepted; false means a token is wanted. */
  allowed: () => Promise<boolean>;
  onMessage: (data: string) => void;
  /** Given binary messages; without it they are passed over. */
  onBytes?: (data: ArrayBuffer) => void;
  onState: (state: ConnectionState) => void;
  /** Silence after which an open socket counts as lost, in milliseconds. */
  silenceMs?: number;
}

/** Waits between attempts, in milliseconds; the last one repeats. */
export const BACKOFF_MS = [250, 500, 1000, 2000, 3000] as const;
const SILENCE_MS = 3000;

export class Connection {
  #options: ConnectionOptions;
  #socket: Socket | null = null;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #state: ConnectionState = "connecting";
  #stopped = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  start(): void {
    this.#stopped = false;
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#drop();
    clearTimeout(this.#retry);
  }

  /** Try again at once, for example after a token was entered or the network came back. */
  retryNow(): void {
    if (this.#stopped || this.#state === "live") return;
    clearTimeout(this.#retry);
    this.#attempt = 0;
    this.#drop();
    this.#connect();
  }

  #connect(): void {
    const socket = this.#options.open();
    this.#socket = socket;
    socket.onmessage = (event) => {
      const text = typeof event.data === "string";
      if (this.#socket !== socket || !(text || event.data instanceof ArrayBuffer)) return;
      this.#attempt = 0;
      this.#listen();
      this.#become("live");
      if (text) this.#options.onMessage(event.data as string);
      else this.#options.onBytes?.(event.data as ArrayBuffer);
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#failed();
    };
    this.#listen();
  }

  /** Start (again) to wait for a message: a connect that hangs counts as silence too. */
  #listen(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#failed(), this.#options.silenceMs ?? SILENCE_MS);
  }

  #drop(): void {
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #failed(): void {
    this.#drop();
    if (this.#state !== "locked") this.#become("lost");
    const attempt = this.#attempt;
    this.#attempt += 1;
    const wait = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 3000;
    this.#retry = setTimeout(() => void this.#again(), wait);
  }

  async #again(): Promise<void> {
    const allowed = await this.#options.allowed().catch(() => true);
    if (this.#stopped || this.#socket) return;
    if (allowed) {
      if (this.#state === "locked") this.#become("connecting");
      this.#connect();
    } else {
      this.#become("locked");
    }
  }

  #become(state: ConnectionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState(state);
  }
}
