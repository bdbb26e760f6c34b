/** Files of `/proc` as what they say. Pure. */

/** Where something is mounted. @param text `/proc/self/mounts` (fstab(5)), which writes spaces as `\040` */
export function parseMounts(text: string): string[] {
  return text.split("\n").filter((line) => line !== "").map((line) =>
    line.split(" ")[1]!.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)))
  );
}
