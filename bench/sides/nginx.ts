/** nginx as this machine has it, with a configuration and files of its own. */
import { OWN_SESSION, Program } from "./program.ts";

export interface NginxOptions {
  program: string;
  /** For its files; must be there. */
  folder: string;
  /** What its `http` block holds. */
  http: readonly string[];
  /** How it is run: in another network, for one. @default here */
  command?: (words: string[]) => Deno.Command | Promise<Deno.Command>;
  /** Whether it serves already. */
  serves: () => Promise<boolean>;
}

/** Started, and serving. */
export async function startNginx({ program, folder, http, command, serves }: NginxOptions): Promise<Program> {
  const lines = [
    "user root;", // as sockets and certificates are root's
    "worker_processes auto;",
    "daemon off;",
    "error_log stderr error;",
    `pid ${folder}/nginx.pid;`,
    "events { worker_connections 4096; }",
    "http {",
    "  access_log off;",
    "  keepalive_requests 1000000000;",
    ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((what) => `  ${what}_temp_path ${folder}/${what};`),
    ...http.map((line) => `  ${line}`),
    "}",
  ];
  await Deno.writeTextFile(`${folder}/nginx.conf`, `${lines.join("\n")}\n`);
  const words = [...OWN_SESSION, program, "-p", folder, "-e", "stderr", "-c", `${folder}/nginx.conf`];
  const here = ([first, ...args]: string[]) =>
    new Deno.Command(first!, { args, stdin: "null", stdout: "piped", stderr: "piped" });
  const started = Program.start("nginx", await (command ?? here)(words));
  await started.until(serves);
  return started;
}

/** Of its master and its workers. */
export async function nginxPids({ pid }: Program): Promise<Record<string, number>> {
  const children = (await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`)).trim().split(" ").filter(Boolean);
  return Object.fromEntries([pid, ...children.map(Number)].map((pid, index) => [`nginx-${index}`, pid]));
}
