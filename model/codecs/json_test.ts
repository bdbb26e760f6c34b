import { deepEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import fc from "fast-check";
import { typeFacts } from "../facts/types.ts";
import type { Secret } from "../types/mod.ts";
import { countMembers } from "./duplicates.ts";
import { decodeJson, type DecodeOptions } from "./mod.ts";

const POD = typeFacts("", "v1", "Pod")!;
const DEPLOYMENT = typeFacts("apps", "v1", "Deployment")!;

const decode = (body: unknown, options?: DecodeOptions) => decodeJson<object>(JSON.stringify(body), POD, options);

Deno.test("an unknown field is named with its path and dropped", () => {
  const { object, problems } = decode({ kind: "Pod", spec: { containers: [{ name: "a", image: "i", imagee: {} }] } });
  assertEquals(problems, ['unknown field "spec.containers[0].imagee"']);
  assertEquals(object, {
    kind: "Pod",
    metadata: {},
    spec: { containers: [{ name: "a", image: "i", resources: {} }] },
    status: {},
  });
});

Deno.test("a field that stands twice is named with its path and the last one counts", () => {
  const text =
    '{"metadata":{"labels":{"a":"1","b":"2" , "a" :"3"}},"spec":{"containers":[{},{"name":"x","name":"y"}]}}';
  const { object, problems } = decodeJson(text, POD);
  assertEquals(problems, ['duplicate field "metadata.labels.a"', 'duplicate field "spec.containers[1].name"']);
  assertEquals(object.metadata.labels!["a"], "3");
});

Deno.test("strict validation names every problem at once", () => {
  assertThrows(
    () => decodeJson('{"metadata":{"name":"a","name":"b"},"sepc":{}}', POD, { fieldValidation: "Strict" }),
    { message: 'strict decoding error: duplicate field "metadata.name", unknown field "sepc"' },
  );
});

Deno.test("unknown fields and those that stand twice are named in the order of the text", () => {
  const text =
    '{"sepc":{},"metadata":{"name":"a","name":"b","nmae":"c"},"spec":{"containers":[{"a":1}],"hostname":"h","hostname":"i"}}';
  assertEquals(decodeJson(text, POD).problems, [
    'unknown field "sepc"',
    'duplicate field "metadata.name"',
    'unknown field "metadata.nmae"',
    'unknown field "spec.containers[0].a"',
    'duplicate field "spec.hostname"',
  ]);
});

Deno.test("ignored problems are not reported", () => {
  assertEquals(decode({ metadata: { nmae: "a" } }, { fieldValidation: "Ignore" }).problems, []);
});

Deno.test("members are counted whatever strings contain", () => {
  const count = (value: unknown): number =>
    typeof value !== "object" || value === null
      ? 0
      : Object.values(value).reduce((sum: number, part) => sum + count(part) + (Array.isArray(value) ? 0 : 1), 0);
  fc.assert(fc.property(fc.json(), (text) => assertEquals(countMembers(text), count(JSON.parse(text)))));
});

Deno.test("a value of the wrong type is refused with its field and the type that it should have", () => {
  const cases: [unknown, RegExp][] = [
    [[], /^json: cannot unmarshal array into Go value of type v1\.Pod$/],
    [
      { spec: { nodeName: 1 } },
      /cannot unmarshal number 1 into Go struct field PodSpec\.spec\.nodeName of type string/,
    ],
    [
      { spec: { containers: {} } },
      /unmarshal object into Go struct field PodSpec\.spec\.containers of type \[\]v1\.Con/,
    ],
    [{ spec: { hostNetwork: "true" } }, /of type bool/],
    [{ metadata: { labels: { a: 1 } } }, /ObjectMeta\.metadata\.labels\.a of type string/],
    [{ spec: { priority: 2 ** 31 } }, /of type int32/],
    [{ spec: { priority: 1.5 } }, /of type int32/],
    [{ metadata: { creationTimestamp: "yesterday" } }, /metadata\.creationTimestamp: parsing time "yesterday"/],
    [{ spec: { overhead: { cpu: "1x" } } }, /spec\.overhead\.cpu: quantities must match/],
    [{ kind: 1 }, /of type string/],
  ];
  for (const [body, message] of cases) assertThrows(() => decode(body), { name: "DecodeError", message });
  assertThrows(() => decodeJson("{", POD), { name: "DecodeError" });
  const deep = '{"spec":{"x":'.concat("[".repeat(100_000), "]".repeat(100_000), "}}");
  assertThrows(() => decodeJson(deep, POD), { name: "DecodeError" });
});

Deno.test("null and what JSON would not show are dropped, zeros that mean something stay", () => {
  const { object } = decodeJson<object>(
    JSON.stringify({
      metadata: { creationTimestamp: null, labels: { a: null }, annotations: {} },
      spec: { replicas: 0, paused: false, template: { spec: { containers: null, hostNetwork: false } } },
    }),
    DEPLOYMENT,
  );
  assertEquals(object, {
    metadata: { labels: { a: "" } },
    spec: { replicas: 0, template: { metadata: {}, spec: { containers: [] } }, strategy: {} },
    status: {},
  });
});

Deno.test("a patch is checked but keeps its nulls and gets nothing added", () => {
  const patch = { spec: { replicas: null, template: { spec: { hostNetwork: false } } } };
  assertEquals(decodeJson<object>(JSON.stringify(patch), DEPLOYMENT, { normalize: false }).object, patch);
});

Deno.test("times come out in UTC and whole seconds, quantities as canonical text", () => {
  const { object } = decode({
    metadata: { creationTimestamp: "2026-01-01T01:00:00.999+01:00" },
    spec: { overhead: { cpu: 1, memory: "0.5Gi" } },
  });
  const { metadata, spec } = object as { metadata: object; spec: { overhead: object } };
  assertEquals(metadata, { creationTimestamp: "2026-01-01T00:00:00Z" });
  assertEquals(spec.overhead, { cpu: "1", memory: "512Mi" });
});

Deno.test("base64 may be broken into lines, and must be base64", () => {
  const secret = (data: string) =>
    decodeJson<Secret>(JSON.stringify({ data: { a: data } }), typeFacts("", "v1", "Secret")!);
  assertEquals(secret("aGVs\nbG8=\n").object.data, { a: "aGVsbG8=" });
  assertThrows(() => secret("hello"), { message: "data.a: illegal base64 data" });
});

Deno.test("a label called __proto__ is a label", () => {
  const { object } = decodeJson('{"metadata":{"labels":{"__proto__":"x"}}}', POD);
  assertEquals(Object.getOwnPropertyDescriptor(object.metadata.labels, "__proto__")?.value, "x");
});
