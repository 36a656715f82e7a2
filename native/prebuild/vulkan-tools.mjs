/**
 * Fetches a shader compiler and Vulkan headers that are new enough for llama.cpp, for a Debian whose own are too old. The
 * packages come from a newer Debian through apt and are unpacked into build/vulkan-tools, not installed. glslc runs with its own
 * C library, which is unpacked beside it.
 *
 *     node native/prebuild/vulkan-tools.mjs          prints the definitions that native/build.mjs needs
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const suite = "trixie";
const packages = ["glslc", "libshaderc1", "libc6", "libstdc++6", "libgcc-s1", "libvulkan-dev", "libvulkan1", "spirv-headers"];
const multiarch = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[process.arch];
const interpreter = { x64: "ld-linux-x86-64.so.2", arm64: "ld-linux-aarch64.so.1" }[process.arch];

/** The archive of this machine's Debian, which has the newer release too. */
function mirror() {
  const lines = execFileSync("apt-get", ["indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"], {
    encoding: "utf8",
  }).split("\n");
  const found = lines.map((line) => line.split("|")).find(([origin, label]) => origin === "Debian" && label === "Debian");
  if (!found)
    throw new Error("apt knows no Debian archive: run apt-get update, or set Vulkan_GLSLC_EXECUTABLE and Vulkan_INCLUDE_DIR");
  return found[2];
}

function fetchPackages(work) {
  for (const folder of ["lists/partial", "cache/archives/partial", "packages"])
    mkdirSync(join(work, folder), { recursive: true });
  const sources = join(work, "newer.sources");
  writeFileSync(
    sources,
    `Types: deb\nURIs: ${mirror()}\nSuites: ${suite}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`,
  );
  const options = [
    `Dir::Etc::sourcelist=${sources}`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${join(work, "lists")}`,
    `Dir::Cache=${join(work, "cache")}`,
    // apt must not switch to its own user, which may not be able to read the folder.
    "APT::Sandbox::User=root",
  ].flatMap((option) => ["-o", option]);
  const apt = (...args) =>
    execFileSync("apt-get", [...options, "-qq", ...args], {
      cwd: join(work, "packages"),
      stdio: ["ignore", "ignore", "inherit"],
    });
  apt("update");
  apt("download", ...packages);
  return readdirSync(join(work, "packages"))
    .filter((name) => name.endsWith(".deb"))
    .map((name) => join(work, "packages", name));
}

/** Idempotent. Returns the CMake definitions. */
export function vulkanTools({
  directory = join(root, "build", "vulkan-tools"),
  log = (line) => process.stderr.write(`${line}\n`),
} = {}) {
  if (process.platform !== "linux" || multiarch === undefined) {
    throw new Error("vulkan-tools is for Debian on x64 and arm64; elsewhere install the Vulkan SDK");
  }
  const glslc = join(directory, "glslc");
  if (!existsSync(glslc)) {
    log(`vulkan-tools: ${packages.join(", ")} of ${suite}`);
    const work = `${directory}.work`;
    rmSync(work, { recursive: true, force: true });
    rmSync(directory, { recursive: true, force: true });
    for (const file of fetchPackages(work)) execFileSync("dpkg-deb", ["-x", file, directory]);
    rmSync(work, { recursive: true, force: true });
    const libraries = join(directory, "usr", "lib", multiarch);
    writeFileSync(
      glslc,
      `#!/bin/sh\nexec "${join(libraries, interpreter)}" --library-path "${libraries}" "${join(directory, "usr", "bin", "glslc")}" "$@"\n`,
    );
    chmodSync(glslc, 0o755);
  }
  return [
    `-DVulkan_GLSLC_EXECUTABLE=${glslc}`,
    `-DVulkan_INCLUDE_DIR=${join(directory, "usr", "include")}`,
    `-DVulkan_LIBRARY=${join(directory, "usr", "lib", multiarch, "libvulkan.so.1")}`,
    `-DSPIRV-Headers_DIR=${join(directory, "usr", "share", "cmake", "SPIRV-Headers")}`,
  ];
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${vulkanTools().join("\n")}\n`);
}
