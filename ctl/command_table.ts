/** Which file holds which command: only the one that was asked for is loaded, so that each starts fast. */
import type { Command } from "commander";

export type Register = (program: Command) => void;

interface CommandFile {
  /** The commands that it registers. */
  names: readonly string[];
  load: () => Promise<Register>;
}

/** In the order, and under the headings, of `k3ts --help`. */
export const COMMAND_GROUPS: readonly { heading: string; files: readonly CommandFile[] }[] = [
  {
    heading: "This machine:",
    files: [
      { names: ["up", "server", "agent"], load: async () => (await import("./commands/up.ts")).registerUp },
      { names: ["down"], load: async () => (await import("./commands/down.ts")).registerDown },
      { names: ["restart"], load: async () => (await import("./commands/restart.ts")).registerRestart },
      { names: ["doctor"], load: async () => (await import("./commands/doctor.ts")).registerDoctor },
      { names: ["uninstall"], load: async () => (await import("./commands/uninstall.ts")).registerUninstall },
      { names: ["image"], load: async () => (await import("./commands/image.ts")).registerImage },
    ],
  },
  {
    heading: "Look:",
    files: [
      { names: ["get"], load: async () => (await import("./commands/get.ts")).registerGet },
      { names: ["describe"], load: async () => (await import("./commands/describe.ts")).registerDescribe },
      { names: ["events"], load: async () => (await import("./commands/events.ts")).registerEvents },
      { names: ["top"], load: async () => (await import("./commands/top.ts")).registerTop },
      { names: ["wait"], load: async () => (await import("./commands/wait.ts")).registerWait },
      { names: ["logs"], load: async () => (await import("./commands/logs.ts")).registerLogs },
    ],
  },
  {
    heading: "Change:",
    files: [
      { names: ["apply"], load: async () => (await import("./commands/apply.ts")).registerApply },
      { names: ["delete"], load: async () => (await import("./commands/delete.ts")).registerDelete },
      { names: ["diff"], load: async () => (await import("./commands/diff.ts")).registerDiff },
      { names: ["create"], load: async () => (await import("./commands/create.ts")).registerCreate },
      { names: ["run"], load: async () => (await import("./commands/run.ts")).registerRun },
      { names: ["expose"], load: async () => (await import("./commands/expose.ts")).registerExpose },
      { names: ["edit"], load: async () => (await import("./commands/edit.ts")).registerEdit },
      { names: ["patch"], load: async () => (await import("./commands/patch.ts")).registerPatch },
      { names: ["set"], load: async () => (await import("./commands/set.ts")).registerSet },
      { names: ["label", "annotate"], load: async () => (await import("./commands/label.ts")).registerLabel },
      { names: ["scale"], load: async () => (await import("./commands/scale.ts")).registerScale },
      { names: ["rollout"], load: async () => (await import("./commands/rollout.ts")).registerRollout },
    ],
  },
  {
    heading: "Into containers:",
    files: [
      { names: ["exec"], load: async () => (await import("./commands/exec.ts")).registerExec },
      { names: ["attach"], load: async () => (await import("./commands/attach.ts")).registerAttach },
      { names: ["cp"], load: async () => (await import("./commands/cp.ts")).registerCp },
      {
        names: ["port-forward"],
        load: async () => (await import("./commands/port_forward.ts")).registerPortForward,
      },
    ],
  },
  {
    heading: "The cluster:",
    files: [
      { names: ["cordon", "uncordon"], load: async () => (await import("./commands/cordon.ts")).registerCordon },
      { names: ["drain"], load: async () => (await import("./commands/drain.ts")).registerDrain },
      {
        names: ["version", "cluster", "node", "token"],
        load: async () => (await import("./commands/cluster.ts")).registerCluster,
      },
      {
        names: ["api-resources"],
        load: async () => (await import("./commands/resources.ts")).registerApiResources,
      },
      { names: ["explain"], load: async () => (await import("./commands/explain.ts")).registerExplain },
    ],
  },
  {
    heading: "Access:",
    files: [
      { names: ["auth"], load: async () => (await import("./commands/auth.ts")).registerAuth },
      { names: ["kubeconfig"], load: async () => (await import("./commands/kubeconfig.ts")).registerKubeconfig },
      { names: ["config"], load: async () => (await import("./commands/config.ts")).registerConfig },
      {
        names: ["completion", "__complete"],
        load: async () => (await import("./commands/completion.ts")).registerCompletion,
      },
    ],
  },
];

/** Registers the command of that name, or all of them when there is none: for help, and to find what was meant. */
export async function registerCommands(program: Command, name: string | undefined): Promise<void> {
  for (const { files } of COMMAND_GROUPS) {
    const own = files.find(({ names }) => name !== undefined && names.includes(name));
    if (own !== undefined) return (await own.load())(program);
  }
  for (const { heading, files } of COMMAND_GROUPS) {
    program.commandsGroup(heading);
    for (const { load } of files) (await load())(program);
  }
}
