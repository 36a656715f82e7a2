/**
 * Installs what a Windows runner lacks to build a target: the CUDA toolkit, or the Vulkan SDK. The next steps find them by the
 * variables that this writes for GitHub.
 *
 *     node deploy/release/windows-tools.mjs TARGET
 */
import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { targetNamed } from "../../native/prebuild/targets.mjs";

const cuda = "12.8.1";
const vulkan = "1.4.313.2";
const work = process.env.RUNNER_TEMP ?? ".";

const log = (line) => process.stderr.write(`${line}\n`);

async function install(address, ...flags) {
  log(`fetching ${address}`);
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status} ${response.statusText}`);
  const file = join(work, new URL(address).pathname.split("/").at(-1));
  writeFileSync(file, Buffer.from(await response.arrayBuffer()));
  execFileSync(file, flags, { stdio: "inherit" });
}

function tell(variables, folder) {
  for (const [name, value] of Object.entries(variables)) appendFileSync(process.env.GITHUB_ENV, `${name}=${value}\n`);
  appendFileSync(process.env.GITHUB_PATH, `${folder}\n`);
}

const installers = {
  cuda: async () => {
    const site = "https://developer.download.nvidia.com/compute/cuda";
    await install(`${site}/${cuda}/network_installers/cuda_${cuda}_windows_network.exe`, "-s", "-n");
    const folder = `C:\\Program Files\\NVIDIA GPU Computing Toolkit\\CUDA\\v${cuda.split(".").slice(0, 2).join(".")}`;
    tell({ CUDA_PATH: folder, CUDACXX: `${folder}\\bin\\nvcc.exe` }, `${folder}\\bin`);
  },
  vulkan: async () => {
    const file = `vulkansdk-windows-X64-${vulkan}.exe`;
    const flags = ["--accept-licenses", "--default-answer", "--confirm-command", "install"];
    await install(`https://sdk.lunarg.com/sdk/download/${vulkan}/windows/${file}`, ...flags);
    tell({ VULKAN_SDK: `C:\\VulkanSDK\\${vulkan}` }, `C:\\VulkanSDK\\${vulkan}\\Bin`);
  },
};

try {
  const target = targetNamed(process.argv[2] ?? "");
  if (spawnSync("ninja", ["--version"]).status !== 0) execFileSync("choco", ["install", "ninja", "--yes"], { stdio: "inherit" });
  await installers[target.backend]?.();
} catch (error) {
  log(error.message);
  process.exitCode = 1;
}
