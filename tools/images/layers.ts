/** What the layers of the test images are made of: `make.ts` makes them. */

/** A program that is built or compiled: see programs.ts. */
export type ProgramName = "agnhost" | "agnhost-coredns" | "etcd" | "nnp" | "pause" | "sample-apiserver";

/** Programs of Debian, with the libraries that they load, and nothing else of their packages. */
export interface DebianPart {
  packages: readonly string[];
  /** Where the layer has it → where the package has it. */
  programs: Record<string, string>;
  /** More files, at the places where the packages have them. */
  files?: readonly string[];
}

/** All paths are relative to the root of the image. */
export interface LayerRecipe {
  /** Path → permissions. */
  folders?: Record<string, number>;
  texts?: Record<string, string>;
  /** Path → where it leads. */
  links?: Record<string, string>;
  /** Path → program, with other permissions than 0755 where they are given. */
  programs?: Record<string, ProgramName | { program: ProgramName; mode: number }>;
  /** Path → path in the module k8s.io/kubernetes. */
  sources?: Record<string, string>;
  debian?: DebianPart;
  /** busybox by all its names, in `bin`. */
  busybox?: true;
  /** The folder of a registry that agnhost serves, with this image of the table in it → the tag that it has there. */
  registry?: { folder: string; image: string; repository: string; tag: string };
}

const lines = (...all: string[]) => all.map((line) => `${line}\n`).join("");

const USERS = [
  "root:x:0:0:root:/root:/bin/sh",
  "daemon:x:1:1:daemon:/usr/sbin:/bin/false",
  "bin:x:2:2:bin:/bin:/bin/false",
  "sys:x:3:3:sys:/dev:/bin/false",
  "mail:x:8:8:mail:/var/spool/mail:/bin/false",
  "www-data:x:33:33:www-data:/var/www:/bin/false",
  "nobody:x:65534:65534:nobody:/home:/bin/false",
];
const GROUPS = [
  "root:x:0:",
  "daemon:x:1:",
  "bin:x:2:",
  "sys:x:3:",
  "mail:x:8:",
  "www-data:x:33:",
  "nobody:x:65534:",
];

const RECIPES = {
  /** The root of everything that has a shell. */
  "busybox": {
    busybox: true,
    folders: {
      ...Object.fromEntries(
        ["bin", "dev", "etc", "home", "lib", "proc", "root", "sbin", "sys", "usr", "usr/bin", "usr/lib", "usr/local"]
          .concat("usr/local/bin", "usr/sbin", "var", "var/log", "var/spool", "var/spool/mail", "var/www")
          .map((path) => [path, 0o755]),
      ),
      "root": 0o700,
      "tmp": 0o1777,
    },
    texts: {
      "etc/passwd": lines(...USERS),
      "etc/group": lines(...GROUPS),
      "etc/nsswitch.conf": lines("passwd: files", "group: files", "hosts: files dns"),
    },
  },
  /** The shell of Debian's busybox forgets variables whose names it cannot use, which tests look for. */
  "shell": { debian: { packages: ["bash"], programs: { "bin/bash": "bin/bash" } }, links: { "bin/sh": "bash" } },
  /** The shell too: busybox's runs what busybox has by the name of a program, wherever that lies. */
  "network-tools": {
    debian: {
      packages: [
        "bash",
        "bind9-dnsutils",
        "bind9-host",
        "curl",
        "iperf",
        "iproute2",
        "libc-bin",
        "netcat-openbsd",
        "wget",
      ],
      programs: {
        "bin/bash": "bin/bash",
        ...Object.fromEntries(
          ["curl", "dig", "getent", "host", "iperf", "nslookup", "wget"].map((name) => [
            `usr/bin/${name}`,
            `usr/bin/${name}`,
          ]),
        ),
        "usr/bin/ip": "bin/ip",
        "usr/bin/nc": "bin/nc.openbsd",
        "usr/bin/ss": "bin/ss",
      },
    },
    links: { "bin/sh": "bash", "usr/local/bin/iperf": "/usr/bin/iperf" },
  },
  "agnhost": {
    programs: { "agnhost": "agnhost", "coredns": "agnhost-coredns" },
    links: { "agnhost-2": "agnhost" },
    folders: { "uploads": 0o755, "home/user-defined-in-image": 0o755 },
    sources: {
      "localhost.crt": "test/images/agnhost/porter/localhost.crt",
      "localhost.key": "test/images/agnhost/porter/localhost.key",
    },
    texts: {
      "etc/passwd": lines(...USERS, "user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh"),
      "etc/group": lines(
        ...GROUPS,
        "user-defined-in-image:x:1000:",
        "group-defined-in-image:x:50000:user-defined-in-image",
      ),
    },
  },
  "registry": {
    registry: {
      folder: "var/registry",
      image: "registry.k8s.io/pause:3.10.1",
      repository: "pause",
      tag: "testing",
    },
  },
  "pause": { programs: { "pause": "pause" } },
  "nginx": {
    debian: {
      packages: ["nginx-light"],
      programs: { "usr/sbin/nginx": "usr/sbin/nginx" },
      files: ["etc/nginx/mime.types"],
    },
    folders: { "var/cache/nginx": 0o755, "var/lib/nginx": 0o755, "var/log/nginx": 0o755, "run": 0o755 },
    links: { "var/log/nginx/access.log": "/dev/stdout", "var/log/nginx/error.log": "/dev/stderr" },
    texts: {
      "etc/nginx/nginx.conf": lines(
        "user www-data;",
        "worker_processes 1;",
        "pid /run/nginx.pid;",
        "error_log /var/log/nginx/error.log notice;",
        "events { worker_connections 1024; }",
        "http {",
        "  include /etc/nginx/mime.types;",
        "  default_type application/octet-stream;",
        "  access_log /var/log/nginx/access.log combined;",
        "  sendfile on;",
        "  include /etc/nginx/conf.d/*.conf;",
        "}",
      ),
      "etc/nginx/conf.d/default.conf": lines(
        "server {",
        "  listen 80;",
        "  root /usr/share/nginx/html;",
        "}",
      ),
      "usr/share/nginx/html/index.html": lines(
        "<!DOCTYPE html>",
        "<title>Welcome to nginx!</title>",
        "<h1>Welcome to nginx!</h1>",
      ),
    },
  },
  "nautilus": {
    sources: {
      "nautilus.jpg": "test/images/nautilus/html/nautilus.jpg",
      "data.json": "test/images/nautilus/html/data.json",
    },
  },
  "kitten": {
    sources: {
      "kitten.jpg": "test/images/kitten/html/kitten.jpg",
      "data.json": "test/images/kitten/html/data.json",
    },
  },
  "nonewprivs": { programs: { "usr/local/bin/nnp": { program: "nnp", mode: 0o6755 } } },
  "sample-apiserver": { programs: { "sample-apiserver": "sample-apiserver" } },
  "etcd": {
    folders: { "etc": 0o755, "tmp": 0o1777, "usr/local/bin": 0o755 },
    programs: { "usr/local/bin/etcd": "etcd" },
    texts: { "etc/passwd": lines(...USERS), "etc/group": lines(...GROUPS) },
  },
} satisfies Record<string, LayerRecipe>;

export type LayerName = keyof typeof RECIPES;

export const LAYERS: Record<LayerName, LayerRecipe> = RECIPES;
