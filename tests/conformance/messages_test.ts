import { deepEqual, equal } from "node:assert/strict";
import { groupByMessage, normalised, portable } from "./messages.ts";
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

Deno.test("what is kept of a message is the same on every machine and in every run", () => {
  const said = (cache: string, run: string, namespace: string, pid: number, port: number) =>
    `error running ${cache}/k3ts/peers/bin/kubectl-1.35.4 --server=https://127.0.0.1:${port} ` +
    `--kubeconfig=/tmp/${run}/n1/admin.kubeconfig --namespace=${namespace} create -f -:\n` +
    `stderr: <*errors.StatusError | 0x${pid.toString(16)}>: killed pid ${pid} after 3.2s with code 404`;
  const kept = portable(said("/root/.cache", "k3ts-e2e-7643-2436831-d9ec65", "kubectl-7942", 4711, 6443));
  equal(
    kept,
    "error running kubectl-1.35.4 --server=https://ADDRESS --kubeconfig=/tmp/FOLDER/n1/admin.kubeconfig " +
      "--namespace=kubectl-N create -f -:\n" +
      "stderr: <*errors.StatusError | PTR>: killed pid N after DURATION with code 404",
  );
  equal(portable(said("/home/ann/.cache", "k3ts-e2e-1-2-3abc456", "kubectl-12", 99_999, 16_443)), kept);
  equal(portable(kept), kept);
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
