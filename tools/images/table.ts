/**
 * The images that the conformance suite of Kubernetes 1.35 uses, under its names for them
 * (k8s.io/kubernetes, test/utils/image/manifest.go), and a few that its other tests use and that cost next to nothing.
 */
import { PATH } from "../busybox_image.ts";
import type { LayerName } from "./layers.ts";

export interface ImageRow {
  /** As pods name it. */
  name: string;
  /** The lowest first. */
  layers: readonly LayerName[];
  /** The `config` of the OCI image configuration. */
  config: Record<string, unknown>;
}

const SUITE = "registry.k8s.io/e2e-test-images";

const AGNHOST: readonly LayerName[] = ["busybox", "network-tools", "agnhost"];

const AGNHOST_CONFIG = {
  Env: [PATH],
  Entrypoint: ["/agnhost"],
  Cmd: ["pause"],
  ExposedPorts: { "80/tcp": {}, "8080/tcp": {}, "8081/tcp": {}, "9376/tcp": {}, "5000/tcp": {} },
};

const NGINX_CONFIG = {
  Env: [PATH],
  Cmd: ["nginx", "-g", "daemon off;"],
  ExposedPorts: { "80/tcp": {} },
  StopSignal: "SIGQUIT",
};

const ROWS: readonly ImageRow[] = [
  { name: `${SUITE}/agnhost:2.59`, layers: [...AGNHOST, "registry"], config: AGNHOST_CONFIG },
  { name: `${SUITE}/agnhost:2.55`, layers: AGNHOST, config: AGNHOST_CONFIG },
  { name: "registry.k8s.io/pause:3.10.1", layers: ["pause"], config: { Entrypoint: ["/pause"], User: "65535:65535" } },
  { name: `${SUITE}/busybox:1.37.0-1`, layers: ["busybox", "shell"], config: { Env: [PATH], Cmd: ["sh"] } },
  { name: `${SUITE}/nginx:1.14-4`, layers: ["busybox", "nginx"], config: NGINX_CONFIG },
  { name: `${SUITE}/nginx:1.15-4`, layers: ["busybox", "nginx"], config: NGINX_CONFIG },
  {
    name: `${SUITE}/jessie-dnsutils:1.7`,
    layers: ["busybox", "network-tools"],
    config: { Env: [PATH], Cmd: ["/bin/bash"] },
  },
  {
    name: `${SUITE}/nautilus:1.7`,
    layers: [...AGNHOST, "nautilus"],
    config: { ...AGNHOST_CONFIG, Cmd: ["test-webserver"] },
  },
  {
    name: `${SUITE}/kitten:1.7`,
    layers: [...AGNHOST, "kitten"],
    config: { ...AGNHOST_CONFIG, Cmd: ["test-webserver"] },
  },
  { name: `${SUITE}/nonewprivs:1.3`, layers: ["busybox", "nonewprivs"], config: { Env: [PATH], Cmd: ["nnp"] } },
  { name: `${SUITE}/nonroot:1.4`, layers: ["busybox"], config: { Env: [PATH], Cmd: ["sh"], User: "1234" } },
  {
    name: `${SUITE}/sample-apiserver:1.29.2`,
    layers: ["busybox", "sample-apiserver"],
    config: { Env: [PATH], Entrypoint: ["/sample-apiserver"] },
  },
  { name: "registry.k8s.io/etcd:3.6.6-0", layers: ["etcd"], config: { Env: [PATH], Cmd: ["etcd"] } },
];

/** Each tells its name, so that no two are the same image: one id with two tags could be shown by either. */
export const IMAGES: readonly ImageRow[] = ROWS.map((row) => ({
  ...row,
  config: { ...row.config, Labels: { "org.opencontainers.image.ref.name": row.name } },
}));

/**
 * Those that are meant: by full name, or by its end, as in `agnhost`, `agnhost:2.59` or `e2e-test-images/agnhost`.
 * @throws when a name means none
 */
export function imagesNamed(names: readonly string[]): ImageRow[] {
  const chosen = new Set<ImageRow>();
  for (const name of names) {
    const found = IMAGES.filter((row) =>
      [row.name, row.name.replace(/:[^:/]+$/, "")].some((full) => endsIn(full, name))
    );
    if (found.length === 0) {
      throw new Error(
        `Cannot make the image "${name}" as it must be one of the table: it has\n${
          IMAGES.map((row) => `  ${row.name}`).join("\n")
        }`,
      );
    }
    for (const row of found) chosen.add(row);
  }
  return [...chosen];
}

function endsIn(full: string, name: string): boolean {
  return full === name || full.endsWith(`/${name}`);
}
