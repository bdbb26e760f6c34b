/** One line of a container's log as the shim writes it (CRI logging format): time, stream, P or F, text. Pure. */

export interface LogLine {
  /** RFC 3339 with nanoseconds, as it is written. */
  time: string;
  stream: "stdout" | "stderr";
  /** More of the same line follows. */
  partial: boolean;
  text: Uint8Array;
}

const SPACE = 0x20;
const decoder = new TextDecoder();

/** @param line without its line feed; undefined when it is no log line */
export function parseLogLine(line: Uint8Array): LogLine | undefined {
  const first = line.indexOf(SPACE);
  const second = line.indexOf(SPACE, first + 1);
  const third = line.indexOf(SPACE, second + 1);
  if (first <= 0 || second <= 0) return undefined;
  const end = third === -1 ? line.length : third;
  const stream = decoder.decode(line.subarray(first + 1, second));
  if (stream !== "stdout" && stream !== "stderr") return undefined;
  return {
    time: decoder.decode(line.subarray(0, first)),
    stream,
    // Tags are separated by colons; the first says whether the line is whole.
    partial: decoder.decode(line.subarray(second + 1, end)).split(":")[0] === "P",
    text: third === -1 ? new Uint8Array() : line.subarray(third + 1),
  };
}
