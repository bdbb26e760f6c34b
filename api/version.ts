/** What the server says of itself at `/version`. */
import { KUBERNETES_VERSION } from "@k3ts/model";

/** version.Info: the Kubernetes whose API is served, with our name behind it. */
export function versionInfo(): Record<string, string> {
  const [major = "", minor = ""] = KUBERNETES_VERSION.split(".");
  return {
    major,
    minor,
    gitVersion: `v${KUBERNETES_VERSION}+k3ts`,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "none",
    compiler: "deno",
    platform: `${Deno.build.os}/${Deno.build.arch === "x86_64" ? "amd64" : "arm64"}`,
  };
}
