// One run: an answer is started once, and every chosen lane reads that same answer.
// Notice: stopping and leaving are different. Stop ends the answer for all readers; leaving only ends the reading.

import { startAnswer, stopAnswer } from './answer.js';
import { watchQueues, watchSilence } from './connections.js';
import { verdict } from './verdict.js';
import { say, seconds } from './words.js';

const SLOW_MS = 1000;
const WORTH_TELLING_MS = 200;

export class Run {
  #stopping = new AbortController();
  #forgetQueues = () => {};
  #laneAt = new Map();
  #startQueued = '';

  constructor(lanes, announce) {
    this.lanes = lanes;
    this.announce = announce;
    this.left = false;
    this.live = true;
  }

  async start(fields) {
    const pressed = performance.now();
    this.lanes.forEach((lane) => lane.clear('waiting'));
    this.announce(say('starting'));
    this.#forgetQueues = watchQueues(pressed, (path, ms) => this.#queued(path, ms));
    try {
      this.started = startAnswer(fields);
      const answer = await this.#orSay('request_waits', this.started);
      if (!this.left) await this.#follow(answer, pressed);
    } catch (failure) {
      this.#refused(failure);
    } finally {
      this.live = false;
    }
  }

  // Over the socket if a lane has one that can say it, else by a request of its own.
  async stop() {
    this.announce(say('stopping'));
    const talker = this.lanes.find((lane) => lane.isLive && lane.transport.stopsInBand);
    this.#stopping.abort();
    if (talker) await talker.reading;
    if (!talker || talker.state === 'failed') await this.#stopByRequest();
  }

  async leave() {
    this.left = true;
    this.#forgetQueues();
    this.lanes.forEach((lane) => lane.leave());
    if (this.live) await this.#stopByRequest();
  }

  async #follow(answer, pressed) {
    this.announce(say('typing', { n: this.lanes.length }));
    this.#laneAt = new Map(this.lanes.map((lane) => [answer.links[lane.name], lane]));
    const hush = watchSilence(this.lanes, (lane) => lane.hold());
    for (const lane of byPatience(this.lanes)) {
      lane.reading = lane.follow(answer, pressed, this.#stopping.signal);
    }
    await Promise.all(this.lanes.map((lane) => lane.reading));
    hush();
    if (!this.left) this.announce(verdict(this.lanes) + this.#startQueued);
  }

  #queued(path, ms) {
    if (ms < WORTH_TELLING_MS) return;
    if (path === '/answers') this.#startQueued = ` ${say('start_waited', { s: seconds(ms) })}`;
    this.#laneAt.get(path)?.queued(ms);
  }

  async #stopByRequest() {
    try {
      const { id } = await this.started;
      await this.#orSay('request_waits', stopAnswer(id));
    } catch {
      // Never started, or nobody there to stop it: the lanes say so.
    }
  }

  #refused(failure) {
    if (this.left) return;
    this.lanes.forEach((lane) => lane.clear('idle'));
    this.announce(say(failure.word, { detail: failure.detail }), 'failed');
  }

  // Says so if the browser has not even sent a request after a second: all six connections are taken.
  async #orSay(word, promise) {
    const timer = setTimeout(() => { if (this.live && !this.left) this.announce(say(word)); }, SLOW_MS);
    return promise.finally(() => clearTimeout(timer));
  }
}

// `whole` first: it is silent in any case, so nobody would see that it waits for a connection.
function byPatience(lanes) {
  const rank = (lane) => (lane.transport.HEARS === 'at the end' ? 0 : 1);
  return [...lanes].sort((one, other) => rank(one) - rank(other));
}
