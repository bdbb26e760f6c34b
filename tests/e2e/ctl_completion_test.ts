/** Tab, as real shells do it: bash and zsh on a terminal, fish by its own `complete -C`. */
import { equal, ok as assert } from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { ROOT, TestCluster } from "./cluster.ts";
import { eventually } from "./machine.ts";

Deno.test("bash, zsh and fish complete commands, flags, resources and names", async (t) => {
  await using cluster = await TestCluster.start();
  for (const name of ["completion-one", "completion-two"]) await cluster.k3ts("create", "configmap", name);
  for (const name of ["hostile-$(reboot)", "hostile-\nreboot"]) {
    await cluster.k3ts("create", "role", name, "--verb", "get", "--resource", "pods");
  }
  const bin = `${cluster.dataDir}/bin`;
  await Deno.mkdir(bin);
  const launcher = cluster.k3tsCommand().map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(`${bin}/k3ts`, `#!/bin/sh\nexec ${launcher} "$@"\n`, { mode: 0o755 });
  const env = {
    PATH: `${bin}:${Deno.env.get("PATH")}`,
    // Deno keeps its modules below HOME, where a shell would look for files of a person.
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
    HOME: cluster.dataDir,
    TERM: "dumb",
    PS1: "> ",
  };
  for (const shell of ["bash", "zsh", "fish"]) {
    await Deno.writeTextFile(`${cluster.dataDir}/completion.${shell}`, await cluster.k3ts("completion", shell));
  }

  await t.step("bash", async () => {
    await using terminal = new Terminal(cluster, ["bash", "--noprofile", "--norc", "-i"], env);
    await terminal.type(`source ${cluster.dataDir}/completion.bash; bind 'set bell-style none'\n`);
    await completesOnTerminal(terminal, cluster.dataDir);
    // bash alone leaves quoting to who completes.
    await terminal.completes("k3ts get roles hostile-\t", "k3ts get roles hostile-\\$\\(reboot\\)");
  });

  await t.step("zsh", async () => {
    await using terminal = new Terminal(cluster, ["zsh", "-f", "-i"], env);
    await terminal.type(
      `unsetopt beep zle_bracketed_paste prompt_sp; autoload -Uz compinit; compinit -u -D; source ${cluster.dataDir}/completion.zsh\n`,
    );
    await completesOnTerminal(terminal, cluster.dataDir);
  });

  await t.step("fish", async () => {
    const complete = async (line: string) => {
      const script = `source ${cluster.dataDir}/completion.fish; complete -C ${JSON.stringify(line)}`;
      const { code, stdout, stderr } = await cluster.run(["fish", "--no-config", "-c", script], { env });
      equal(code, 0, stderr);
      return stdout.trim().split("\n").map((row) => row.split("\t")[0]);
    };
    equal((await complete("k3ts rollo")).join(), "rollout");
    equal((await complete("k3ts rollout st")).join(), "status");
    assert((await complete("k3ts get --field")).includes("--field-selector"));
    equal((await complete("k3ts get configm")).join(), "configmaps");
    equal((await complete("k3ts get configmaps completion-")).join(), "completion-one,completion-two");
    equal((await complete("k3ts -n kube-pu")).join(), "kube-public");
    equal((await complete("k3ts delete cm/completion-o")).join(), "cm/completion-one");
    assert((await complete(`k3ts apply -f ${cluster.dataDir}/comple`)).some((path) => path!.includes("completion.")));
  });

  await t.step("another shell is refused", async () => {
    const { code, stderr } = await cluster.tryK3ts("completion", "fisch");
    equal(code, 1);
    assert(stderr.includes("did you mean fish?"), stderr);
  });
});

/** What Tab makes of a line, told by the shell itself: `echo` shows the words that came of it. */
async function completesOnTerminal(terminal: Terminal, folder: string): Promise<void> {
  // Each line must become the one behind it, without its first word.
  const lines: [string, string][] = [
    ["rollo\t", "rollout"],
    ["rollout st\t", "rollout status"],
    ["get --field\t", "get --field-selector"],
    ["get configm\t", "get configmaps"],
    ["get configmaps completion-o\t", "get configmaps completion-one"],
    ["delete cm/completion-t\t", "delete cm/completion-two"],
    ["get pods -n kube-pu\t", "get pods -n kube-public"],
    ["delete pod --dry-run=cl\t", "delete pod --dry-run=client"],
    [`apply -f ${folder}/completion.f\t`, `apply -f ${folder}/completion.fish`],
  ];
  for (const [typed, wanted] of lines) {
    await terminal.completes(`k3ts ${typed}`, `k3ts ${wanted}`);
  }
}

/** A program on a pseudo terminal. */
class Terminal implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  #text = "";

  constructor(cluster: TestCluster, words: string[], env: Record<string, string>) {
    const command = `stty cols 500; exec ${words.join(" ")}`;
    this.#child = cluster.command(["script", "-qfec", command, "/dev/null"], {
      stdin: "piped",
      cwd: ROOT,
      env,
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    for await (const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())) this.#text += chunk;
  }

  async type(text: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(text));
  }

  /** Types a line, Tab included, and sees it become the other one; then throws it away. */
  async completes(typed: string, wanted: string): Promise<void> {
    this.#text = "";
    await this.type(typed);
    // Letters that are drawn one after the other have codes for the cursor between them.
    const seen = () => stripVTControlCharacters(this.#text).replace(/[\r\b]/g, "").replaceAll("\u0007", "");
    await eventually(() => assert(seen().includes(wanted), `${typed} became ${JSON.stringify(this.#text)}`), 20);
    // Ctrl-U: away with the line.
    await this.type("\x15");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.type("\x15exit\n");
    await this.#child.status;
    await this.#writer.close().catch(() => {}); // it has gone
    await this.#reading;
    await this.#child.stderr.cancel();
  }
}
