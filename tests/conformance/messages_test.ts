import { deepEqual, equal } from "node:assert/strict";
import { groupByMessage, normalised } from "./messages.ts";
import type { Outcome } from "./outcome.ts";

const failed = (name: string, message: string): Outcome => ({
  name,
  message,
  verdict: "failed",
  seconds: 1,
  at: "",
  commit: "",
});

Deno.test("names, addresses, times and uids make no other group", () => {
  const say = (ns: string, uid: string, ip: string, time: string, pod: string) =>
    `pod ${ns}/${pod} (${uid}) at ${ip} not ready at ${time} after 5m0s`;
  equal(
    normalised(say(
      "services-123",
      "2f9aeb1c-9d0a-4a43-8c55-0c6d8a4f9a10",
      "10.42.0.7:80",
      "2026-11-20T12:00:00Z",
      "web-7d4b9c6f5d-x2x7z",
    )),
    normalised(say(
      "services-9",
      "bbbbeb1c-9d0a-4a43-8c55-0c6d8a4f9a11",
      "10.42.1.17:80",
      "2026-11-21T13:01:02.5Z",
      "web-5c6f8b9d7c-bbbb2",
    )),
  );
});

Deno.test("words stay words", () => {
  equal(
    normalised('strict decoding error: unknown field "spec.unknown-field"'),
    'strict decoding error: unknown field "spec.unknown-field"',
  );
});

Deno.test("an error's dump of fields is no part of what it says", () => {
  const message =
    "Unexpected error:\n    <*errors.StatusError | 0xc0001>: \n    not found\n    {\n        ErrStatus: {";
  equal(normalised(message), "Unexpected error: <*errors.StatusError | PTR>: not found");
});

Deno.test("the largest group comes first", () => {
  const outcomes = [failed("a", "x 1234"), failed("b", "y"), failed("c", "x 99999")];
  deepEqual(groupByMessage(outcomes).map(({ message, outcomes }) => [message, outcomes.map(({ name }) => name)]), [
    ["x N", ["a", "c"]],
    ["y", ["b"]],
  ]);
});
