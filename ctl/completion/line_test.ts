import { deepEqual as assertEquals, equal } from "node:assert/strict";
import { Command } from "commander";
import { type Line, readLine } from "./line.ts";

function program(): Command {
  const program = new Command("k3ts");
  const cluster = (command: Command) => command.option("-n, --namespace <name>").option("--context <name>");
  cluster(program.command("get <resource...>")).option("-o, --output <format>").option("-w, --watch");
  const rollout = program.command("rollout");
  cluster(rollout.command("status [resource...]"));
  cluster(program.command("exec <pod> <command...>")).option("-c, --container <name>");
  program.command("completion <shell>");
  return program;
}

const read = (...words: string[]): Line => readLine(program(), words);
const place = (...words: string[]) => {
  const { place } = read(...words);
  switch (place.type) {
    case "argument":
      return `${place.name} ${place.index} of ${place.command.name()}`;
    case "value":
      return `${place.prefix}value of ${place.option.long}`;
    case "unknown":
      return place.type;
    default:
      return `${place.type} of ${place.command.name()}`;
  }
};

Deno.test("the first word is a command, and below one with commands the next", () => {
  equal(place(), "command of k3ts");
  equal(place("ro"), "command of k3ts");
  equal(place("rollout", ""), "command of rollout");
  equal(place("rollout", "nothing", ""), "unknown");
});

Deno.test("arguments are told by their names, the last one again and again", () => {
  equal(place("get", "po"), "resource 0 of get");
  equal(place("get", "pods", "a", ""), "resource 2 of get");
  equal(place("rollout", "status", "deploy/"), "resource 0 of status");
  equal(place("completion", "bash", ""), "unknown");
});

Deno.test("options are flags, and have values behind a space or an equals sign", () => {
  equal(place("get", "--o"), "flag of get");
  equal(place("get", "pods", "-o", ""), "value of --output");
  equal(place("get", "--output=js"), "--output=value of --output");
  equal(place("get", "-w", ""), "resource 0 of get");
  equal(place("get", "--nothing", "x"), "resource 0 of get");
});

Deno.test("options of the cluster may stand before the command, and their values are known", () => {
  equal(place("-n", "web", ""), "command of k3ts");
  equal(place("-n", "we"), "value of --namespace");
  assertEquals(read("-n", "web", "get", "--context=a", "po").options, { namespace: "web", context: "a" });
  equal(place("-n", "web", "get", "po"), "resource 0 of get");
});

Deno.test("nothing is known of what runs in a container", () => {
  equal(place("exec", "web", "--", "ls", ""), "unknown");
  assertEquals(read("exec", "web", "-c", "").arguments, ["web"]);
});
