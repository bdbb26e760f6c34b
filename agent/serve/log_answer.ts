/** A container's log as an HTTP answer, asked for as core/v1 PodLogOptions are written in a URL. */
import { type Answer } from "./answer.ts";
import { type LogOptions, readLog } from "./log_reader.ts";
import { StreamError, type Target, type Targets } from "./targets.ts";

export interface LogParts {
  targets: Targets;
  now: () => number;
}

/** @throws {StreamError} when there is no such log, or the options are wrong */
export function logAnswer(parts: LogParts, target: Target, query: URLSearchParams, signal: AbortSignal): Answer {
  return { status: 200, headers: { "content-type": "text/plain" }, body: openLog(parts, target, query, signal) };
}

/** @throws {StreamError} as {@link logAnswer} */
export function openLog(
  { targets, now }: LogParts,
  target: Target,
  query: URLSearchParams,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const options = readOptions(query, now());
  const { path, isLive } = targets.log(target, isTrue(query, "previous"));
  return readLog(path, options, isLive, signal);
}

function readOptions(query: URLSearchParams, now: number): LogOptions {
  const tailLines = wholeNumber(query, "tailLines", 0);
  const limitBytes = wholeNumber(query, "limitBytes", 1);
  const sinceSeconds = wholeNumber(query, "sinceSeconds", 1);
  const sinceTime = query.get("sinceTime") ?? undefined;
  if (sinceSeconds !== undefined && sinceTime !== undefined) {
    throw new StreamError(422, "at most one of `sinceTime` or `sinceSeconds` may be specified");
  }
  const since = sinceTime !== undefined
    ? Date.parse(sinceTime)
    : sinceSeconds !== undefined
    ? now - sinceSeconds * 1000
    : undefined;
  if (Number.isNaN(since)) throw new StreamError(422, `sinceTime: Invalid value: "${sinceTime}": must be RFC 3339`);
  const stream = query.get("stream")?.toLowerCase();
  return {
    follow: isTrue(query, "follow"),
    timestamps: isTrue(query, "timestamps"),
    ...(tailLines !== undefined && { tailLines }),
    ...(limitBytes !== undefined && { limitBytes }),
    ...(since !== undefined && { since }),
    ...((stream === "stdout" || stream === "stderr") && { stream }),
  };
}

function isTrue(query: URLSearchParams, name: string): boolean {
  return query.has(name) && !/^(0|false)$/i.test(query.get(name)!);
}

function wholeNumber(query: URLSearchParams, name: string, min: number): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (/^-?\d{1,15}$/.test(text) && Number(text) >= min) return Number(text);
  throw new StreamError(422, `${name}: Invalid value: ${text}: must be greater than or equal to ${min}`);
}
