// From callbacks to `for await`: events push chunks in, the transport's generator takes them out.
// Notice: it ends only with `done`, with an error, or because the reader left; never just so. Silence is an error,
// too: a dead connection looks like a quiet one, so the server sends an empty chunk every 15 seconds.

import { Failure, SILENCE_MS } from './chunk.js';

export class Queue {
  #chunks = [];
  #error = null;
  #signal;
  #wake = () => {};
  #watchdog;

  constructor(signal) {
    this.#signal = signal;
    signal?.addEventListener('abort', () => this.#wake());
    this.#watch();
  }

  push(chunk) {
    this.#watch();
    this.#chunks.push(chunk);
    this.#wake();
  }

  fail(error) {
    this.#error ??= error;
    this.#wake();
  }

  async *untilDone() {
    try {
      while (!this.#signal?.aborted) {
        if (this.#chunks.length > 0) {
          const chunk = this.#chunks.shift();
          yield chunk;
          if (chunk.done) return;
        } else if (this.#error) {
          throw this.#error;
        } else {
          await new Promise((resolve) => { this.#wake = resolve; });
        }
      }
    } finally {
      clearTimeout(this.#watchdog);
    }
  }

  #watch() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.fail(new Failure('stream_silent')), SILENCE_MS);
  }
}
