/** What tests run on a cluster: pods that serve a page, Services before them, the image that they need. */
import { busyboxImage } from "@k3ts/tools/busybox-image";
import type { TestMachine } from "./machine.ts";
import type { TestNodes } from "./nodes.ts";

const IMAGE = "busybox:1.37";

/** A pod on one node that serves its own name, and tells whoever asks under which address it is seen. */
export function web(name: string, nodeName: string) {
  const command = [
    "mkdir -p /www/cgi-bin",
    "hostname > /www/index.html",
    `printf '#!/bin/sh\\nprintf "Content-Type: text/plain\\\\n\\\\n$REMOTE_ADDR"\\n' > /www/cgi-bin/peer`,
    "chmod +x /www/cgi-bin/peer",
    "echo serving",
    "exec httpd -f -p 8080 -h /www",
  ].join("; ");
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: "web" } },
    spec: {
      nodeName,
      hostname: name,
      subdomain: "webs",
      terminationGracePeriodSeconds: 0,
      containers: [{
        name: "web",
        image: IMAGE,
        command: ["sh", "-c", command],
        readinessProbe: { httpGet: { port: 8080, path: "/" }, periodSeconds: 1 },
      }],
    },
  };
}

export function service(name: string, more: object = {}) {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: 8080 }], ...more },
  };
}

/** Puts the image that the pods use on every node, so that none is pulled. */
export async function provideImage(machines: readonly TestMachine[]): Promise<void> {
  const image = await busyboxImage();
  for (const machine of machines) {
    const path = `${machine.dataDir}/busybox.tar`;
    await Deno.writeFile(path, image);
    await machine.k3ts("image", "import", path, "--data-dir", machine.dataDir);
  }
}

/** A pod as it runs. */
export interface RunningPod {
  name: string;
  uid: string;
  node: string;
  address: string;
}

export async function podsOf(nodes: TestNodes, selector: string): Promise<RunningPod[]> {
  const { items } = JSON.parse(await nodes.kubectl("get", "pods", "-l", selector, "-o", "json")) as {
    items: { metadata: { name: string; uid: string }; spec: { nodeName: string }; status: { podIP: string } }[];
  };
  return items.map(({ metadata, spec, status }) => ({ ...metadata, node: spec.nodeName, address: status.podIP }));
}
