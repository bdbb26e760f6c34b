import { equal, ok, rejects } from "node:assert/strict";
import { refusal } from "../testing/refusal.ts";
import { type TestApiServer, testApiServer } from "../testing/test_api_server.ts";

const secrets = { resource: "secrets", namespace: "default" };

Deno.test("a Secret for a token has one that stands for its account, as long as both are there", async () => {
  await using server = await testApiServer({ caCertificate: "PEM" });
  await server.create({ resource: "serviceaccounts", namespace: "default" }, { metadata: { name: "robot" } });
  const { data } = await make(server, "keeps");
  equal(atob(data["ca.crt"]!), "PEM");
  equal(atob(data.namespace!), "default");
  const ask = () => server.authenticate({ authorization: `Bearer ${atob(data.token!)}` });
  equal((await ask()).name, "system:serviceaccount:default:robot");
  // Another write leaves it as it is.
  await server.patch({ ...secrets, name: "keeps" }, "merge", { metadata: { labels: { a: "b" } } });
  equal((await ask()).name, "system:serviceaccount:default:robot");
  await server.patch({ ...secrets, name: "keeps" }, "merge", { data: { token: btoa("other") } });
  await rejects(ask(), refusal(401));
  await server.delete({ ...secrets, name: "keeps" });
  await rejects(ask(), refusal(401));
  const second = await make(server, "second");
  await server.delete({ resource: "serviceaccounts", namespace: "default", name: "robot" });
  await rejects(server.authenticate({ authorization: `Bearer ${atob(second.data.token!)}` }), refusal(401));
});

Deno.test("who may write Secrets gets no token of an account that is not there, and none by naming it in another Secret", async () => {
  await using server = await testApiServer();
  await rejects(make(server, "x"), refusal(403, /there is no service account default\/robot$/));
  await server.create({ resource: "serviceaccounts", namespace: "default" }, { metadata: { name: "robot" } });
  const { data } = await make(server, "a");
  await server.create({ resource: "serviceaccounts", namespace: "default" }, { metadata: { name: "boss" } });
  const { metadata: boss } = await server.get({ resource: "serviceaccounts", namespace: "default", name: "boss" });
  const annotations = { "kubernetes.io/service-account.name": "boss", "kubernetes.io/service-account.uid": boss.uid };
  for (let times = 0; times < 2; times++) {
    const renamed = { metadata: { annotations }, data: { token: null } };
    equal((await server.patch<SecretData>({ ...secrets, name: "a" }, "merge", renamed)).data.token, undefined);
  }
  await server.patch({ ...secrets, name: "a" }, "merge", { data: { token: data.token } });
  // A copy of the token in another Secret keeps nobody in when the first is gone.
  await server.create(secrets, { metadata: { name: "copy" }, data: { token: data.token } });
  await server.delete({ ...secrets, name: "a" });
  await rejects(server.authenticate({ authorization: `Bearer ${atob(data.token!)}` }), refusal(401));
  const opaque = await server.create<SecretData>(secrets, {
    metadata: { name: "opaque", annotations: { "kubernetes.io/service-account.name": "robot" } },
  });
  ok(!opaque.data?.token);
});

interface SecretData {
  metadata: { name: string };
  data: Record<string, string>;
}

function make(server: TestApiServer, name: string): Promise<SecretData> {
  return server.create<SecretData>(secrets, {
    metadata: { name, annotations: { "kubernetes.io/service-account.name": "robot" } },
    type: "kubernetes.io/service-account-token",
  });
}
