import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Connection, type ConnectionState, type Socket } from "../src/state/connection";

class FakeSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closed = false;

  close(): void {
    this.closed = true;
  }
}

let sockets: FakeSocket[] = [];
let states: ConnectionState[] = [];
let received: string[] = [];
let allowed = true;

const newest = (): FakeSocket => sockets[sockets.length - 1] as FakeSocket;
const say = (text: string): void => newest().onmessage?.({ data: text });
const breakOff = (): void => newest().onclose?.({ code: 1006 });
const wait = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function connect(): Connection {
  const connection = new Connection({
    open: () => {
      sockets.push(new FakeSocket());
      return newest();
    },
    allowed: () => Promise.resolve(allowed),
    onMessage: (data) => received.push(data),
    onState: (state) => states.push(state),
  });
  connection.start();
  return connection;
}

beforeEach(() => {
  vi.useFakeTimers();
  [sockets, states, received, allowed] = [[], [], [], true];
});
afterEach(() => vi.useRealTimers());

describe("connection", () => {
  it("is live with the first message", () => {
    const connection = connect();
    expect(connection.state).toBe("connecting");
    say("{}");
    expect(states).toEqual(["live"]);
    expect(received).toEqual(["{}"]);
  });

  it("waits longer from attempt to attempt, three seconds at most", async () => {
    connect();
    say("{}");
    const waits = [250, 500, 1000, 2000, 3000, 3000];
    for (const [attempt, ms] of waits.entries()) {
      breakOff();
      await wait(ms - 1);
      expect(sockets).toHaveLength(attempt + 1);
      await wait(1);
      expect(sockets).toHaveLength(attempt + 2);
    }
    expect(states).toEqual(["live", "lost"]);
  });

  it("starts over with short waits after it was live again", async () => {
    connect();
    breakOff();
    await wait(250);
    breakOff();
    await wait(500);
    say("{}");
    breakOff();
    await wait(250);
    expect(sockets).toHaveLength(4);
  });

  it("takes silence for a loss and drops the socket", async () => {
    connect();
    say("{}");
    await wait(3000);
    expect(states).toEqual(["live", "lost"]);
    expect(sockets[0]?.closed).toBe(true);
    await wait(250);
    expect(sockets).toHaveLength(2);
  });

  it("gives up on a connect that hangs", async () => {
    connect();
    await wait(3250);
    expect(states).toEqual(["lost"]);
    expect(sockets).toHaveLength(2);
  });

  it("tells when a token is wanted, and connects once it is accepted", async () => {
    const connection = connect();
    allowed = false;
    breakOff();
    await wait(250);
    expect(states).toEqual(["lost", "locked"]);
    expect(sockets).toHaveLength(1);
    connection.retryNow();
    say("{}");
    expect(states).toEqual(["lost", "locked", "live"]);
  });

  it("ignores an old socket", async () => {
    connect();
    const old = newest();
    const late = old.onmessage;
    breakOff();
    await wait(250);
    late?.({ data: "late" });
    expect(received).toEqual([]);
  });

  it("stops", async () => {
    const connection = connect();
    connection.stop();
    await wait(10_000);
    expect(sockets).toHaveLength(1);
    expect(newest().closed).toBe(true);
  });
});
