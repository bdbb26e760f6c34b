import { equal, throws } from "node:assert/strict";
import { canonical } from "./reference.ts";

const HEX = "0".repeat(64);

Deno.test("names are completed as Docker does", () => {
  const cases = {
    nginx: "docker.io/library/nginx:latest",
    "nginx:1.29": "docker.io/library/nginx:1.29",
    "team/app": "docker.io/team/app:latest",
    "index.docker.io/library/nginx": "docker.io/library/nginx:latest",
    "localhost/app": "localhost/app:latest",
    "localhost:5000/a/b:v1": "localhost:5000/a/b:v1",
    "ghcr.io/a/b": "ghcr.io/a/b:latest",
    [`a/b@sha256:${HEX}`]: `docker.io/a/b@sha256:${HEX}`,
    [`a/b:v1@sha256:${HEX}`]: `docker.io/a/b@sha256:${HEX}`,
  };
  for (const [name, full] of Object.entries(cases)) equal(canonical(name), full);
});

Deno.test("what is no name is refused with the reason", () => {
  for (const name of ["", "Nginx", "a//b", "a:b:c", "a@sha256:12", "a:-x", "ghcr.io/", "../../etc"]) {
    throws(() => canonical(name), { name: "InvalidImageName" }, name);
  }
});
