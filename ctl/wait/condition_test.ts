import { equal, throws } from "node:assert/strict";
import { isMet, parseCondition } from "./condition.ts";

const pod = (status: object, generation = 1) => ({ metadata: { name: "a", generation }, status });
const met = (text: string, object?: ReturnType<typeof pod>) => isMet(parseCondition(text), object);

Deno.test("waits for an object to be there, and to be gone", () => {
  equal(met("delete"), true);
  equal(met("delete", pod({})), false);
  equal(met("create"), false);
  equal(met("create", pod({})), true);
});

Deno.test("waits for a condition, whatever its case, to be true or what was named", () => {
  const ready = pod({ conditions: [{ type: "Ready", status: "True" }] });
  equal(met("condition=ready", ready), true);
  equal(met("condition=Ready=false", ready), false);
  equal(met("condition=Ready=unknown", pod({ conditions: [{ type: "Ready", status: "Unknown" }] })), true);
  equal(met("condition=Other", ready), false);
  equal(met("condition=Ready", pod({})), false);
  equal(met("condition=Ready"), false);
});

Deno.test("a condition of an earlier generation does not count", () => {
  const conditions = [{ type: "Available", status: "True" }];
  equal(met("condition=available", pod({ observedGeneration: 1, conditions }, 2)), false);
  equal(met("condition=available", pod({ observedGeneration: 2, conditions }, 2)), true);
  equal(met("condition=available", pod({ conditions: [{ ...conditions[0], observedGeneration: 1 }] }, 2)), false);
});

Deno.test("waits for a field to be there, or to have a value", () => {
  const running = pod({ phase: "Running", ready: true, count: 2, list: [1, 2], ingress: [{ ip: "10.0.0.1" }] });
  equal(met("jsonpath={.status.phase}=Running", running), true);
  equal(met("jsonpath='{.status.phase}'=Pending", running), false);
  equal(met('jsonpath={.status.phase}="Running"', running), true);
  equal(met("jsonpath=.status.count=2", running), true);
  equal(met("jsonpath={.status.ready}=true", running), true);
  equal(met("jsonpath={.status.ingress[0].ip}", running), true);
  equal(met("jsonpath={.status.nothing}", running), false);
  equal(met('jsonpath={.status.ingress[?(@.ip=="10.0.0.1")].ip}=10.0.0.1', running), true);
  throws(() => met("jsonpath={.status.list[*]}=1", running), /must find one value/);
  throws(() => met("jsonpath={.status.list}=1", running), /must find a text/);
});

Deno.test("what is no condition is refused", () => {
  for (const text of ["", "ready", "condition=", "jsonpath=", "deleted"]) {
    throws(() => parseCondition(text), /--for must be delete, create/);
  }
  throws(() => parseCondition("jsonpath={.a}b"), /must be {PATH} or {PATH}=VALUE/);
});
