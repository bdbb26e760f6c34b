/** Whether the roles and bindings of a fresh cluster are Kubernetes's, name by name and rule by rule. */
import { deepEqual, ok } from "node:assert/strict";
import { testApiServer } from "@k3ts/api/testing";
import { KUBERNETES_VERSION } from "@k3ts/model";
import { output, which } from "@k3ts/tools/run";
import { parse } from "yaml";

const FOLDER = "plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata";
const GROUP = "rbac.authorization.k8s.io";
/** What nodes of ours are, Kubernetes has two programs for; usage figures come with a program of their own there. */
const OWN = ["k3ts:node-proxier", "system:aggregated-metrics-reader"];

interface RbacObject {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: object; annotations?: object };
  rules?: object[] | null;
  aggregationRule?: object;
  roleRef?: object;
  subjects?: object[];
}

Deno.test({
  name: "a fresh cluster has exactly Kubernetes's bootstrap roles and bindings",
  ignore: await which("go") === undefined,
  async fn() {
    await using server = await testApiServer();
    const upstream = await published();
    const resources = {
      clusterroles: ["cluster-roles", "controller-roles"],
      clusterrolebindings: ["cluster-role-bindings", "controller-role-bindings"],
      roles: ["namespace-roles"],
      rolebindings: ["namespace-role-bindings"],
    };
    for (const [resource, files] of Object.entries(resources)) {
      const wanted = (await Promise.all(files.map((file) => readList(`${upstream}/${file}.yaml`)))).flat();
      const found = await server.list({ resource: `${resource}.${GROUP}` }) as RbacObject[];
      const ours = found.filter(({ metadata }) => !OWN.includes(metadata.name));
      ok(wanted.length > 3, resource);
      deepEqual(indexed(ours), indexed(wanted), resource);
    }
  },
});

async function published(): Promise<string> {
  const answer = await output(["go", "mod", "download", "-json", `k8s.io/kubernetes@v${KUBERNETES_VERSION}`], {
    cwd: "/",
  });
  return `${(JSON.parse(answer) as { Dir: string }).Dir}/${FOLDER}`;
}

async function readList(path: string): Promise<RbacObject[]> {
  return (parse(await Deno.readTextFile(path)) as { items: RbacObject[] }).items;
}

function indexed(objects: readonly RbacObject[]): Record<string, object> {
  return Object.fromEntries(
    objects.map((object) => {
      const { metadata: { name, namespace = "", labels, annotations }, rules, aggregationRule, roleRef } = object;
      // The rules of those that aggregate follow from the others'.
      const own = aggregationRule === undefined ? rules ?? [] : [];
      const subjects = (object.subjects ?? []).map((subject) => ({ ...subject }));
      return [`${namespace}/${name}`, { labels, annotations, rules: own, aggregationRule, roleRef, subjects }];
    }).sort(([one], [other]) => one! < other! ? -1 : 1),
  );
}
