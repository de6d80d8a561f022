/** Drives one <img>: moving pictures while wanted, the last picture on a canvas otherwise. */

import { snapshotAddress, videoAddress } from "../../state/api";
import { slots } from "./slots";

const POLL_MS = 400;
const RETRY_MS = 1500;
/** A stream that breaks takes its picture with it, so a copy is kept this often. */
const KEEP_MS = 1000;
const KEEP_WIDTH = 960;
/** When a stream shows nothing for this long, its newest picture is fetched by itself. */
const FIRST_MS = 600;
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
  #first: ReturnType<typeof setTimeout> | undefined;
  #keeper: ReturnType<typeof setInterval> | undefined;

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
    this.#keeper = setInterval(() => this.#keep(), KEEP_MS);
    this.#first = setTimeout(() => this.#fetchFirst(), FIRST_MS);
    this.#load();
  }

  /** Stop loading; what was shown last stays to be seen. */
  pause(): void {
    if (!this.#wanted) return;
    this.#wanted = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#first);
    clearInterval(this.#keeper);
    this.#keep();
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
    this.#image.classList.remove("loaded");
    slots.release(this);
    this.#later(RETRY_MS);
  }

  #later(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(), wait);
  }

  /** A browser shows a picture of a stream when the next one comes: never, if the stream stands. */
  #fetchFirst(): void {
    if (!this.#streaming || this.#image.classList.contains("loaded")) return;
    const picture = new Image();
    picture.onload = () => {
      if (this.#image.classList.contains("loaded")) return;
      this.#draw(picture);
      this.#onPicture();
    };
    picture.src = snapshotAddress(this.#topic, Date.now());
  }

  #keep(): void {
    if (this.#image.classList.contains("loaded")) this.#draw(this.#image);
  }

  #draw(picture: HTMLImageElement): void {
    const { naturalWidth, naturalHeight } = picture;
    if (naturalWidth === 0) return;
    const scale = Math.min(1, KEEP_WIDTH / naturalWidth);
    const width = Math.round(naturalWidth * scale);
    const height = Math.round(naturalHeight * scale);
    // Setting a size clears the canvas, also when it is the same.
    if (this.#still.width !== width) this.#still.width = width;
    if (this.#still.height !== height) this.#still.height = height;
    this.#still.getContext("2d")?.drawImage(picture, 0, 0, width, height);
  }
}
