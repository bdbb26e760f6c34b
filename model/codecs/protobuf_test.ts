import { deepEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import fc from "fast-check";
import { parseApiVersion } from "../facts/resources.ts";
import { typeByKey, typeFacts, typeKeys } from "../facts/types.ts";
import { anyObject } from "./arbitrary.ts";
import {
  decodeJson,
  decodeMessage,
  decodeProtobuf,
  decodeWatchEvent,
  encodeMessage,
  encodeProtobuf,
  encodeWatchEvent,
  listFrame,
  openEnvelope,
} from "./mod.ts";
import golden from "./testdata/golden.json" with { type: "json" };

const vectors = golden as unknown as { name: string; protobuf: string; json: { apiVersion: string; kind: string } }[];
const encodable = [...typeKeys()].map((key) => typeByKey(key)!).filter((type) => type.fields.some((f) => f.number > 0));
const anyType = fc.constantFrom(...encodable);

for (const { name, protobuf, json } of vectors) {
  Deno.test(`what Go wrote of ${name} reads the same from protobuf and from JSON, and after writing it`, () => {
    const { group, version } = parseApiVersion(json.apiVersion);
    const type = typeFacts(group, version, json.kind)!;
    const { object } = decodeJson(JSON.stringify(json), type, { fieldValidation: "Strict" });
    assertEquals(decodeProtobuf(Uint8Array.fromBase64(protobuf)), object);
    assertEquals(decodeProtobuf(encodeProtobuf(object, type)), object);
  });
}

Deno.test("any object of any type is the same after JSON, protobuf and JSON again", () => {
  const anything = anyType.chain((type) => fc.tuple(fc.constant(type), anyObject(type)));
  fc.assert(
    fc.property(anything, ([type, object]) => {
      const { object: read, problems } = decodeJson(JSON.stringify(object), type);
      assertEquals(problems, []);
      assertEquals(read, JSON.parse(JSON.stringify(object)));
      const { apiVersion: _, kind: __, ...body } = object;
      const members = type.isKind ? body : object;
      assertEquals(decodeMessage(encodeMessage(object, type), type), JSON.parse(JSON.stringify(members)));
    }),
    { numRuns: 500 },
  );
});

Deno.test("bytes that are no message give a decode error, never another one and never a hang", () => {
  const type = typeByKey("v1.Pod")!;
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    try {
      decodeMessage(bytes, type);
    } catch (error) {
      assertEquals((error as Error).name, "DecodeError");
    }
  }));
  const spoilt = fc.tuple(fc.constantFrom(...vectors), fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(spoilt, ([{ protobuf }, at, byte]) => {
      const bytes = Uint8Array.fromBase64(protobuf);
      bytes[at % bytes.length] = byte;
      try {
        decodeProtobuf(bytes);
      } catch (error) {
        assertEquals((error as Error).name, "DecodeError");
      }
    }),
    { numRuns: 500 },
  );
  const pod = encodeProtobuf({ apiVersion: "v1", kind: "Pod", metadata: { name: "a" } }, type);
  assertThrows(() => decodeProtobuf(pod.subarray(0, pod.length - 8)), { name: "DecodeError" });
  assertThrows(() => decodeProtobuf(Uint8Array.of(1, 2, 3)), /does not appear to be a protobuf message/);
});

Deno.test("a list made of ready messages reads as a list", () => {
  const type = typeByKey("v1.ConfigMap")!;
  const items = ["a", "b".repeat(300)].map((name) => encodeMessage({ metadata: { name } }, type));
  const frame = listFrame("v1", "ConfigMapList", { resourceVersion: "7" }, items.map((item) => item.length));
  const parts = [frame.head, ...items.flatMap((item) => [frame.itemHead(item.length), item]), frame.tail];
  const list = decodeProtobuf(Uint8Array.from(parts.flatMap((part) => [...part])));
  assertEquals(list, {
    apiVersion: "v1",
    kind: "ConfigMapList",
    metadata: { resourceVersion: "7" },
    items: [{ metadata: { name: "a" } }, { metadata: { name: "b".repeat(300) } }],
  });
});

Deno.test("a watch event carries its object in an envelope", () => {
  const pod = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } };
  const event = encodeWatchEvent("ADDED", encodeProtobuf(pod, typeByKey("v1.ConfigMap")!));
  assertEquals(new DataView(event.buffer).getUint32(0), event.length - 4);
  assertEquals(decodeWatchEvent(event.subarray(4)), { type: "ADDED", object: pod });
});

Deno.test("an envelope opens to its message without a copy", () => {
  const type = typeByKey("v1.ConfigMap")!;
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } };
  const envelope = openEnvelope(encodeProtobuf(object, type));
  assertEquals([envelope.apiVersion, envelope.kind], ["v1", "ConfigMap"]);
  assertEquals(new Uint8Array(envelope.message), encodeMessage(object, type));
});
