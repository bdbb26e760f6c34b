/** Where a reader of a log is, so that it can go on there when its connection was lost. Pure. */
import { concatBytes } from "@k3ts/model";

const LINE_FEED = 0x0a;
const SPACE = 0x20;
const EMPTY = new Uint8Array();

/**
 * Is fed a log with the time before every line (RFC 3339). Lines come out whole, so that none is ever shown twice or
 * in part.
 */
export class LogCursor {
  #rest: Uint8Array = EMPTY;
  /** Of the last line that came out, and how many have come out with this very time. */
  #last = "";
  #sameTime = 0;
  /** Lines of that time that come once more. */
  #repeated = 0;

  /** @param withTimes whether the times are to be shown */
  constructor(readonly withTimes: boolean) {}

  /** To be called before the log is read again. @returns from when on; undefined: from where it was read at first */
  resume(): string | undefined {
    this.#rest = EMPTY;
    this.#repeated = this.#sameTime;
    return this.#last || undefined;
  }

  /** @returns whole lines that have not come out before */
  take(data: Uint8Array): Uint8Array {
    const all = concatBytes([this.#rest, data]);
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end; (end = all.indexOf(LINE_FEED, start)) >= 0; start = end + 1) {
      const line = this.#line(all.subarray(start, end + 1));
      if (line !== undefined) lines.push(line);
    }
    this.#rest = all.slice(start);
    return concatBytes(lines);
  }

  /** What is left of a line that never ended. */
  end(): Uint8Array {
    return this.#line(this.#rest) ?? EMPTY;
  }

  #line(line: Uint8Array): Uint8Array | undefined {
    const space = line.indexOf(SPACE);
    const time = sortable(new TextDecoder().decode(line.subarray(0, Math.max(space, 0))));
    if (time < this.#last) return undefined;
    if (time === this.#last && this.#repeated > 0) {
      this.#repeated--;
      return undefined;
    }
    this.#sameTime = time === this.#last ? this.#sameTime + 1 : 1;
    this.#repeated = 0;
    this.#last = time;
    return this.withTimes ? line : line.subarray(space + 1);
  }
}

/** Times of UTC whose order is that of their letters: with all nine digits of their fractions. */
function sortable(time: string): string {
  const [, seconds, fraction = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(time) ?? [];
  return seconds === undefined ? time : `${seconds}.${fraction.padEnd(9, "0")}Z`;
}
