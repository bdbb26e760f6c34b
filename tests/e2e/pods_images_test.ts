/** Where images come from: registries with passwords, mirrors, digests; what is said when they do not come. */
import { equal, match, ok as assert } from "node:assert/strict";
import { eventually } from "./cluster.ts";
import { pod, PodCluster, sleeper } from "./pod_cluster.ts";

const OPEN = "127.0.0.1:5000";
const CLOSED = "127.0.0.1:5001";
const USER = "puller";
const PASSWORD = "hunter-two-is-secret";
/** bcrypt of the password, as the registry wants to have it. */
const HTPASSWD = "puller:$2b$05$g65nHwPJqDt/RlQZ6GCTVupgkNXVEr3d244fJGmrHiL1MqL94Yovi";

interface RegistryProcess extends AsyncDisposable {
  push(name: string): Promise<void>;
}

/** Debian's docker-registry on the node's loopback. */
function serveRegistry(pods: PodCluster, address: string, htpasswd?: string): RegistryProcess {
  const { cluster, archive } = pods;
  const root = `${cluster.dataDir}/registry-${address.split(":")[1]}`;
  const config = [
    "version: 0.1",
    `storage: { filesystem: { rootdirectory: ${root} } }`,
    `http: { addr: "${address}" }`,
    ...(htpasswd === undefined ? [] : [`auth: { htpasswd: { realm: test, path: ${root}.htpasswd } }`]),
  ];
  Deno.writeTextFileSync(`${root}.yaml`, config.join("\n"));
  if (htpasswd !== undefined) Deno.writeTextFileSync(`${root}.htpasswd`, `${htpasswd}\n`);
  const process = cluster.command(["docker-registry", "serve", `${root}.yaml`], {
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    async push(name) {
      const login = htpasswd === undefined ? [] : ["--dest-creds", `${USER}:${PASSWORD}`];
      const words = ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", ...login];
      await eventually(async () => {
        const { code, stderr } = await cluster.run([...words, `oci-archive:${archive}`, `docker://${address}/${name}`]);
        equal(code, 0, stderr);
      });
    },
    async [Symbol.asyncDispose]() {
      process.kill("SIGTERM");
      await process.status;
    },
  };
}

const secret = (name: string, password: string) => ({
  apiVersion: "v1",
  kind: "Secret",
  type: "kubernetes.io/dockerconfigjson",
  metadata: { name },
  stringData: {
    ".dockerconfigjson": JSON.stringify({ auths: { [CLOSED]: { auth: btoa(`${USER}:${password}`) } } }),
  },
});

Deno.test("images come from where they are to come from", async (t) => {
  await using pods = await PodCluster.start();
  await using open = serveRegistry(pods, OPEN);
  await using closed = serveRegistry(pods, CLOSED, HTPASSWD);
  await open.push("mirrored/library/box:1");
  await open.push("team/box:1");
  await closed.push("team/box:1");
  const waiting = (name: string) => pods.jsonpath(name, ".status.containerStatuses[0].state.waiting.reason");

  await t.step("a registry that wants a password gets the pod's, or its service account's", async () => {
    await pods.apply(
      secret("right", PASSWORD),
      secret("wrong", "guessed"),
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "puller" }, imagePullSecrets: [{ name: "right" }] },
    );
    const image = `${CLOSED}/team/box:1`;
    const pulls = (name: string, spec: Record<string, unknown>) =>
      pod(name, { ...spec, containers: [sleeper({ image, imagePullPolicy: "Always" })] });
    await pods.apply(pulls("nobody", {}), pulls("guesses", { imagePullSecrets: [{ name: "wrong" }] }));
    for (const name of ["nobody", "guesses"]) {
      await eventually(async () => match(await waiting(name), /ErrImagePull|ImagePullBackOff/));
    }
    await pods.apply(
      pulls("knows", { imagePullSecrets: [{ name: "wrong" }, { name: "right" }] }),
      pulls("account", { serviceAccountName: "puller" }),
    );
    await pods.ready("knows");
    await pods.ready("account");
    // What a password has opened is not there for those who have none.
    const uses = (name: string, imagePullPolicy: string, spec: Record<string, unknown> = {}) =>
      pod(name, { ...spec, containers: [sleeper({ image, imagePullPolicy })] });
    await pods.apply(
      uses("takes", "IfNotPresent"),
      uses("takes-never", "Never"),
      uses("may-take", "Never", { imagePullSecrets: [{ name: "right" }] }),
    );
    await pods.ready("may-take");
    await eventually(async () => match(await waiting("takes"), /ErrImagePull|ImagePullBackOff/));
    await eventually(async () => equal(await waiting("takes-never"), "ErrImageNeverPull"));
    for (const name of ["nobody", "guesses"]) {
      assert(/ErrImagePull|ImagePullBackOff/.test(await waiting(name)), "Always asks");
    }
    const said = (await Promise.all(["knows", "guesses"].map((name) => pods.events(name)))).join("\n");
    const logs = await Deno.readTextFile(`${pods.cluster.dataDir}/logs/agent.log`);
    for (const text of [PASSWORD, "guessed", btoa(`${USER}:${PASSWORD}`), btoa(`${USER}:guessed`)]) {
      assert(!said.includes(text) && !logs.includes(text), "passwords are told to nobody");
    }
  });

  await t.step("a mirror stands in for a registry, which is asked when it has nothing", async () => {
    await Deno.writeTextFile(
      `${pods.cluster.dataDir}/registries.yaml`,
      [
        "mirrors:",
        "  docker.io:",
        `    endpoint: ["http://127.0.0.1:5999", "http://${OPEN}"]`,
        "    rewrite: { '^library/(.*)': 'mirrored/library/$1' }",
        `  ${OPEN}:`,
        `    endpoint: ["http://127.0.0.1:5999"]`,
        "configs:",
        `  ${CLOSED}:`,
        `    auth: { username: ${USER}, password: ${PASSWORD} }`,
      ].join("\n"),
    );
    await pods.apply(
      pod("mirrored", { containers: [sleeper({ image: "box:1" })] }),
      pod("own", { containers: [sleeper({ image: `${OPEN}/team/box:1` })] }),
      pod("configured", { containers: [sleeper({ image: `${CLOSED}/team/box:1`, imagePullPolicy: "Always" })] }),
    );
    for (const name of ["mirrored", "own", "configured"]) await pods.ready(name);
    match(await pods.jsonpath("mirrored", ".status.containerStatuses[0].imageID"), /@sha256:/);
    match(
      await pods.events("mirrored"),
      /Normal Pulled Successfully pulled image "box:1" in [\d.]+m?s \([\d.]+m?s including waiting\)\. Image size: \d+ bytes\./,
    );
  });

  await t.step("a digest names one image for ever", async () => {
    const digest = (await pods.jsonpath("own", ".status.containerStatuses[0].imageID")).split("@")[1]!;
    await pods.apply(
      pod("digest", { containers: [sleeper({ image: `${OPEN}/team/box@${digest}` })] }),
      pod("other", { containers: [sleeper({ image: `${OPEN}/team/box@sha256:${"0".repeat(64)}` })] }),
    );
    await pods.ready("digest");
    await eventually(async () => match(await waiting("other"), /ErrImagePull|ImagePullBackOff/));
  });

  await t.step("what is not to be had is said so, in steps, and asked for again", async () => {
    await pods.apply(
      pod("never", { containers: [sleeper({ image: "nothing/here:1", imagePullPolicy: "Never" })] }),
      pod("no-name", { containers: [sleeper({ image: "Not/AN:image:name" })] }),
      pod("missing", { containers: [sleeper({ image: `${OPEN}/team/late:1` })] }),
    );
    await eventually(async () => equal(await waiting("never"), "ErrImageNeverPull"));
    await eventually(async () => equal(await waiting("no-name"), "InvalidImageName"));
    await eventually(async () => equal(await waiting("missing"), "ImagePullBackOff"));
    match(
      await pods.jsonpath("missing", ".status.containerStatuses[0].state.waiting.message"),
      /^Back-off pulling image "127\.0\.0\.1:5000\/team\/late:1": ErrImagePull: /,
    );
    await eventually(async () => {
      const events = await pods.events("missing");
      for (
        const said of [
          "Pulling Pulling image",
          "Failed Failed to pull image",
          "Failed Error: ErrImagePull",
          "BackOff Back-off pulling image",
          "Failed Error: ImagePullBackOff",
        ]
      ) {
        assert(events.includes(said), `${said} is not in\n${events}`);
      }
    });
    await open.push("team/late:1");
    await pods.ready("missing");
  });
});
