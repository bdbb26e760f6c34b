import { deepEqual as assertEquals, equal, rejects, throws } from "node:assert/strict";
import { configMapFields, parseEnvFile, readData, secretData } from "./data.ts";
import { containerNameOf, makeDeployment, makePod, parsePairs } from "./pods.ts";
import { bindingOf, roleOf } from "./roles.ts";
import { makeService, parsePort } from "./services.ts";

/** As it would be sent. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

Deno.test("containers are called as their image", () => {
  equal(containerNameOf("nginx"), "nginx");
  equal(containerNameOf("registry:5000/team/My_Web:1.2"), "my-web");
  equal(containerNameOf("web@sha256:0123"), "web");
});

Deno.test("a deployment selects the pods that it makes", () => {
  const { metadata, spec } = plain(
    makeDeployment("web", { images: ["a/web:1"], replicas: 3, port: 80, command: ["x"] }),
  );
  assertEquals(metadata.labels, { app: "web" });
  assertEquals(spec.selector.matchLabels, spec.template.metadata.labels);
  assertEquals(spec.template.spec.containers, [
    { name: "web", image: "a/web:1", command: ["x"], ports: [{ containerPort: 80 }] },
  ]);
  throws(() => makeDeployment("web", { images: ["a", "b"], replicas: 1, command: ["x"] }), /one image only/);
});

Deno.test("a pod has its words as arguments or as its command", () => {
  const words = {
    image: "i",
    labels: {},
    env: { A: "b" },
    restart: "Never",
    words: ["x"],
    isCommand: false,
    stdin: true,
    tty: false,
  };
  const { metadata, spec } = plain(makePod("p", words));
  assertEquals(metadata.labels, { run: "p" });
  assertEquals(spec.containers[0], {
    name: "p",
    image: "i",
    args: ["x"],
    env: [{ name: "A", value: "b" }],
    stdin: true,
    stdinOnce: true,
  });
  assertEquals(plain(makePod("p", { ...words, isCommand: true })).spec.containers[0].command, ["x"]);
  throws(() => makePod("p", { ...words, restart: "never" }), /--restart must be one of Always/);
  assertEquals(parsePairs("--env", ["A=b=c", "D="]), { A: "b=c", D: "" });
  throws(() => parsePairs("--env", ["=x"]), /--env must be NAME=VALUE/);
});

Deno.test("ports are numbers that there are, their targets also names", () => {
  assertEquals(parsePort("--tcp", "80:http", "TCP"), {
    name: "80-http",
    port: 80,
    protocol: "TCP",
    targetPort: "http",
  });
  equal(parsePort("--udp", "53", "UDP").targetPort, 53);
  for (const text of ["0", "65536", "x", "80:", "1:2:3", ""]) {
    throws(() => parsePort("--tcp", text, "TCP"), /PORT:TARGET/);
  }
  throws(() => makeService("s", { type: "ClusterIP", ports: [], selector: {} }), /must have a port/);
  equal(
    plain(makeService("s", { type: "ClusterIP", ports: [], selector: {}, clusterIP: "None" })).spec.clusterIP,
    "None",
  );
});

Deno.test("roles have a rule a group, with subresources", () => {
  const { rules } = plain(
    roleOf("Role", "r", ["get"], ["pods", "pods/log", "deployments.apps", "deployments.apps/scale"]),
  );
  assertEquals(rules, [
    { apiGroups: [""], resources: ["pods", "pods/log"], verbs: ["get"] },
    { apiGroups: ["apps"], resources: ["deployments", "deployments/scale"], verbs: ["get"] },
  ]);
});

Deno.test("bindings give one role to users, groups and service accounts", () => {
  const { roleRef, subjects } = plain(
    bindingOf("Role", "b", { clusterrole: "view", user: ["u"], serviceaccount: ["n:s"] }),
  );
  assertEquals([roleRef.kind, roleRef.name], ["ClusterRole", "view"]);
  assertEquals(subjects[1], { kind: "ServiceAccount", name: "s", namespace: "n" });
  throws(() => bindingOf("Role", "b", {}), /Either --role or --clusterrole/);
  throws(() => bindingOf("Role", "b", { role: "a", serviceaccount: ["x"] }), /NAMESPACE:NAME/);
});

Deno.test("files of an environment are lines; a name alone is that of our own environment", () => {
  assertEquals(parseEnvFile("# c\n\n A=b=c\r\nK3TS_NOT_SET\n", "f"), [["A", "b=c"], ["K3TS_NOT_SET", ""]]);
  throws(() => parseEnvFile("=x", "f"), /Each line of f must be NAME=VALUE/);
});

Deno.test("data comes from literals, files and folders; what is no text stays binary", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/text`, "hallo");
    await Deno.writeFile(`${folder}/binary`, new Uint8Array([0xff, 0xfe, 0]));
    const data = await readData({ fromLiteral: ["a=b=c"], fromFile: [folder, `other=${folder}/text`] });
    assertEquals(configMapFields(data), {
      data: { a: "b=c", text: "hallo", other: "hallo" },
      binaryData: { binary: "//4A" },
    });
    equal(secretData(data).text, btoa("hallo"));
    await rejects(readData({ fromLiteral: ["a=1", "a=2"] }), /The key "a" is given twice/);
    await rejects(readData({ fromLiteral: ["a b=1"] }), /A key must be of letters/);
    await rejects(readData({ fromFile: [`${folder}/missing`] }), /Cannot read .*missing/);
    await rejects(readData({ fromFile: [`x=${folder}`] }), /A folder has a key a file/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
