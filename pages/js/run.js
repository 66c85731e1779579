// One run: an answer is started once, and every chosen lane reads that same answer.
// Notice: stopping and leaving are different. Stop ends the answer for all readers; leaving only ends the reading.
// But the last one that leaves stops it, too: nobody would be there any more to do it.

import { cutCable, startAnswer, stopAnswer } from './answer.js';
import { watchQueues, watchSilence } from './connections.js';
import { verdict } from './verdict.js';
import { say, seconds } from './words.js';

const SLOW_MS = 1000;
const WORTH_TELLING_MS = 200;

export class Run {
  #stopping = new AbortController();
  #forgetQueues = () => {};
  #answer = null;
  #pressed = 0;
  #startQueued = '';

  constructor(lanes, announce) {
    this.lanes = lanes;
    this.announce = announce;
    this.left = false;
    this.live = true;
  }

  // When Start was pressed: the one zero of all times.
  get pressed() {
    return this.#pressed;
  }

  async start(fields) {
    this.#pressed = performance.now();
    this.lanes.forEach((lane) => lane.clear('waiting'));
    this.announce(say('starting'));
    this.#forgetQueues = watchQueues(this.#pressed, (path, ms) => this.#queued(path, ms));
    try {
      this.started = startAnswer({ ...fields, record: true }); // so that the wire can be shown
      this.#answer = await this.#orSay('request_waits', this.started);
      if (!this.left) await this.#follow();
    } catch (failure) {
      this.#refused(failure);
    } finally {
      this.live = false;
    }
  }

  // Lanes come and go in mid-run. One that joins reads the same answer from its beginning: it has lost nothing.
  choose(lanes) {
    if (!this.live || this.left) return;
    const leaving = this.lanes.filter((lane) => !lanes.includes(lane));
    const joining = lanes.filter((lane) => !this.lanes.includes(lane));
    this.lanes = lanes;
    leaving.forEach((lane) => lane.clear('idle'));
    joining.forEach((lane) => lane.clear('waiting'));
    if (!this.#answer || leaving.length + joining.length === 0) return;
    joining.forEach((lane) => this.#join(lane));
    this.#sayWhoReads();
  }

  // Over the socket if a lane has one that can say it, else by a request of its own.
  async stop() {
    this.announce(say('stopping'));
    const talker = this.lanes.find((lane) => lane.isLive && lane.transport.stopsInBand && !lane.isCut);
    this.#stopping.abort();
    if (talker) await talker.reading;
    if (!talker || talker.state === 'failed') await this.#stopByRequest();
  }

  // Cuts the cable of one lane, or without one of all. The answer goes on being written: only the way to it is gone.
  async cut(seconds, lane) {
    if (!this.live || this.left || !this.#answer || lane?.isLive === false) return;
    try {
      const asked = performance.now();
      await this.#orSay('request_waits', cutCable(this.#answer.id, seconds, lane?.name));
      const cutAt = (asked + performance.now()) / 2; // somewhere between our question and its answer; likely half-way
      if (!this.left) (lane ? [lane] : this.lanes).forEach((each) => each.cut(1000 * seconds, cutAt));
    } catch (failure) {
      if (!this.left) this.announce(say(failure.word, { detail: failure.detail }), 'failed');
    }
  }

  async leave() {
    this.left = true;
    this.#forgetQueues();
    this.lanes.forEach((lane) => lane.leave());
    if (this.live) await this.#stopByRequest();
  }

  async #follow() {
    this.#sayWhoReads();
    const hush = watchSilence(() => this.lanes, (lane) => lane.hold());
    byPatience(this.lanes).forEach((lane) => this.#read(lane));
    while (this.#isRead()) await Promise.all(this.lanes.map((lane) => lane.reading));
    hush();
    if (this.left) return;
    this.live = false; // from here on nobody can join
    if (this.lanes.length === 0) await this.#stopByRequest();
    if (!this.left) this.announce(verdict(this.lanes) + this.#startQueued);
  }

  #join(lane) {
    lane.joined(performance.now() - this.#pressed);
    this.#read(lane);
  }

  #read(lane) {
    lane.reading = lane.follow(this.#answer, this.#pressed, this.#stopping.signal);
  }

  #isRead() {
    return !this.left && this.lanes.some((lane) => lane.isLive);
  }

  #sayWhoReads() {
    this.announce(say('typing', { n: this.lanes.filter((lane) => lane.isLive).length }));
  }

  #queued(path, ms) {
    if (ms < WORTH_TELLING_MS) return;
    if (path === '/answers') this.#startQueued = ` ${say('start_waited', { s: seconds(ms) })}`;
    this.lanes.find((lane) => this.#answer?.links[lane.name] === path)?.queued(ms);
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
