/** Node of other versions and for other processors, from npm packages that contain one. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ended } from "./command.js";

const root = join(import.meta.dirname, "..", "..");

/** It is kept in build/, so that it is fetched once. */
export async function otherNode(version: string, processor: "x64" | "arm64" = "x64"): Promise<string> {
  if (version === process.versions.node && processor === process.arch) return process.execPath;
  const name = `node-linux-${processor}`;
  const directory = join(root, "build", "nodes", processor === "x64" ? version : `${version}-${processor}`);
  const binary = join(directory, "node_modules", name, "bin", "node");
  if (existsSync(binary)) return binary;
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "package.json"), '{ "private": true }\n');
  const flags = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--force"];
  const npm = spawn("npm", ["install", ...flags, `${name}@${version}`], { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  const { code, stderr } = await ended(npm);
  if (code !== 0) throw new Error(`${name}@${version} could not be installed: ${stderr}`);
  return binary;
}
