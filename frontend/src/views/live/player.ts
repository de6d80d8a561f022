/** Drives one <img>: moving pictures while wanted, the last picture on a canvas otherwise. */

import { snapshotAddress, videoAddress } from "../../state/api";
import { slots } from "./slots";

const POLL_MS = 400;
const RETRY_MS = 1500;
/** Failed attempts after which single pictures are fetched in place of a stream. */
const STREAM_ATTEMPTS = 2;

export class Player {
  readonly #topic: string;
  readonly #image: HTMLImageElement;
  readonly #still: HTMLCanvasElement;
  readonly #onPicture: () => void;
  #wanted = false;
  #streaming = false;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    topic: string,
    image: HTMLImageElement,
    still: HTMLCanvasElement,
    onPicture: () => void,
  ) {
    this.#topic = topic;
    this.#image = image;
    this.#still = still;
    this.#onPicture = onPicture;
    image.onload = () => this.#loaded();
    image.onerror = () => this.#failed();
  }

  play(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#failures = 0;
    this.#load();
  }

  /** Stop loading; what was shown last stays to be seen. */
  pause(): void {
    if (!this.#wanted) return;
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#freeze();
    this.#image.removeAttribute("src");
    this.#image.classList.remove("loaded");
    slots.release(this);
  }

  stop(): void {
    this.pause();
    this.#image.onload = null;
    this.#image.onerror = null;
  }

  #load(): void {
    if (!this.#wanted) return;
    const nonce = Date.now();
    this.#streaming = this.#failures < STREAM_ATTEMPTS && slots.take(this);
    if (!this.#streaming) slots.release(this);
    this.#image.src = this.#streaming
      ? videoAddress(this.#topic, nonce)
      : snapshotAddress(this.#topic, nonce);
  }

  #loaded(): void {
    if (!this.#wanted) return;
    this.#image.classList.add("loaded");
    this.#onPicture();
    if (!this.#streaming) this.#later(POLL_MS);
  }

  #failed(): void {
    if (!this.#wanted) return;
    this.#failures += 1;
    slots.release(this);
    this.#later(RETRY_MS);
  }

  #later(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(), wait);
  }

  #freeze(): void {
    const { naturalWidth, naturalHeight } = this.#image;
    if (naturalWidth === 0 || !this.#image.classList.contains("loaded")) return;
    this.#still.width = naturalWidth;
    this.#still.height = naturalHeight;
    this.#still.getContext("2d")?.drawImage(this.#image, 0, 0);
  }
}
